"""Who asks: principals, and the chain of them that a call passes through.

A principal is always verified and always issuer and subject together; nothing here verifies anything
(`policies.identity` does) or knows what a principal may do (`policies.decide` does).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from registry.model.ids import Domain

NOWHERE = Domain("")
"""The domain of whoever the directory does not list."""


class PrincipalKind(StrEnum):
    """Values are the names of the entity types in policies, in lower case."""

    PERSON = "person"
    AGENT = "agent"
    SERVICE = "service"


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """A verified party.

    `name` is its id in policies and audit: an agent's name, otherwise the subject (`alias/subject` where several
    issuers are configured). `domain` comes from the directory and is empty for whoever is not listed there.
    """

    kind: PrincipalKind
    issuer: str
    subject: str
    name: str
    domain: Domain = NOWHERE

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}"


@dataclass(frozen=True, slots=True)
class Chain:
    """The principals a call passes through, the person (if any) first, the caller of this target last. Never empty."""

    links: tuple[Principal, ...]

    def __post_init__(self) -> None:
        if not self.links:
            raise ValueError("a chain has at least one principal")

    def __iter__(self) -> Iterator[Principal]:
        return iter(self.links)

    def __len__(self) -> int:
        return len(self.links)

    def __str__(self) -> str:
        return " > ".join(map(str, self.links))

    @property
    def depth(self) -> int:
        """How many links: 1 for a principal that acts alone."""
        return len(self.links)

    @property
    def caller(self) -> Principal:
        """The last link: who calls."""
        return self.links[-1]

    @property
    def person(self) -> Principal | None:
        """The person at the head, if the chain began with one."""
        return self.links[0] if self.links[0].kind is PrincipalKind.PERSON else None

    def then(self, principal: Principal) -> "Chain":
        """This chain with one more link."""
        return Chain((*self.links, principal))


def alone(principal: Principal) -> Chain:
    """A chain of one."""
    return Chain((principal,))
