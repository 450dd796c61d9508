"""What a request is to the face before any operation is looked at: who asks which agent, in which words of A2A."""

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias
from urllib.parse import parse_qs

from a2a.utils.errors import ExtensionSupportRequiredError, VersionNotSupportedError
from starlette.types import Scope

from gateway.challenge import challenge
from gateway.principal import VERIFIED
from policies.identity.tokens import Verified
from registry.catalog import AgentEntry, SkillEntry
from registry.model import NeedsScope

Revision: TypeAlias = Literal["1.0", "0.3"]

VERSION: Final = "1.0"
"""The version of A2A that is spoken here; only major and minor number count (A2A 1.0, section 3.6)."""
OLDEST: Final = "0.3"
"""What a client speaks that does not say (section 3.6.2), and still may over HTTP."""

ASKED: Final = "interchange.a2a.asked"
"""In the scope of a request to an agent, and in the state of the SDK's context: what was asked."""

_VERSIONS: Final[Mapping[Revision, re.Pattern[str]]] = {
    VERSION: re.compile(r"1\.0(\.\d{1,6})?"),
    OLDEST: re.compile(r"0\.3(\.\d{1,6})?"),
}
_EXTENSIONS: Final = frozenset({b"a2a-extensions", b"x-a2a-extensions"})  # the latter is how 0.3 calls it


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request to one agent that its sender may see, whichever binding brought it.

    `skills` finds those that its sender may list. `version` and `extensions` are what the client says it speaks and
    activates, `revision` is that of the words it used; `params` is what its operation is given as the JSON of A2A 1.0,
    as far as messages go: the numbers as they were written. `demand` has the answer say which scopes a token needs, if
    nothing was sent yet, and in `seconds` the answer must be there.
    """

    entry: AgentEntry
    skills: Callable[[], Sequence[SkillEntry]]
    verified: Verified
    version: str
    revision: Revision = VERSION
    extensions: frozenset[str]
    params: object
    demand: Callable[[NeedsScope], None]
    seconds: float = math.inf


def read_asked(
    scope: Scope,
    entry: AgentEntry,
    skills: Callable[[], Sequence[SkillEntry]],
    *,
    params: object,
    revision: Revision = VERSION,
) -> Asked:
    """What a request that came through the door of HTTP asks, and of whom."""
    return Asked(
        entry=entry,
        skills=skills,
        verified=scope[VERIFIED],
        version=version_of(scope),
        revision=revision,
        extensions=read_extensions(value.decode("latin-1") for name, value in scope["headers"] if name in _EXTENSIONS),
        params=params,
        demand=lambda error: challenge(scope, error),
    )


def version_of(scope: Scope) -> str:
    """The version that a request over HTTP says it is in."""
    found = [value.decode("latin-1") for name, value in scope["headers"] if name == b"a2a-version"]
    return read_version(found or _in_query(scope))


def read_version(said: Sequence[str]) -> str:
    """The version that a client says it speaks; what it leaves empty is the oldest."""
    return (said[0].strip() if len(said) == 1 else ", ".join(said)) or OLDEST


def read_extensions(said: Iterable[str]) -> frozenset[str]:
    """The extensions that a client names."""
    return frozenset(uri.strip() for value in said for uri in value.split(",") if uri.strip())


def is_version(said: str, revision: Revision) -> bool:
    """Whether what a client says is a version of this revision."""
    return bool(_VERSIONS[revision].fullmatch(said))


def activated(asked: Asked) -> tuple[str, ...]:
    """The extensions in force for a request: those it asks for and the agent has declared."""
    return tuple(extension.uri for extension in asked.entry.agent.extensions if extension.uri in asked.extensions)


def check_terms(asked: Asked) -> None:
    """See that client and agent speak the same.

    Raises:
        VersionNotSupportedError, ExtensionSupportRequiredError: they do not.
    """
    if not is_version(asked.version, asked.revision):
        said = asked.version[:40] if asked.version.isprintable() else "?"
        raise VersionNotSupportedError(
            f"This is A2A {asked.revision}, and the request is in {said}: send A2A-Version: {VERSION} with its words.",
            {"supported": VERSION},
        )
    missing = [
        extension.uri
        for extension in asked.entry.agent.extensions
        if extension.required and extension.uri not in asked.extensions
    ]
    if missing:
        raise ExtensionSupportRequiredError(
            f"This agent needs extensions that were not activated: send A2A-Extensions: {', '.join(missing)}.",
            {"required": ", ".join(missing)},
        )


def _in_query(scope: Scope) -> list[str]:
    """The version as a service parameter of the URL, for clients that cannot set headers (section 3.6.1)."""
    query: bytes = scope["query_string"]
    if b"2" not in query:
        return []
    values: Mapping[str, list[str]] = parse_qs(query.decode("latin-1"), keep_blank_values=True)
    return [version for name, found in values.items() if name.lower() == "a2a-version" for version in found]
