"""Reports: an examination in text for people, in JSON for machines, and in one number for scripts."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from conformance.requirement import Level, Requirement
from conformance.runner import Finding
from conformance.verdict import Broke, Held, NotOffered, Outcome, Unexamined, word
from conformance.wire import Exchange

FORMAT = "interchange.conformance/v1"
SHOWN_CHARACTERS = 2_000
"""How much of a body a report shows; the rest is counted."""
_MARKS: Mapping[type[Outcome], str] = {Held: "held ", Broke: "BROKE", NotOffered: "  -  ", Unexamined: "  ?  "}
_MARGIN = " " * 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What came out of one examination of one URL. A broken requirement of a level in `fatal` fails it."""

    url: str
    findings: Sequence[Finding]
    fatal: Collection[Level] = (Level.MUST,)

    @property
    def counts(self) -> Counter[str]:
        """How many findings there are of each outcome."""
        return Counter(word(finding.outcome) for finding in self.findings)

    @property
    def failures(self) -> list[Finding]:
        """The findings that fail the examination: broken, or not examined though it is not known that they hold."""
        return [finding for finding in self.findings if finding.requirement.level in self.fatal and _is_open(finding)]

    @property
    def warnings(self) -> list[Finding]:
        """The broken and unexamined findings that do not."""
        return [
            finding for finding in self.findings if finding.requirement.level not in self.fatal and _is_open(finding)
        ]

    @property
    def exit_code(self) -> int:
        """0 if nothing fails it; 1 otherwise, or if nothing at all was held: then nothing was there to examine."""
        return 1 if self.failures or not self.counts["held"] else 0


def _is_open(finding: Finding) -> bool:
    return isinstance(finding.outcome, Broke | Unexamined)


def summary(report: Report) -> str:
    """The whole in one line."""
    counts = report.counts
    told = ", ".join(f"{counts[name]} {name}" for name in ("held", "broke", "not offered", "unexamined"))
    if not counts["held"]:
        return f"{told}. Nothing could be held against the server at {report.url}: is the URL right?"
    verdict = "passed" if not report.failures else _counted(len(report.failures), "failure")
    return f"{told}: {verdict}, {_counted(len(report.warnings), 'warning')}."


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def text_report(report: Report) -> str:
    """The findings by protocol and feature, the evidence of what is broken, and the summary.

    Where there is one reason for not judging anything, of a protocol or at all, it is said once.
    """
    lines = [f"Examined: {report.url}"]
    if _one_reason(report.findings):
        lines += ["", *_text_of_all(report.findings)]
    else:
        for _, findings in groupby(report.findings, key=lambda finding: _protocol(finding.requirement)):
            lines += _text_of_protocol(list(findings))
    return "\n".join([*lines, "", summary(report)])


def _text_of_protocol(findings: Sequence[Finding]) -> Iterator[str]:
    if _one_reason(findings):
        yield from ("", _protocol(findings[0].requirement), *_text_of_all(findings))
        return
    for title, some in groupby(findings, key=lambda finding: _title(finding.requirement)):
        yield from ("", title)
        for finding in some:
            yield from _text_of(finding)


def _text_of_all(findings: Sequence[Finding]) -> Iterator[str]:
    outcome = findings[0].outcome
    yield f"  {_MARKS[type(outcome)]}  all {len(findings)} requirements"
    yield f"{_MARGIN} {_one_reason(findings)}"


def _one_reason(findings: Sequence[Finding]) -> str:
    """Why none of several findings is a judgement, if that is the same for all of them; empty otherwise."""
    outcomes = {finding.outcome for finding in findings}
    only = next(iter(outcomes)) if len(outcomes) == 1 and len(findings) > 1 else None
    return only.why if isinstance(only, NotOffered | Unexamined) else ""


def json_report(report: Report) -> dict[str, Any]:
    """The same for machines, with the evidence of everything that is not simply held."""
    return {
        "format": FORMAT,
        "url": report.url,
        "passed": report.exit_code == 0,
        "counts": {name: report.counts[name] for name in ("held", "broke", "not offered", "unexamined")},
        "failures": [finding.requirement.id for finding in report.failures],
        "warnings": [finding.requirement.id for finding in report.warnings],
        "findings": [_json_of(finding) for finding in report.findings],
    }


def _title(requirement: Requirement) -> str:
    return f"{_protocol(requirement)} · {requirement.id.split('.')[1]}"


def _protocol(requirement: Requirement) -> str:
    return f"{requirement.id.partition('.')[0].upper()} {requirement.revision}"


def _text_of(finding: Finding) -> Iterator[str]:
    requirement, outcome = finding.requirement, finding.outcome
    yield f"  {_MARKS[type(outcome)]}  {requirement.id}  ({requirement.level})"
    match outcome:
        case Held():
            pass
        case NotOffered(why) | Unexamined(why):
            yield f"{_MARGIN} {why}"
        case Broke():
            yield f"{_MARGIN} {requirement.sentence}"
            yield f"{_MARGIN} {requirement.source} ({requirement.section})"
            yield f"{_MARGIN} expected: {outcome.expected}"
            yield f"{_MARGIN} found:    {outcome.found}"
            for exchange in finding.exchanges:
                yield from _text_of_exchange(exchange)


def _text_of_exchange(exchange: Exchange) -> Iterator[str]:
    sent, came = _json_of_exchange(exchange)["sent"], _json_of_exchange(exchange)["came"]
    yield f"{_MARGIN} > {sent['method']} {sent['url']}"
    yield from (f"{_MARGIN} > {name}: {value}" for name, value in sent["headers"])
    yield from (f"{_MARGIN} > {line}" for line in sent["body"].splitlines())
    yield f"{_MARGIN} < HTTP {came['status']}"
    yield from (f"{_MARGIN} < {name}: {value}" for name, value in came["headers"])
    yield from (f"{_MARGIN} < {line}" for line in came["body"].splitlines())


def _json_of(finding: Finding) -> dict[str, Any]:
    requirement, outcome = finding.requirement, finding.outcome
    told: dict[str, Any] = {
        "id": requirement.id,
        "level": requirement.level.value,
        "revision": requirement.revision,
        "sentence": requirement.sentence,
        "source": requirement.source,
        "section": requirement.section,
        "outcome": word(outcome),
    }
    match outcome:
        case Held(note):
            return {**told, "note": note} if note else told
        case NotOffered(why):
            return {**told, "why": why}
        case Unexamined(why):
            told["why"] = why
        case Broke():
            told |= {"expected": outcome.expected, "found": outcome.found}
    return {**told, "exchanges": [_json_of_exchange(exchange) for exchange in finding.exchanges]}


def _json_of_exchange(exchange: Exchange) -> dict[str, Any]:
    return {
        "sent": {
            "method": exchange.method,
            "url": exchange.url,
            "headers": [list(pair) for pair in exchange.sent_headers],
            "body": _shown(exchange.sent),
        },
        "came": {
            "status": exchange.status,
            "headers": [list(pair) for pair in exchange.came_headers],
            "body": _shown(exchange.came),
        },
    }


def _shown(body: bytes) -> str:
    """A body as a reader can bear it: printable, and its beginning only."""
    text = "".join(char if char.isprintable() or char == "\n" else "�" for char in body.decode("utf-8", "replace"))
    if len(text) <= SHOWN_CHARACTERS:
        return text
    return f"{text[:SHOWN_CHARACTERS]}… ({len(text) - SHOWN_CHARACTERS} more characters)"
