"""Who calls, by the metadata of an RPC: one bearer token, and the token of a turn where an agent acts for others.

Every face of this port asks here, before it reads a request, so that all of them take the same credentials and refuse
the same. What `gateway.principal` is to HTTP, this is to gRPC.
"""

from collections.abc import Awaitable, Callable, Iterable
from typing import TypeAlias, cast

from gateway.platform.rpc import Context
from gateway.principal import Acting, no_turns
from policies.identity.tokens import Verified
from registry.model import BadRequest, Unauthenticated

Verify: TypeAlias = Callable[[str], Awaitable[Verified]]

TURN_TOKEN = "ix-turn-token"  # noqa: S105 - a name


class Callers:
    """Knows callers. `verify` reads a bearer token, `acting` a turn's token that whoever is verified presents."""

    def __init__(self, *, verify: Verify, acting: Acting = no_turns) -> None:
        self._verify = verify
        self._acting = acting

    async def verified_of(self, context: Context) -> Verified:
        """Who calls, and for whom.

        Raises:
            Unauthenticated: no token, several, or one that proves nothing here.
            BadRequest: metadata that only the gateway may send, or several turn tokens.
            InterchangeError: it cannot be told at the moment.
        """
        metadata = metadata_of(context)
        turn_token = _turn_token(metadata)
        verified = await self._verify(_bearer(metadata))
        return await self._acting(turn_token, verified) if turn_token else verified


def metadata_of(context: Context) -> list[tuple[str, str]]:
    """The metadata of an RPC, as text."""
    pairs = cast("Iterable[tuple[str, object]]", context.invocation_metadata() or ())
    return [(str(key), value.decode("latin-1") if isinstance(value, bytes) else str(value)) for key, value in pairs]


def _bearer(metadata: Iterable[tuple[str, str]]) -> str:
    found = [value for key, value in metadata if key == "authorization"]
    scheme, _, token = found[0].partition(" ") if len(found) == 1 else ("", "", "")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthenticated("Send one access token as metadata, authorization: Bearer ….")
    return token.strip()


def _turn_token(metadata: Iterable[tuple[str, str]]) -> str:
    """The token of the turn in which an agent calls back; empty if there is none."""
    ours = [(key, value) for key, value in metadata if key.startswith("ix-")]
    if any(key != TURN_TOKEN for key, _ in ours):
        raise BadRequest("Metadata that begins with ix- is the gateway's own and may not be sent, but ix-turn-token.")
    if len(ours) > 1 or (ours and not ours[0][1]):
        raise BadRequest("The metadata ix-turn-token carries one token.")
    return ours[0][1] if ours else ""
