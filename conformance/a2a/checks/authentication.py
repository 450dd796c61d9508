"""Authentication: where a card requires it, nobody is served without."""

from collections.abc import Mapping
from typing import Any

from conformance.a2a.answers import Answer
from conformance.a2a.judging import on_each_binding, verdict_of
from conformance.a2a.protocol import ERRORS, INVALID_PARAMS
from conformance.a2a.speaking import Credential, Manner, Speaker
from conformance.a2a.survey import A2aSubject
from conformance.subject import Check
from conformance.verdict import CannotExamine, Inapplicable, Verdict


async def required(subject: A2aSubject) -> Verdict:
    return await _turned_away(subject, Credential.NONE)


async def invalid(subject: A2aSubject) -> Verdict:
    return await _turned_away(subject, Credential.WRONG)


async def status(subject: A2aSubject) -> Verdict:
    _must_require(subject)

    async def judge(speaker: Speaker) -> Verdict:
        answer = await _refused(speaker)
        faults = [f"HTTP {answer.exchange.status}"] if answer.exchange.status != 401 else []
        return verdict_of(faults, expected="HTTP 401")

    return await on_each_binding(subject, judge)


async def challenge(subject: A2aSubject) -> Verdict:
    _must_require(subject)

    async def judge(speaker: Speaker) -> Verdict:
        answer = await _refused(speaker)
        faults = [] if answer.exchange.header("www-authenticate").strip() else ["no such header"]
        return verdict_of(faults, expected="WWW-Authenticate")

    return await on_each_binding(subject, judge)


async def _turned_away(subject: A2aSubject, credential: Credential) -> Verdict:
    _must_require(subject)

    async def judge(speaker: Speaker) -> Verdict:
        faults = [
            f"{operation} was answered with {answer.told}"
            for operation, params in _questions(subject).items()
            if _was_served(answer := await speaker.ask(operation, params, Manner(credential=credential)))
        ]
        return verdict_of(faults, expected="a refusal before anything is done")

    return await on_each_binding(subject, judge)


def _questions(subject: A2aSubject) -> Mapping[str, Mapping[str, Any]]:
    """Operations that show by their answer whether anything was done."""
    asked: dict[str, Mapping[str, Any]] = {"GetTask": {"id": "examiner"}, "ListTasks": {}}
    try:
        return {**asked, "SendMessage": {"message": subject.message()}}
    except Inapplicable:
        return asked


def _was_served(answer: Answer) -> bool:
    """Whether somebody was let in: there is a result, or an error that only comes behind the door."""
    refusal = answer.refusal
    if refusal is None:
        return True
    if answer.at_the_door:
        return False
    return refusal.code == INVALID_PARAMS or any(refusal.is_error(name) for name in ERRORS)


async def _refused(speaker: Speaker) -> Answer:
    answer = await speaker.ask("GetTask", {"id": "examiner"}, Manner(credential=Credential.NONE))
    if _was_served(answer):
        raise CannotExamine(f"Nobody was refused for want of credentials: {answer.told}.")
    return answer


def _must_require(subject: A2aSubject) -> None:
    if not subject.requires_credentials:
        raise Inapplicable("The card requires no authentication.")


CHECKS: Mapping[str, Check[A2aSubject]] = {
    "a2a.auth.required": required,
    "a2a.auth.invalid": invalid,
    "a2a.auth.status": status,
    "a2a.auth.challenge": challenge,
}
