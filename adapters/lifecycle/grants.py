"""Grants: what a turn keeps of its starter's authority, so that it can go on when nobody waits for it any more.

The verified chain, the groups and scopes that its tokens claimed, and since when; never a token. A grant is written
with its turn, sealed, and every attempt is decided by it anew, with the policies and the directory of that moment.
Pure; the key that seals is `gateway.seal`'s (above).
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import orjson

from adapters.sealing import Seal
from registry.model import (
    NO_TURN,
    Action,
    BadRequest,
    Chain,
    ConversationId,
    Domain,
    Principal,
    PrincipalKind,
    Target,
    TargetKind,
    TurnId,
)

PURPOSE: Final = "grant"
"""What grants are sealed for: nothing that was sealed for anything else is taken for one."""

DAY: Final = 86_400.0
"""The longest that a grant is good for, in seconds."""

_ACTIONS = {action.value: action for action in (Action.MESSAGE, Action.INVOKE)}
_KINDS = {kind.value: kind for kind in PrincipalKind}
_TARGETS = {kind.value: kind for kind in (TargetKind.AGENT, TargetKind.SKILL)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """For whom and to what end a turn was opened.

    `groups` are what the token of each link of `chain` claimed, `scopes` those of the last one; `granted_at` is in
    seconds since the epoch. `action` on `target` is what was asked, and is asked again in every attempt. `context` is
    what the starter calls the conversation. `attended`, `background`: see `registry.model.Sending`. `root` is the
    outermost of the turns that this one is nested in. `opening` is the digest of what was said: for nothing else is it
    good.
    """

    chain: Chain
    groups: tuple[frozenset[str], ...]
    scopes: frozenset[str]
    granted_at: float
    action: Action
    target: Target
    context: str = ""
    extensions: tuple[str, ...] = ()
    attended: bool = False
    background: bool = False
    root: TurnId = NO_TURN
    opening: str = ""

    def is_good(self, now: float, *, seconds: float = DAY) -> bool:
        """Whether it is not too old to be acted on, and not from the future."""
        return -60.0 <= now - self.granted_at <= seconds


def owner_of(chain: Chain) -> str:
    """Whose a turn is: the digest of all links, so that what an agent asks for one person is not another's."""
    names = [name for link in chain for name in (link.kind, link.issuer, link.subject)]
    return hashlib.sha256("".join(f"{len(name)}:{name}" for name in names).encode()).hexdigest()[:32]


def seal_grant(grant: Grant, seal: Seal, *, place: ConversationId) -> bytes:
    """A grant as the log keeps it: for a turn of this conversation, and worth nothing in any other."""
    return seal.seal(write_grant(grant), purpose=f"{PURPOSE} {place}")


def open_grant(sealed: bytes, seal: Seal, *, place: ConversationId) -> Grant:
    """The grant that was sealed for this conversation.

    Raises:
        InterchangeError: nobody here sealed it, or for another one.
    """
    return read_grant(seal.open(sealed, purpose=f"{PURPOSE} {place}"))


def digest_of(body: bytes) -> str:
    """What a grant remembers of the message that it was made for."""
    return hashlib.sha256(body).hexdigest()


def write_grant(grant: Grant) -> bytes:
    """A grant as bytes."""
    links = [
        {
            "kind": link.kind.value,
            "iss": link.issuer,
            "sub": link.subject,
            "name": link.name,
            "domain": link.domain,
            "groups": sorted(groups),
        }
        for link, groups in zip(grant.chain, grant.groups, strict=True)
    ]
    flags = [name for name in ("attended", "background") if getattr(grant, name)]
    return orjson.dumps(
        {
            "chain": links,
            "scopes": sorted(grant.scopes),
            "at": grant.granted_at,
            "action": grant.action.value,
            "target": [grant.target.kind.value, grant.target.name],
            "context": grant.context,
            "extensions": grant.extensions,
            "flags": flags,
            "root": grant.root,
            "opening": grant.opening,
        }
    )


def read_grant(data: bytes) -> Grant:
    """The grant that `write_grant` wrote.

    Raises:
        BadRequest: it did not write this.
    """
    try:
        return _read(orjson.loads(data))
    except (KeyError, TypeError, ValueError) as error:
        raise BadRequest("The authority of this turn cannot be read.") from error


def _read(written: Mapping[str, Any]) -> Grant:
    links = cast("Sequence[Mapping[str, Any]]", written["chain"])
    kind, name = written["target"]
    flags = written["flags"]
    return Grant(
        chain=Chain(tuple(map(_link, links))),
        groups=tuple(frozenset(link["groups"]) for link in links),
        scopes=frozenset(written["scopes"]),
        granted_at=float(written["at"]),
        action=_ACTIONS[written["action"]],
        target=Target(_TARGETS[kind], name),
        context=written["context"],
        extensions=tuple(written["extensions"]),
        attended="attended" in flags,
        background="background" in flags,
        root=TurnId(written["root"]),
        opening=written["opening"],
    )


def _link(link: Mapping[str, Any]) -> Principal:
    return Principal(
        kind=_KINDS[link["kind"]],
        issuer=link["iss"],
        subject=link["sub"],
        name=link["name"],
        domain=Domain(link["domain"]),
    )
