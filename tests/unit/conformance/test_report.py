"""Reports: what is shown, what is counted, and when an examination fails."""

import json
from dataclasses import replace

import pytest

from conformance.report import SHOWN_CHARACTERS, Report, json_report, summary, text_report
from conformance.requirement import Level, Requirement
from conformance.runner import Finding
from conformance.verdict import Broke, Held, NotOffered, Outcome, Unexamined
from conformance.wire import Exchange

BROKE = Broke(expected="HTTP 404", found="HTTP 200")
UNEXAMINED = Unexamined("no connection")
EXCHANGE = Exchange(
    method="POST",
    url="http://server.test/mcp",
    sent_headers=(("mcp-method", "tools/list"),),
    sent=b'{"id": 1}',
    status=200,
    came_headers=(("content-type", "application/json"),),
    came=b'{"result": "\x1b[31m"}',
)


def finding(outcome: Outcome, level: Level = Level.MUST, name: str = "mcp.tools.list") -> Finding:
    requirement = Requirement(
        id=name,
        level=level,
        revision="2026-07-28",
        source="https://example.com/tools",
        section="Listing",
        sentence="Tools are listed.",
    )
    return Finding(requirement=requirement, outcome=outcome, exchanges=(EXCHANGE,))


def report(*findings: Finding, strict: bool = False) -> Report:
    fatal = (Level.MUST, Level.SHOULD) if strict else (Level.MUST,)
    return Report(url="http://server.test", findings=findings, fatal=fatal)


HELD = finding(Held())


@pytest.mark.parametrize(
    ("outcome", "level", "lenient", "strict"),
    [
        (Held(), Level.MUST, 0, 0),
        (NotOffered("none"), Level.MUST, 0, 0),
        (BROKE, Level.MUST, 1, 1),
        (UNEXAMINED, Level.MUST, 1, 1),
        (BROKE, Level.SHOULD, 0, 1),
        (UNEXAMINED, Level.SHOULD, 0, 1),
        (BROKE, Level.MAY, 0, 0),
    ],
)
def test_the_exit_code_says_whether_a_server_may_be_trusted(
    outcome: Outcome, level: Level, lenient: int, strict: int
) -> None:
    assert report(HELD, finding(outcome, level)).exit_code == lenient
    assert report(HELD, finding(outcome, level), strict=True).exit_code == strict


def test_an_examination_in_which_nothing_held_has_failed() -> None:
    empty = report(finding(NotOffered("no endpoint")))
    assert empty.exit_code == 1
    assert "is the URL right?" in summary(empty)


def test_the_text_shows_the_evidence_of_what_is_broken() -> None:
    shown = text_report(report(HELD, finding(BROKE)))
    for part in (
        "Tools are listed.",
        "expected: HTTP 404",
        "found:    HTTP 200",
        "> mcp-method: tools/list",
        "< HTTP 200",
    ):
        assert part in shown
    assert "\x1b" not in shown
    assert shown.endswith("1 held, 1 broke, 0 not offered, 0 unexamined: 1 failure, 0 warnings.")


def test_the_text_says_why_something_is_not_judged() -> None:
    shown = text_report(report(finding(NotOffered("give --token")), finding(UNEXAMINED)))
    assert "give --token" in shown
    assert "no connection" in shown


def test_one_reason_for_not_judging_anything_is_said_once() -> None:
    nobody = text_report(report(*[finding(UNEXAMINED, name=f"{one}.tools.list") for one in ("mcp", "mcp", "a2a")]))
    assert nobody.count("no connection") == 1
    assert "all 3 requirements" in nobody

    closed = finding(NotOffered("give --token"), name="a2a.card.served")
    half = text_report(report(HELD, closed, closed, finding(NotOffered("other"), name="a2b.tools.list")))
    assert half.count("give --token") == 1
    assert "A2A 2026-07-28\n    -    all 2 requirements" in half
    assert "MCP 2026-07-28 · tools" in half


def test_the_json_has_every_finding_and_the_evidence_of_the_open_ones() -> None:
    document = json.loads(json.dumps(json_report(report(HELD, finding(BROKE), finding(UNEXAMINED, Level.SHOULD)))))
    held, broke, unexamined = document["findings"]
    assert (held["outcome"], broke["outcome"], unexamined["outcome"]) == ("held", "broke", "unexamined")
    assert "exchanges" not in held
    assert broke["exchanges"][0]["sent"]["method"] == "POST"
    assert unexamined["exchanges"][0]["came"]["status"] == 200
    assert (document["passed"], len(document["failures"]), len(document["warnings"])) == (False, 1, 1)


def test_a_long_body_is_cut_and_its_rest_counted() -> None:
    found = Finding(requirement=HELD.requirement, outcome=BROKE, exchanges=(replace(EXCHANGE, came=b"x" * 5_000),))
    assert f"… ({5_000 - SHOWN_CHARACTERS} more characters)" in text_report(report(found))
