"""Finding one's way in the book: what a name belongs to, what waits under it, which revision to show."""

from collections.abc import Mapping, Sequence

from registry.ledger import Ledger, Present
from registry.manifest import Manifest
from registry.model import AgentName, Unknown
from registry.revisions import Name, Revision, State


def book_of_manifest(ledger: Ledger, manifest: Manifest) -> dict[Name, Present]:
    """All that is known of the agents of a manifest and of every skill they ever had."""
    return ledger.current([agent.name for agent in manifest.agents])


def book_of(ledger: Ledger, name: str) -> tuple[AgentName, dict[Name, Present]]:
    """The agent a name belongs to, and all that is known of it.

    Raises:
        Unknown: there never was such a name.
    """
    agent = ledger.agent_of(name)
    if agent is None:
        raise no_such(name)
    return agent, ledger.current([agent])


def waiting_under(book: Mapping[Name, Present], name: str, agent: AgentName) -> list[Revision]:
    """What waits under a name, the agent first."""
    return [
        present.waiting
        for key, present in sorted(book.items(), key=by_name)
        if present.waiting is not None and name in (agent, key.text)
    ]


def newest(history: Sequence[Revision]) -> Revision | None:
    """The live revision, or the newest where none is."""
    live = [found for found in history if found.state is State.LIVE]
    return next(iter([*live, *history]), None)


def by_name(item: tuple[Name, Present]) -> str:
    """A key to sort by; an agent comes before its skills."""
    return item[0].text


def no_such(name: str) -> Unknown:
    """The error for what is not there, or not there for the caller."""
    return Unknown(f"There is no agent or skill {name[:200]}.")
