"""A view: one link of a chain, in the circumstances that a listing may depend on. Whoever has an equal view sees the
same; so views are what answers are kept by. Compared by identity: make them through one bounded cache.
"""

from dataclasses import dataclass

from policies.cedar import Entity, Uid
from policies.facts import Standing
from policies.project import list_context, principal_ancestors, principal_entity, principal_uid
from registry.catalog import Catalog
from registry.model import JsonObject, PrincipalKind


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class View:
    """Who asks, with what is known of them to policies. `agent` is the name if it is an agent, else empty; `asking`
    are the entities of the link and of the person at the head of the chain; `context` is that of `list`."""

    name: str
    uid: Uid
    agent: str
    ancestors: frozenset[Uid]
    anchors: frozenset[Uid]
    asking: tuple[Entity, ...]
    context: JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """What a view is made of: the link, the head of its chain if that is a person, and the circumstances."""

    standing: Standing
    person: Standing | None
    depth: int
    scopes: frozenset[str]
    environment: str


def seats(standings: tuple[Standing, ...], *, scopes: frozenset[str], environment: str) -> tuple[Seat, ...]:
    """One seat for each link of a chain, in its order."""
    person = standings[0] if standings[0].principal.kind is PrincipalKind.PERSON else None
    depth = len(standings)
    return tuple(
        Seat(standing=standing, person=person, depth=depth, scopes=scopes, environment=environment)
        for standing in standings
    )


def view(seat: Seat, catalog: Catalog, anchors: frozenset[Uid]) -> View:
    """See from a seat. `anchors` are the entities that heads of policies name for principals."""
    principal = seat.standing.principal
    ancestors = principal_ancestors(seat.standing)
    others = [seat.person] if seat.person and seat.person != seat.standing else []
    return View(
        name=str(principal),
        uid=principal_uid(principal),
        agent=principal.name if principal.kind is PrincipalKind.AGENT else "",
        ancestors=ancestors,
        anchors=ancestors & anchors,
        asking=tuple(principal_entity(standing, catalog) for standing in (seat.standing, *others)),
        context=list_context(
            scopes=seat.scopes,
            environment=seat.environment,
            depth=seat.depth,
            person=seat.person.principal if seat.person else None,
        ),
    )
