"""The JSON-RPC binding: envelopes, content types, codes, and what errors carry."""

from collections.abc import Mapping
from typing import Any, cast

from conformance.a2a.answers import Answer, Refusal
from conformance.a2a.judging import NOT_STREAMING, verdict_of
from conformance.a2a.mistakes import deserved, refusals
from conformance.a2a.protocol import DOMAIN, ERRORS, INVALID_PARAMS, Binding
from conformance.a2a.shapes import is_filled, is_object, items
from conformance.a2a.speaking import Speaker
from conformance.a2a.survey import A2aSubject
from conformance.jsonrpc import INVALID_REQUEST, METHOD_NOT_FOUND, PARSE_ERROR
from conformance.subject import Check
from conformance.verdict import Broke, CannotExamine, Held, Inapplicable, Verdict

NO_JSONRPC = "The card has no interface of A2A 1.0 over JSON-RPC that answers."


async def envelope(subject: A2aSubject) -> Verdict:
    speaker = _speaker(subject)
    faults: list[str] = []
    for operation, params in (("ListTasks", {}), ("GetTask", {"id": "examiner"})):
        answer = await speaker.ask(operation, params)
        faults += _envelope_faults(answer.exchange.json(), answer.id)
    numbered: Mapping[str, Any] = {"jsonrpc": "2.0", "id": 47, "method": "ListTasks", "params": {}}
    faults += _envelope_faults((await speaker.say(numbered)).exchange.json(), 47)
    return verdict_of(faults, expected="jsonrpc 2.0, the request's id, and a result or an error")


async def content_type(subject: A2aSubject) -> Verdict:
    speaker = _speaker(subject)
    answers = [await speaker.ask("ListTasks", {}), await speaker.ask("GetTask", {"id": "examiner"})]
    types = [answer.exchange.media_type or "none" for answer in answers]
    return verdict_of([one for one in types if one != "application/json"], expected="application/json")


async def stream_envelope(subject: A2aSubject) -> Verdict:
    speaker = _speaker(subject)
    if not subject.declares("streaming"):
        raise Inapplicable(NOT_STREAMING)
    answer = await speaker.ask("SendStreamingMessage", {"message": subject.message()})
    if not answer.streams:
        raise CannotExamine(f"The message was not answered with a stream: {answer.told}.")
    faults = (
        f"event {number}: {fault}"
        for number, one in enumerate(answer.envelopes, 1)
        for fault in _envelope_faults(one, answer.id)
    )
    return verdict_of(faults, expected="jsonrpc 2.0, the request's id, and a result or an error")


async def parse_error(subject: A2aSubject) -> Verdict:
    return _coded(await _speaker(subject).say(b'{"jsonrpc": "2.0", "id": 1, "method"'), PARSE_ERROR)


async def invalid_request(subject: A2aSubject) -> Verdict:
    speaker = _speaker(subject)
    for body in ({"jsonrpc": "2.0", "id": 1}, {"jsonrpc": "1.0", "id": 1, "method": "ListTasks"}, ["ListTasks"]):
        if isinstance(verdict := _coded(await speaker.say(body), INVALID_REQUEST), Broke):
            return verdict
    return Held()


async def method_not_found(subject: A2aSubject) -> Verdict:
    return _coded(await _speaker(subject).ask("ExamineServer", {}), METHOD_NOT_FOUND)


async def invalid_params(subject: A2aSubject) -> Verdict:
    speaker = _speaker(subject)
    for operation, params in (("GetTask", {}), ("SendMessage", {}), ("GetTask", {"id": {"a": 1}})):
        if isinstance(verdict := _coded(await speaker.ask(operation, params), INVALID_PARAMS), Broke):
            return verdict
    return Held()


async def error_code(subject: A2aSubject) -> Verdict:
    faults = [
        f"{mistake.error} has the code {refusal.code!r}"
        async for mistake, refusal in refusals(subject, _speaker(subject))
        if deserved(mistake, refusal) and refusal.code != ERRORS[mistake.error].code
    ]
    return verdict_of(faults, expected="the codes of section 5.4")


