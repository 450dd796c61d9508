"""Messages: what they are answered with, and which are refused."""

import secrets
from collections.abc import Mapping
from typing import Any

from conformance.a2a import shapes
from conformance.a2a.answers import payload_of
from conformance.a2a.judging import judge_payloads, on_each_binding, refused, refused_as_invalid
from conformance.a2a.protocol import CONTENT_TYPE_NOT_SUPPORTED, TASK_NOT_FOUND
from conformance.a2a.speaking import Speaker
from conformance.a2a.survey import A2aSubject, takes
from conformance.subject import Check
from conformance.verdict import Broke, CannotExamine, Held, NotOffered, Verdict

STRANGE_TYPE = "application/x-examiner"
ANSWERS = ("task", "message")


async def one_of(subject: A2aSubject) -> Verdict:
    async def judge(speaker: Speaker) -> Verdict:
        answer = await speaker.ask("SendMessage", {"message": subject.message()})
        if answer.refusal is not None:
            raise CannotExamine(f"The message was refused: {answer.told}.")
        name = shapes.one_of(answer.result, ANSWERS)
        if name and shapes.is_object(answer.result[name]):
            return Held()
        return Broke(expected="exactly one of task and message, an object", found=answer.told)

    return await on_each_binding(subject, judge)


async def members(subject: A2aSubject) -> Verdict:
    return await judge_payloads(
        subject, shapes.message_faults, found_in=shapes.messages, what="message", expected="messageId, role and parts"
    )


async def role(subject: A2aSubject) -> Verdict:
    return await judge_payloads(
        subject, shapes.role_faults, found_in=shapes.said, what="message", expected="the role ROLE_AGENT"
    )


async def context(subject: A2aSubject) -> Verdict:
    return await judge_payloads(
        subject, shapes.context_faults, found_in=shapes.said, what="message", expected="a contextId"
    )


async def parts(subject: A2aSubject) -> Verdict:
    return await judge_payloads(
        subject, shapes.part_faults, found_in=shapes.parts, what="part", expected="one of text, raw, url and data"
    )


async def no_kind(subject: A2aSubject) -> Verdict:
    return await judge_payloads(
        subject, shapes.kind_faults, found_in=lambda payload: payload, what="object", expected="no member kind"
    )


async def context_kept(subject: A2aSubject) -> Verdict:
    given = f"examiner-{secrets.token_hex(8)}"

    async def judge(speaker: Speaker) -> Verdict:
        answer = await speaker.ask("SendMessage", {"message": subject.message(contextId=given)})
        if answer.refusal is not None:
            return Held(f"The message was refused: {answer.told}.")
        payload = payload_of(answer)
        kept = [shapes.member(payload, name).get("contextId") for name in ANSWERS if name in payload]
        if kept and kept[0] not in (given, None, ""):
            return Broke(expected=f"the contextId {given!r}", found=repr(kept[0]))
        return Held() if kept and kept[0] else NotOffered("The answer names no context.")

    return await on_each_binding(subject, judge)


async def unknown_members(subject: A2aSubject) -> Verdict:
    params = {"message": subject.message(examinerMember={"a": 1}), "examinerMember": ["b"]}

    async def judge(speaker: Speaker) -> Verdict:
        answer = await speaker.ask("SendMessage", params)
        if answer.refusal is None:
            return Held()
        if answer.refusal.is_invalid:
            return Broke(expected="the unknown members are ignored", found=answer.told)
        raise CannotExamine(f"The message was refused: {answer.told}.")

    return await on_each_binding(subject, judge)


async def without_parts(subject: A2aSubject) -> Verdict:
    return await _invalid(subject, {"message": subject.message(parts=[])}, "a message without parts")


async def without_id(subject: A2aSubject) -> Verdict:
    message = subject.message()
    del message["messageId"]
    return await _invalid(subject, {"message": message}, "a message without messageId")


async def wrong_type(subject: A2aSubject) -> Verdict:
    said = subject.message(parts="hello")
    return await _invalid(subject, {"message": said}, "a message whose parts are a text")


async def unknown_task(subject: A2aSubject) -> Verdict:
    params = {"message": subject.message(taskId=f"examiner-{secrets.token_hex(8)}")}

    async def judge(speaker: Speaker) -> Verdict:
        return refused(await speaker.ask("SendMessage", params), TASK_NOT_FOUND)

    return await on_each_binding(subject, judge)


async def media_type(subject: A2aSubject) -> Verdict:
    if takes(subject.card, STRANGE_TYPE):
        return NotOffered("The agent takes every media type.")
    message = subject.message(parts=[{"raw": "AAECAw==", "mediaType": STRANGE_TYPE}])

    async def judge(speaker: Speaker) -> Verdict:
        return refused(await speaker.ask("SendMessage", {"message": message}), CONTENT_TYPE_NOT_SUPPORTED)

    return await on_each_binding(subject, judge)


async def _invalid(subject: A2aSubject, params: Mapping[str, Any], what: str) -> Verdict:
    async def judge(speaker: Speaker) -> Verdict:
        return refused_as_invalid(await speaker.ask("SendMessage", params), what)

    return await on_each_binding(subject, judge)


CHECKS: Mapping[str, Check[A2aSubject]] = {
    "a2a.message.one-of": one_of,
    "a2a.message.members": members,
    "a2a.message.role": role,
    "a2a.message.context": context,
    "a2a.message.parts": parts,
    "a2a.message.context-kept": context_kept,
    "a2a.message.no-kind": no_kind,
    "a2a.message.unknown-members": unknown_members,
    "a2a.message.without-parts": without_parts,
    "a2a.message.without-id": without_id,
    "a2a.message.wrong-type": wrong_type,
    "a2a.message.unknown-task": unknown_task,
    "a2a.message.media-type": media_type,
}
