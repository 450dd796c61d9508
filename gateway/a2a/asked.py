"""What a request is to the face before any operation is looked at: who asks which agent, in which words of A2A."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs

from a2a.utils.errors import ExtensionSupportRequiredError, VersionNotSupportedError
from starlette.types import Scope

from gateway.principal import VERIFIED
from policies.identity.tokens import Verified
from registry.catalog import AgentEntry, SkillEntry

VERSION: Final = "1.0"
"""The one version of A2A that is spoken here; only major and minor number count (A2A 1.0, section 3.6)."""
OLDEST: Final = "0.3"
"""What a client speaks that does not say (section 3.6.2)."""

ASKED: Final = "interchange.a2a.asked"
"""In the scope of a request to an agent, and in the state of the SDK's context: what was asked."""

_VERSION: Final = re.compile(r"1\.0(\.\d{1,6})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request to one agent that its sender may see.

    `skills` finds those that its sender may list. `version` and `extensions` are what the client says it speaks and
    activates; `params` is what its operation is given, as its JSON was read.
    """

    entry: AgentEntry
    skills: Callable[[], Sequence[SkillEntry]]
    verified: Verified
    version: str
    extensions: frozenset[str]
    params: object
    scope: Scope


def read_asked(scope: Scope, entry: AgentEntry, skills: Callable[[], Sequence[SkillEntry]], *, params: object) -> Asked:
    """What a request that came through the door asks, and of whom."""
    headers = [(name, value.decode("latin-1")) for name, value in scope["headers"] if name.startswith(b"a2a-")]
    versions = [value for name, value in headers if name == b"a2a-version"] or _in_query(scope)
    named = [value for name, value in headers if name == b"a2a-extensions"]
    return Asked(
        entry=entry,
        skills=skills,
        verified=scope[VERIFIED],
        version=versions[0].strip() if len(versions) == 1 else ", ".join(versions) or OLDEST,
        extensions=frozenset(uri.strip() for value in named for uri in value.split(",") if uri.strip()),
        params=params,
        scope=scope,
    )


def activated(asked: Asked) -> tuple[str, ...]:
    """The extensions in force for a request: those it asks for and the agent has declared."""
    return tuple(extension.uri for extension in asked.entry.agent.extensions if extension.uri in asked.extensions)


def check_terms(asked: Asked) -> None:
    """See that client and agent speak the same.

    Raises:
        VersionNotSupportedError, ExtensionSupportRequiredError: they do not.
    """
    if not _VERSION.fullmatch(asked.version):
        said = asked.version[:40] if asked.version.isprintable() else "?"
        raise VersionNotSupportedError(
            f"This agent speaks A2A {VERSION}, and the request is in {said}: send the header A2A-Version: {VERSION}.",
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
