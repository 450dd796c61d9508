"""Capabilities: what a card does not declare is refused, and what it does is there."""

from collections.abc import Mapping
from typing import Any

from conformance.a2a.judging import on_each_binding, refused, verdict_of
from conformance.a2a.protocol import (
    EXTENDED_CARD_NOT_CONFIGURED,
    EXTENSION_REQUIRED,
    PUSH_NOT_SUPPORTED,
    UNSUPPORTED_OPERATION,
)
from conformance.a2a.shapes import is_filled, is_object, member, objects
from conformance.a2a.speaking import Credential, Manner, Speaker
from conformance.a2a.survey import A2aSubject
from conformance.subject import Check
from conformance.verdict import Broke, CannotExamine, Held, NotOffered, Verdict

STRANGE_EXTENSION = "https://examiner.example/extensions/unheard-of/v1"
_NO_EXTENDED_CARD = "The card declares no extended card."
_CONFIG = {"taskId": "examiner", "id": "examiner"}
_PUSH: Mapping[str, Mapping[str, Any]] = {
    "CreateTaskPushNotificationConfig": {"taskId": "examiner", "url": "https://examiner.example/webhook"},
    "GetTaskPushNotificationConfig": _CONFIG,
    "ListTaskPushNotificationConfigs": {"taskId": "examiner"},
    "DeleteTaskPushNotificationConfig": _CONFIG,
}


async def push_not_declared(subject: A2aSubject) -> Verdict:
    if subject.declares("pushNotifications"):
        return NotOffered("The card declares push notifications.")

    async def judge(speaker: Speaker) -> Verdict:
        answers = {operation: await speaker.ask(operation, params) for operation, params in _PUSH.items()}
        faults = [
            f"{operation} was answered with {answer.told}"
            for operation, answer in answers.items()
            if not answer.refused_with(PUSH_NOT_SUPPORTED)
        ]
        return verdict_of(faults, expected=PUSH_NOT_SUPPORTED)

    return await on_each_binding(subject, judge)


async def extended_card_not_declared(subject: A2aSubject) -> Verdict:
    if subject.declares("extendedAgentCard"):
        return NotOffered("The card declares an extended card.")

    async def judge(speaker: Speaker) -> Verdict:
        return refused(await speaker.ask("GetExtendedAgentCard", {}), UNSUPPORTED_OPERATION)

    return await on_each_binding(subject, judge)


async def extended_card_served(subject: A2aSubject) -> Verdict:
    if not subject.declares("extendedAgentCard"):
        return NotOffered(_NO_EXTENDED_CARD)

    async def judge(speaker: Speaker) -> Verdict:
        answer = await speaker.ask("GetExtendedAgentCard", {})
        is_card = is_object(answer.result) and is_filled(answer.result.get("name")) and "skills" in answer.result
        if is_card or answer.refused_with(EXTENDED_CARD_NOT_CONFIGURED):
            return Held()
        return Broke(expected=f"a card or {EXTENDED_CARD_NOT_CONFIGURED}", found=answer.told)

    return await on_each_binding(subject, judge)


async def extended_card_authenticated(subject: A2aSubject) -> Verdict:
    if not subject.declares("extendedAgentCard"):
        return NotOffered(_NO_EXTENDED_CARD)

    async def judge(speaker: Speaker) -> Verdict:
        answer = await speaker.ask("GetExtendedAgentCard", {}, Manner(credential=Credential.NONE))
        return Held() if answer.refusal is not None else Broke(expected="a refusal", found=answer.told)

    return await on_each_binding(subject, judge)


async def extension_required(subject: A2aSubject) -> Verdict:
    if not subject.required_extensions:
        return NotOffered("The card requires no extension.")

    async def judge(speaker: Speaker) -> Verdict:
        answer = await speaker.ask("SendMessage", {"message": subject.message()}, Manner(extensions=()))
        return refused(answer, EXTENSION_REQUIRED)

    return await on_each_binding(subject, judge)


async def extension_unknown(subject: A2aSubject) -> Verdict:
    manner = Manner(extensions=(*subject.required_extensions, STRANGE_EXTENSION))

    async def judge(speaker: Speaker) -> Verdict:
        params = {"message": subject.message()}
        if (answer := await speaker.ask("SendMessage", params, manner)).refusal is None:
            return Held()
        if (usual := await speaker.ask("SendMessage", params)).refusal is not None:
            raise CannotExamine(f"The message was refused without it as well: {usual.told}.")
        return Broke(expected="that it is ignored", found=answer.told)

    return await on_each_binding(subject, judge)


async def extension_uri(subject: A2aSubject) -> Verdict:
    declared = objects(member(subject.card, "capabilities").get("extensions"))
    if not declared:
        return NotOffered("The card declares no extensions.")
    uris = [one.get("uri") for one in declared]
    faults = [f"extensions[{number}].uri is {uri!r}" for number, uri in enumerate(uris) if not is_filled(uri)]
    faults += [f"{uri!r} is declared twice" for number, uri in enumerate(uris) if uri and uri in uris[:number]]
    return verdict_of(faults, expected="a URI of its own for each extension")


CHECKS: Mapping[str, Check[A2aSubject]] = {
    "a2a.push.not-declared": push_not_declared,
    "a2a.extended-card.not-declared": extended_card_not_declared,
    "a2a.extended-card.served": extended_card_served,
    "a2a.extended-card.authenticated": extended_card_authenticated,
    "a2a.extension.required": extension_required,
    "a2a.extension.unknown": extension_unknown,
    "a2a.extension.uri": extension_uri,
}
