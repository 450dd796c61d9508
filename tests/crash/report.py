"""What came of a run, in figures, and what was wrong with it."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from tests.crash.checks import Violation, violations
from tests.crash.evidence import Evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Figures of the log, what befell whom how often, and every promise that was broken."""

    figures: Mapping[str, int]
    strikes: Mapping[str, int]
    violations: list[Violation]

    @property
    def broken(self) -> set[str]:
        """The checks that found something."""
        return {violation.check for violation in self.violations}

    def __str__(self) -> str:
        lines = [f"{value:>9,}  {name}" for name, value in [*self.figures.items(), *self.strikes.items()]]
        lines.append(f"{len(self.violations):>9,}  violations")
        for check, count in Counter(violation.check for violation in self.violations).most_common():
            some = [violation.what for violation in self.violations if violation.check == check][:4]
            lines += [f"{count:>13,}  {check}", *(f"               {what}" for what in some)]
        return "\n".join(lines)


def report_on(evidence: Evidence, strikes: Mapping[str, int]) -> Report:
    """What there is to say about a run."""
    claims = list(evidence.noted("claim"))
    figures = {
        "acknowledged": sum(1 for _ in evidence.noted("ack")),
        "said again": sum(ack["again"] for ack in evidence.noted("ack")),
        "messages": sum(evidence.tails.values()),
        **_by_state("turns", [turn.state for turn in evidence.turns]),
        "replies": sum(row.sender.startswith("agent:") for rows in evidence.messages.values() for row in rows),
        "delivered": len(claims),
        "redelivered": sum(claim["attempt"] > 1 for claim in claims),
        "fenced": sum(1 for _ in evidence.noted("fenced")),
        "settled unheard": sum(1 for _ in evidence.noted("already")),
        **_by_state("questions", [question["state"] for question in evidence.questions]),
        "dead letters": len(evidence.letters),
        "read": sum(1 for _ in evidence.noted("read")),
        "changes of mailboxes": sum(map(len, evidence.journal.values())),
    }
    return Report(figures=figures, strikes=dict(sorted(strikes.items())), violations=violations(evidence))


def _by_state(what: str, states: list[str]) -> Mapping[str, int]:
    return {f"{what} {state}": count for state, count in sorted(Counter(states).items())}
