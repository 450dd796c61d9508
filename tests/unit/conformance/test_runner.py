"""The runner: what becomes of a check that judges, one that gives up, one that crashes and one that hangs."""

import asyncio

import httpx
import pytest

from conformance.runner import Finding, examine
from conformance.subject import Check, Paper, Subject, Told
from conformance.verdict import (
    Broke,
    CannotExamine,
    Held,
    Inapplicable,
    NotOffered,
    Outcome,
    Unexamined,
    Verdict,
)
from conformance.wire import Wire, Wires

TOLD = Told(url="http://server.test")


def answer(request: httpx.Request) -> httpx.Response:
    if request.url.host == "nobody.test":
        raise httpx.ConnectError("Connection refused")
    return httpx.Response(418)


async def examined_by(check: Check[Subject], seconds: float = 5) -> Finding:
    """What the runner makes of a check, that of any requirement."""
    paper = Paper(protocol="mcp", survey=survey, checks={"mcp.tools.list": check})
    wires = Wires(token=None, seconds=5, transport=httpx.MockTransport(answer))
    only = {"mcp.tools.list"}
    (finding,) = [one async for one in examine(paper, TOLD, wires=wires, seconds=seconds, only=only)]
    return finding


async def survey(told: Told, wire: Wire) -> Subject:
    return Subject(told=told, wire=wire)


async def holds(_: Subject) -> Verdict:
    return Held()


async def breaks(subject: Subject) -> Verdict:
    exchange = await subject.wire.get(subject.told.url)
    return Broke(expected="HTTP 200", found=f"HTTP {exchange.status}")


async def finds_nothing(_: Subject) -> Verdict:
    raise Inapplicable("there is none")


async def gives_up(_: Subject) -> Verdict:
    raise CannotExamine("nothing to look into")


async def crashes(_: Subject) -> Verdict:
    raise KeyError("a mistake of the check")


async def hangs(_: Subject) -> Verdict:
    await asyncio.Event().wait()
    return Held()


async def meets_nobody(subject: Subject) -> Verdict:
    await subject.wire.get("http://nobody.test")
    return Held()


@pytest.mark.parametrize(
    ("check", "outcome"),
    [
        (holds, Held()),
        (breaks, Broke(expected="HTTP 200", found="HTTP 418")),
        (finds_nothing, NotOffered("there is none")),
        (gives_up, Unexamined("nothing to look into")),
    ],
)
async def test_a_verdict_is_reported_as_it_is(check: Check[Subject], outcome: Outcome) -> None:
    assert (await examined_by(check)).outcome == outcome


@pytest.mark.parametrize(
    ("check", "words"),
    [(crashes, "crashed"), (meets_nobody, "No exchange came about")],
)
async def test_what_stops_a_check_is_never_held(check: Check[Subject], words: str) -> None:
    outcome = (await examined_by(check)).outcome
    assert isinstance(outcome, Unexamined)
    assert words in outcome.why


async def test_a_check_that_hangs_ends_at_its_deadline() -> None:
    outcome = (await examined_by(hangs, seconds=0.01)).outcome
    assert outcome == Unexamined("It was not answered within 0.01 s.")


async def test_a_failed_survey_leaves_everything_unexamined() -> None:
    async def fails(told: Told, wire: Wire) -> Subject:
        await wire.get("http://nobody.test")
        return Subject(told=told, wire=wire)

    paper = Paper(protocol="mcp", survey=fails, checks={})
    wires = Wires(token=None, seconds=5, transport=httpx.MockTransport(answer))
    findings = [one async for one in examine(paper, TOLD, wires=wires, seconds=5)]
    assert findings
    assert all(isinstance(one.outcome, Unexamined) for one in findings)


async def test_evidence_is_what_this_check_said_and_heard() -> None:
    finding = await examined_by(breaks)
    assert [(one.method, one.url, one.status) for one in finding.exchanges] == [("GET", TOLD.url, 418)]
