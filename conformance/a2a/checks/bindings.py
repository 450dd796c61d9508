"""Both bindings side by side: the same question has the same answer."""

from collections.abc import Mapping
from typing import Any

from conformance.a2a.answers import payload_of
from conformance.a2a.judging import verdict_of
from conformance.a2a.mistakes import make, meaning, mistakes
from conformance.a2a.shapes import Object, member, one_of, parts
from conformance.a2a.speaking import Speaker
from conformance.a2a.survey import A2aSubject
from conformance.subject import Check
from conformance.verdict import Broke, Held, Inapplicable, Verdict

ONE_BINDING = "The agent answers over fewer than two of the bindings that are examined."


async def same_result(subject: A2aSubject) -> Verdict:
    kinds = {
        speaker.binding: _kind(payload_of(await speaker.ask("SendMessage", {"message": subject.message()})))
        for speaker in _both(subject)
    }
    (one, first), (other, second) = kinds.items()
    return Held() if first == second else Broke(expected=f"{first} as over {one}", found=f"{second} over {other}")


async def same_errors(subject: A2aSubject) -> Verdict:
    one, other = _both(subject)
    faults: list[str] = []
    for mistake in mistakes(subject):
        first, second = meaning(await make(mistake, one)), meaning(await make(mistake, other))
        if first != second:
            faults.append(f"{mistake.name}: {first} over {one.binding}, {second} over {other.binding}")
    return verdict_of(faults, expected="the same error over both")


def _both(subject: A2aSubject) -> list[Speaker]:
    if len(subject.speakers) < 2:
        raise Inapplicable(ONE_BINDING)
    return subject.speakers


def _kind(payload: Object) -> dict[str, Any]:
    """What an answer is, without what may differ from one time to the next."""
    contents = {one_of(found.value, ("text", "raw", "url", "data")) for found in parts(payload)}
    state = member(member(payload, "task"), "status").get("state")
    return {"answer": one_of(payload, ("task", "message")), "state": state, "parts": sorted(contents)}


CHECKS: Mapping[str, Check[A2aSubject]] = {
    "a2a.bindings.same-result": same_result,
    "a2a.bindings.same-errors": same_errors,
}
