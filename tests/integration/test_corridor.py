"""The corridor with real rooms around it: judge, directory, and an audit log on disk. Only the far side is ours."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapters.messaging.errors import LogUnavailable
from gateway.corridor import Corridor
from gateway.facts import FactFinder
from gateway.limits import PrincipalLimits
from gateway.live import InForce, Live
from gateway.turns import TurnsInHand
from policies.audit.lines import LineLog
from policies.audit.segments import read_entries
from policies.facts import Facts
from policies.identity.directory import load_directory
from policies.identity.keys import generate_signing_key
from policies.identity.turn_tokens import TurnTokens
from registry.catalog import Catalog
from registry.model import (
    Action,
    Attempt,
    Attention,
    Bound,
    Call,
    Chain,
    ConversationId,
    Deadline,
    Denied,
    Emit,
    FarSideError,
    FarSideFault,
    NeedsApproval,
    Overloaded,
    Param,
    Principal,
    PrincipalKind,
    Result,
    Sending,
    Target,
    TargetKind,
    Unknown,
    alone,
    new_call_id,
    new_turn_id,
    nowhere,
)
from tests.support.policies import ISSUER, catalog, judge, skill

DIRECTORY = """
[persons.ada]
groups = ["readers"]
domain = "hiring"
[agents.assistant]
client_ids = ["assistant-1"]
groups = ["readers"]
domain = "hiring"
"""
POLICIES = """
@id("readers-use-books") permit (principal in Group::"readers", action in Action::"use", resource in Agent::"books");
"""
ADA = Principal(kind=PrincipalKind.PERSON, issuer=ISSUER, subject="ada", name="ada")
BOB = Principal(kind=PrincipalKind.PERSON, issuer=ISSUER, subject="bob", name="bob")
ASSISTANT = Principal(kind=PrincipalKind.AGENT, issuer=ISSUER, subject="assistant-1", name="assistant")
BOOKS = catalog(
    [
        skill("books.read", params=(Param(name="reader", bound=Bound.SUBJECT),)),
        skill("books.burn", read_only=False, destructive=True),
    ]
)


class Library:
    """A far side that notes what reached it, and whether the decision was on record by then."""

    def __init__(self, audit: Path) -> None:
        self.audit = audit
        self.reached: list[Facts] = []
        self.on_record: list[str] = []
        self.failing: Exception | None = None

    async def answer(self, call: Call, facts: Facts, emit: Emit) -> Result:
        self.reached.append(facts)
        self.on_record = [str(entry["verdict"]) for entry in read_entries(self.audit) if entry["kind"] == "decision"]
        if self.failing is not None:
            raise self.failing
        return Result(structured={"page": 1}, text='{"page":1}')


class Rooms:
    """A corridor, its far side, and where its audit log is."""

    def __init__(self, folder: Path, log: LineLog, *, calls: int = 64, known: Catalog = BOOKS) -> None:
        (folder / "directory.toml").write_text(DIRECTORY)
        self.audit, self.log = folder / "audit", log
        self.library = Library(self.audit)
        self.limits = PrincipalLimits(calls=calls, subscriptions=1)
        self.corridor = Corridor(
            live=Live(InForce(known, judge(POLICIES, known), load_directory(folder / "directory.toml"))),
            facts=FactFinder(environment="test"),
            audit=log,
            limits=self.limits,
            turns=TurnsInHand(TurnTokens(issuer="http://127.0.0.1:8420", key=generate_signing_key())),
            far_sides={TargetKind.SKILL: self.library.answer},
        )

    async def entries(self) -> list[dict[str, Any]]:
        """What the log holds once everything is written."""
        await self.log.close()
        return [dict(entry) for entry in read_entries(self.audit) if entry["kind"] in {"decision", "outcome"}]


@pytest.fixture
async def rooms(tmp_path: Path) -> AsyncGenerator[Rooms]:
    log = LineLog.open(tmp_path / "audit")
    yield Rooms(tmp_path, log)
    await log.close()


def asking(target: str, *, chain: Chain | None = None, **content: Any) -> Call:
    return Call(
        id=new_call_id(),
        chain=chain or alone(ADA),
        action=Action.INVOKE,
        target=Target(TargetKind.SKILL, target),
        content=content,
        deadline=Deadline.after(5),
        door="test",
    )


async def test_an_allowed_call_reaches_its_far_side_and_both_are_on_record(rooms: Rooms) -> None:
    result = await rooms.corridor.handle(asking("books.read"), nowhere)

    assert result.structured == {"page": 1}
    decision, outcome = await rooms.entries()
    assert (decision["verdict"], decision["policies"]) == ("allow", ["readers-use-books"])
    assert (outcome["call"], outcome["outcome"]) == (decision["call"], "ok")


async def test_bound_parameters_are_filled_with_the_person_at_the_head_of_the_chain(rooms: Rooms) -> None:
    await rooms.corridor.handle(asking("books.read", chain=alone(ADA).then(ASSISTANT)), nowhere)

    assert rooms.library.reached[0].arguments["reader"] == "ada"


async def test_a_bound_parameter_nobody_can_fill_is_a_denial(rooms: Rooms) -> None:
    with pytest.raises(Denied):
        await rooms.corridor.handle(asking("books.read", chain=alone(ASSISTANT)), nowhere)
    assert rooms.library.reached == []


async def test_unknown_and_forbidden_are_told_alike(rooms: Rooms) -> None:
    with pytest.raises(Unknown) as hidden:
        await rooms.corridor.handle(asking("books.read", chain=alone(BOB)), nowhere)
    with pytest.raises(Unknown) as absent:
        await rooms.corridor.handle(asking("books.fold", chain=alone(BOB)), nowhere)
    assert hidden.value.message.replace("books.read", "…") == absent.value.message.replace("books.fold", "…")
    assert [entry["verdict"] for entry in await rooms.entries() if entry["kind"] == "decision"] == ["unknown"] * 2


async def test_every_link_of_the_chain_must_be_allowed(rooms: Rooms) -> None:
    with pytest.raises(Unknown):
        await rooms.corridor.handle(asking("books.read", chain=alone(BOB).then(ASSISTANT)), nowhere)
    assert rooms.library.reached == []


async def test_what_destroys_waits_for_somebody_elses_approval(rooms: Rooms) -> None:
    with pytest.raises(NeedsApproval) as caught:
        await rooms.corridor.handle(asking("books.burn"), nowhere)
    assert caught.value.policies == ("baseline.approval",)
    assert rooms.library.reached == []


async def test_a_write_is_on_record_before_its_far_side_hears_of_it(tmp_path: Path) -> None:
    log = LineLog.open(tmp_path / "audit")
    rooms = Rooms(tmp_path, log, known=catalog([skill("books.shelve", read_only=False)]))
    await rooms.corridor.handle(asking("books.shelve"), nowhere)
    assert rooms.library.on_record == ["allow"]
    await log.close()


async def test_a_far_side_that_fails_is_an_outcome_too(rooms: Rooms) -> None:
    rooms.library.failing = FarSideError("It is closed.", fault=FarSideFault.UNAVAILABLE)
    with pytest.raises(FarSideError):
        await rooms.corridor.handle(asking("books.read"), nowhere)
    assert [entry.get("outcome") for entry in await rooms.entries()] == [None, "far_side"]


async def test_one_call_too_many_at_a_time_is_refused_and_on_record(tmp_path: Path) -> None:
    log = LineLog.open(tmp_path / "audit")
    rooms = Rooms(tmp_path, log, calls=1)
    with rooms.limits.call(ADA), pytest.raises(Overloaded):
        await rooms.corridor.handle(asking("books.read"), nowhere)
    assert [entry.get("outcome") for entry in await rooms.entries()] == [None, "overloaded"]
    assert rooms.library.reached == []


async def test_where_the_log_is_and_what_is_wrong_with_it_is_told_to_operators_alone(rooms: Rooms) -> None:
    rooms.library.failing = LogUnavailable("The log's database (prod at 10.1.2.3:5432) cannot be used.")
    with pytest.raises(LogUnavailable) as caught:
        await rooms.corridor.handle(asking("books.read"), nowhere)
    assert "10.1.2.3" not in caught.value.message

    with pytest.raises(LogUnavailable, match=r"10\.1\.2\.3"):
        await rooms.corridor.handle(replace(asking("books.read"), door="platform"), nowhere)


def attempt_of(message: Call) -> Call:
    """The first attempt at the turn that a message opens."""
    assert message.sending is not None
    attempt = Attempt(
        turn=message.sending.turn,
        conversation=ConversationId("c"),
        delivery="d",
        number=1,
        fence=1,
        input=(),
    )
    return replace(message, id=new_call_id(), sending=None, attempt=attempt, door="turn")


async def test_an_attempt_is_on_record_with_a_decision_of_its_own(rooms: Rooms) -> None:
    sending = Sending(message="m", turn=new_turn_id(), attention=Attention.WAITS)
    message = replace(asking("books.read"), sending=sending)
    await rooms.corridor.handle(message, nowhere)
    await rooms.corridor.handle(attempt_of(message), nowhere)
    decisions = [entry for entry in await rooms.entries() if entry["kind"] == "decision"]
    assert [entry["verdict"] for entry in decisions] == ["allow", "allow"]
    assert decisions[0]["call"] != decisions[1]["call"]


async def test_an_attempt_that_asks_something_else_is_decided_by_what_it_asks(rooms: Rooms) -> None:
    sending = Sending(message="m", turn=new_turn_id(), attention=Attention.WAITS)
    message = replace(asking("books.read"), sending=sending)
    await rooms.corridor.handle(message, nowhere)
    for other in (
        replace(message, chain=alone(BOB)),
        replace(message, target=Target(TargetKind.SKILL, "books.burn")),
    ):
        with pytest.raises((Unknown, NeedsApproval)):
            await rooms.corridor.handle(attempt_of(other), nowhere)