async def error_members(subject: A2aSubject) -> Verdict:
    speaker = _speaker(subject)
    found = [(mistake.name, refusal) async for mistake, refusal in refusals(subject, speaker)]
    found += [("an unknown method", await _refusal(speaker, "ExamineServer"))]
    faults = [f"{name}: code {refusal.code!r}" for name, refusal in found if type(refusal.code) is not int]
    faults += [f"{name}: message {refusal.message!r}" for name, refusal in found if not is_filled(refusal.message)]
    return verdict_of(faults, expected="a whole number as code, and a message")


async def error_data(subject: A2aSubject) -> Verdict:
    speaker = _speaker(subject)
    found = [(mistake.name, refusal) async for mistake, refusal in refusals(subject, speaker)]
    found += [("parameters of the wrong type", await _refusal(speaker, "GetTask", id={"a": 1}))]
    faults = [f"{name}: {fault}" for name, refusal in found for fault in detail_faults(refusal.details)]
    return verdict_of(faults, expected="a list of objects with @type")


async def error_info(subject: A2aSubject) -> Verdict:
    faults = [
        f"{mistake.name}: {fault}"
        async for mistake, refusal in refusals(subject, _speaker(subject))
        if deserved(mistake, refusal)
        for fault in info_faults(refusal, mistake.error)
    ]
    return verdict_of(faults, expected="a google.rpc.ErrorInfo")


def detail_faults(details: object) -> list[str]:
    """What is wrong with the details of an error, if it has any."""
    if details is None:
        return []
    if not isinstance(details, list):
        return [f"{details!r:.120}"]
    return [
        f"{one!r:.120}"
        for one in items(cast("object", details))
        if not is_object(one) or not is_filled(one.get("@type"))
    ]


def info_faults(refusal: Refusal, error: str) -> list[str]:
    """What is wrong with the ErrorInfo of an error."""
    if not refusal.infos:
        return ["none among the details"]
    info = refusal.infos[0]
    wanted = {"reason": error, "domain": DOMAIN}
    return [f"{name} is {info.get(name)!r}" for name, value in wanted.items() if info.get(name) != value]


def _envelope_faults(body: object, named: object) -> list[str]:
    if not is_object(body):
        return ["it is not a JSON object"]
    faults = [f"jsonrpc is {body.get('jsonrpc')!r}"] if body.get("jsonrpc") != "2.0" else []
    if body.get("id") != named or type(body.get("id")) is not type(named):
        faults.append(f"id is {body.get('id')!r}, of the request {named!r}")
    there = [name for name in ("result", "error") if name in body]
    return faults if len(there) == 1 else [*faults, f"it has {' and '.join(there) or 'neither result nor error'}"]


def _coded(answer: Answer, code: int) -> Verdict:
    refusal = answer.refusal
    if refusal is not None and refusal.code == code:
        return Held()
    return Broke(expected=f"error {code}", found=answer.told)


async def _refusal(speaker: Speaker, operation: str, **params: Any) -> Refusal:
    answer = await speaker.ask(operation, params)
    if answer.refusal is None:
        raise CannotExamine(f"{operation} was not refused: {answer.told}.")
    return answer.refusal


def _speaker(subject: A2aSubject) -> Speaker:
    for speaker in subject.speakers:
        if speaker.binding is Binding.JSONRPC:
            return speaker
    raise Inapplicable(NO_JSONRPC)


CHECKS: Mapping[str, Check[A2aSubject]] = {
    "a2a.jsonrpc.envelope": envelope,
    "a2a.jsonrpc.content-type": content_type,
    "a2a.jsonrpc.stream-envelope": stream_envelope,
    "a2a.jsonrpc.parse-error": parse_error,
    "a2a.jsonrpc.invalid-request": invalid_request,
    "a2a.jsonrpc.method-not-found": method_not_found,
    "a2a.jsonrpc.invalid-params": invalid_params,
    "a2a.jsonrpc.error-code": error_code,
    "a2a.jsonrpc.error-members": error_members,
    "a2a.jsonrpc.error-data": error_data,
    "a2a.jsonrpc.error-info": error_info,
}
