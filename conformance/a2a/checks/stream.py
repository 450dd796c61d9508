"""Streams: their form, the order of what they tell, and that they end."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from conformance.a2a import streams
from conformance.a2a.answers import Answer
from conformance.a2a.judging import NOT_STREAMING, on_each_binding, refused, verdict_of
from conformance.a2a.protocol import EVENT_STREAM, UNSUPPORTED_OPERATION, Binding
from conformance.a2a.shapes import is_object
from conformance.a2a.speaking import Speaker
from conformance.a2a.survey import A2aSubject
from conformance.subject import Check
from conformance.verdict import Broke, CannotExamine, Held, Inapplicable, NotOffered, Verdict

STREAM = "SendStreamingMessage"
CLOSING_SECONDS = 5.0
"""How long a stream may stay open once all is told."""


async def event_stream(subject: A2aSubject) -> Verdict:
    async def judge(speaker: Speaker) -> Verdict:
        answer = await _ask(speaker, subject)
        if answer.streams and answer.exchange.status == 200:
            return Held()
        if answer.refusal is not None and not answer.refused_with(UNSUPPORTED_OPERATION):
            raise CannotExamine(f"The message was refused: {answer.told}.")
        return Broke(expected=f"HTTP 200 with {EVENT_STREAM}", found=answer.told)

    return await on_each_binding(subject, judge)


async def events(subject: A2aSubject) -> Verdict:
    return await _judge(subject, streams.event_faults, expected="one of task, message, statusUpdate, artifactUpdate")


async def order(subject: A2aSubject) -> Verdict:
    return await _judge(subject, streams.order_faults, expected="one message, or a task and then updates")


async def same_task(subject: A2aSubject) -> Verdict:
    expected = "the id and contextId of the first task"
    return await _judge(subject, streams.same_task_faults, expected=expected, of=_has_updates)


async def updates(subject: A2aSubject) -> Verdict:
    return await _judge(subject, streams.update_faults, expected="a status or an artifact", of=_has_updates)


async def append(subject: A2aSubject) -> Verdict:
    return await _judge(subject, streams.append_faults, expected="an artifact that was sent before", of=_has_updates)


async def closes(subject: A2aSubject) -> Verdict:
    async def judge(speaker: Speaker) -> Verdict:
        came, closed = await _read_to_end(speaker, subject)
        if not closed:
            told = f"it is still open {CLOSING_SECONDS:g} s after event {len(came)}, which was the last there can be"
            return Broke(expected="a stream that closes", found=told)
        return verdict_of(streams.ending_faults(came), expected="a stream that is closed when all is told")

    return await on_each_binding(subject, judge)


async def not_declared(subject: A2aSubject) -> Verdict:
    if subject.declares("streaming"):
        return NotOffered("The card declares streaming.")

    async def judge(speaker: Speaker) -> Verdict:
        verdict = refused(await speaker.ask(STREAM, {"message": subject.message()}), UNSUPPORTED_OPERATION)
        if isinstance(verdict, Broke):
            return verdict
        return refused(await speaker.ask("SubscribeToTask", {"id": "examiner"}), UNSUPPORTED_OPERATION)

    return await on_each_binding(subject, judge)


async def _read_to_end(speaker: Speaker, subject: A2aSubject) -> tuple[Sequence[Any], bool]:
    """The payloads of a stream, and whether it was closed in time after the last there can be."""
    _must_declare(subject)
    came: list[Any] = []
    within = "result" if speaker.binding is Binding.JSONRPC else ""
    async with speaker.open(STREAM, {"message": subject.message()}) as stream:
        if stream.media_type != EVENT_STREAM:
            await stream.body()
            raise CannotExamine(f"The message was not answered with a stream, but with HTTP {stream.status}.")
        arriving = aiter(stream.events())
        while True:
            bound = CLOSING_SECONDS if any(map(streams.is_last, came)) else None
            try:
                async with asyncio.timeout(bound):
                    came.append(streams.payload_of_event(await anext(arriving), within=within))
            except StopAsyncIteration:
                return came, True
            except TimeoutError:
                return came, False


async def _judge(
    subject: A2aSubject,
    faults: Callable[[Sequence[Any]], Iterator[str]],
    *,
    expected: str,
    of: Callable[[Sequence[Any]], bool] = lambda _: True,
) -> Verdict:
    async def judge(speaker: Speaker) -> Verdict:
        answer = await _ask(speaker, subject)
        if not answer.streams or answer.refusal is not None:
            raise CannotExamine(f"The message was not answered with a stream: {answer.told}.")
        if not of(answer.events):
            return NotOffered("No updates came.")
        return verdict_of(faults(answer.events), expected=expected)

    return await on_each_binding(subject, judge)


async def _ask(speaker: Speaker, subject: A2aSubject) -> Answer:
    _must_declare(subject)
    return await speaker.ask(STREAM, {"message": subject.message()})


def _must_declare(subject: A2aSubject) -> None:
    if not subject.declares("streaming"):
        raise Inapplicable(NOT_STREAMING)


def _has_updates(came: Sequence[Any]) -> bool:
    return any(is_object(event) and kind in event for event in came for kind in streams.UPDATES)


CHECKS: Mapping[str, Check[A2aSubject]] = {
    "a2a.stream.event-stream": event_stream,
    "a2a.stream.events": events,
    "a2a.stream.order": order,
    "a2a.stream.closes": closes,
    "a2a.stream.same-task": same_task,
    "a2a.stream.updates": updates,
    "a2a.stream.append": append,
    "a2a.stream.not-declared": not_declared,
}
