"""The REST binding (HTTP+JSON): content types, statuses, and the form of its errors."""

from collections.abc import Iterator, Mapping

from conformance.a2a.answers import Refusal
from conformance.a2a.checks.jsonrpc import detail_faults, info_faults
from conformance.a2a.judging import verdict_of
from conformance.a2a.mistakes import deserved, refusals
from conformance.a2a.protocol import ERRORS, MEDIA_TYPE, STATUS_NAMES, Binding
from conformance.a2a.shapes import is_filled
from conformance.a2a.speaking import Speaker
from conformance.a2a.survey import A2aSubject
from conformance.subject import Check
from conformance.verdict import Broke, Held, Inapplicable, Verdict

NO_REST = "The card has no interface of A2A 1.0 over HTTP+JSON that answers."


async def content_type(subject: A2aSubject) -> Verdict:
    speaker = _speaker(subject)
    answers = {
        "a list": await speaker.ask("ListTasks", {}),
        "an error": await speaker.ask("GetTask", {"id": "examiner"}),
    }
    faults = [
        f"{name} has {answer.exchange.media_type or 'none'}"
        for name, answer in answers.items()
        if answer.exchange.media_type != MEDIA_TYPE
    ]
    return verdict_of(faults, expected=MEDIA_TYPE)


async def bad_json(subject: A2aSubject) -> Verdict:
    answer = await _speaker(subject).say(b'{"message": ', path="/message:send")
    return Held() if answer.exchange.status == 400 else Broke(expected="HTTP 400", found=answer.told)


async def error_status(subject: A2aSubject) -> Verdict:
    faults = [
        f"{mistake.error} has the status {refusal.http}"
        async for mistake, refusal in refusals(subject, _speaker(subject))
        if deserved(mistake, refusal) and refusal.http != ERRORS[mistake.error].status
    ]
    return verdict_of(faults, expected="the statuses of section 5.4")


async def error_body(subject: A2aSubject) -> Verdict:
    faults = [
        f"{mistake.name}: {fault}"
        async for mistake, refusal in refusals(subject, _speaker(subject))
        for fault in _body_faults(refusal)
    ]
    return verdict_of(faults, expected="{error: {code, status, message}}")


async def error_details(subject: A2aSubject) -> Verdict:
    faults = [
        f"{mistake.name}: {fault}"
        async for mistake, refusal in refusals(subject, _speaker(subject))
        for fault in detail_faults(refusal.details)
    ]
    return verdict_of(faults, expected="a list of objects with @type")


async def error_info(subject: A2aSubject) -> Verdict:
    faults = [
        f"{mistake.name}: {fault}"
        async for mistake, refusal in refusals(subject, _speaker(subject))
        if deserved(mistake, refusal)
        for fault in info_faults(refusal, mistake.error)
    ]
    return verdict_of(faults, expected="a google.rpc.ErrorInfo")


def _body_faults(refusal: Refusal) -> Iterator[str]:
    if refusal.code != refusal.http:
        yield f"error.code is {refusal.code!r} and the status {refusal.http}"
    if refusal.http in STATUS_NAMES and refusal.status not in STATUS_NAMES[refusal.http]:
        yield f"error.status is {refusal.status!r}"
    if not is_filled(refusal.message):
        yield f"error.message is {refusal.message!r}"


def _speaker(subject: A2aSubject) -> Speaker:
    for speaker in subject.speakers:
        if speaker.binding is Binding.REST:
            return speaker
    raise Inapplicable(NO_REST)


CHECKS: Mapping[str, Check[A2aSubject]] = {
    "a2a.rest.content-type": content_type,
    "a2a.rest.bad-json": bad_json,
    "a2a.rest.error-status": error_status,
    "a2a.rest.error-body": error_body,
    "a2a.rest.error-details": error_details,
    "a2a.rest.error-info": error_info,
}
