"""A gateway for tests of agents: who is in its directory, and what its policies let them do."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from tests.support.served import Served, served_gateway

PEOPLE = """
[persons.ada]
groups = ["users"]
domain = "office"
[persons.bob]
groups = ["users"]
domain = "office"
[persons.eve]
groups = ["talkers"]
domain = "office"
[persons.eva]
groups = ["talkers", "viewers"]
domain = "office"
[persons.operator]
groups = ["operators"]
domain = "office"
[persons.stranger]
domain = "elsewhere"

[agents.clerk]
client_ids = ["clerk"]
groups = ["clerks"]
domain = "office"
[agents.deputy]
client_ids = ["deputy"]
groups = ["deputies"]
domain = "office"
[agents.oddity]
client_ids = ["oddity"]
groups = ["deputies"]
domain = "office"
"""

POLICIES = """
// Users may do everything here; talkers talk to agents, and viewers see what there is but may not use it.
@id("users.office") permit (principal in Group::"users", action in Action::"use", resource in Domain::"office");
@id("users.tests") permit (principal in Group::"users", action in Action::"use", resource in Domain::"tests");
@id("talkers.talk")
permit (principal in Group::"talkers", action in [Action::"list", Action::"message"], resource in Domain::"office");
@id("viewers.view") permit (principal in Group::"viewers", action == Action::"list", resource in Domain::"tests");

// Clerks work for somebody, never alone; deputies do anything.
@id("clerks.for-somebody")
permit (principal in Group::"clerks", action in Action::"use", resource in Domain::"tests") when { context.depth > 1 };
@id("clerks.ask") permit (principal in Group::"clerks", action in Action::"use", resource in Domain::"office");
@id("deputies.office") permit (principal in Group::"deputies", action in Action::"use", resource in Domain::"office");
@id("deputies.tests") permit (principal in Group::"deputies", action in Action::"use", resource in Domain::"tests");

@id("operators.see") permit (principal in Group::"operators", action == Action::"list", resource);
@id("operators.publish")
permit (principal in Group::"operators", action in [Action::"publish", Action::"pin"], resource is Catalog);
"""


@contextmanager
def office(folder: Path, *, settings: str = "") -> Generator[Served]:
    """Start the gateway; on leaving, stop it."""
    with served_gateway(folder, people=PEOPLE, policies=POLICIES, settings=settings) as served:
        yield served
