"""Tasks: what they are made of, and what may be done with one that is there, has ended, or does not exist."""

import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from conformance.a2a import shapes
from conformance.a2a.answers import payload_of
from conformance.a2a.judging import NOT_STREAMING, judge_payloads, on_each_binding, refused, verdict_of
from conformance.a2a.protocol import ENDED, SETTLED, TASK_NOT_CANCELABLE, TASK_NOT_FOUND, UNSUPPORTED_OPERATION
from conformance.a2a.shapes import Object
from conformance.a2a.speaking import Speaker
from conformance.a2a.survey import A2aSubject
from conformance.subject import Check
from conformance.verdict import Broke, Held, Inapplicable, NotOffered, Verdict

NO_TASK = "The agent answered with a message and made no task: say with --message or --data what it makes one of."
CANCELED = "TASK_STATE_CANCELED"


async def members(subject: A2aSubject) -> Verdict:
    return await judge_payloads(
        subject, shapes.task_faults, found_in=shapes.tasks, what="task", expected="an id and a state there is"
    )


async def artifacts(subject: A2aSubject) -> Verdict:
    return await judge_payloads(
        subject, shapes.artifact_faults, found_in=shapes.artifacts, what="artifact", expected="an artifactId and parts"
    )


async def timestamps(subject: A2aSubject) -> Verdict:
    return await judge_payloads(
        subject, shapes.timestamp_faults, found_in=_timed, what="timestamp", expected="YYYY-MM-DDTHH:mm:ss.sssZ"
    )


async def settled(subject: A2aSubject) -> Verdict:
    async def judge(speaker: Speaker) -> Verdict:
        state = _state(await _new_task(speaker, subject))
        return verdict_of([f"a task in state {state}"] if state not in SETTLED else [], expected="a task that settled")

    return await on_each_binding(subject, judge)


async def new_id(subject: A2aSubject) -> Verdict:
    async def judge(speaker: Speaker) -> Verdict:
        ids = [(await _new_task(speaker, subject)).get("id") for _ in range(2)]
        return verdict_of([f"twice the id {ids[0]!r}"] if ids[0] == ids[1] else [], expected="an id of its own")

    return await on_each_binding(subject, judge)


async def history_length(subject: A2aSubject) -> Verdict:
    async def judge(speaker: Speaker) -> Verdict:
        faults: list[str] = []
        for most in (0, 1):
            task = await _new_task(speaker, subject, configuration={"historyLength": most})
            if (count := len(shapes.objects(task.get("history")))) > most:
                faults.append(f"{count} messages of history for a historyLength of {most}")
        return verdict_of(faults, expected="no more than historyLength")

    return await on_each_binding(subject, judge)


async def kept(subject: A2aSubject) -> Verdict:
    async def judge(speaker: Speaker) -> Verdict:
        task = await _new_task(speaker, subject)
        answer = await speaker.ask("GetTask", {"id": task.get("id")})
        if answer.refused_with(TASK_NOT_FOUND):
            return Held("The task is not found any more.")
        found: Object = answer.result if shapes.is_object(answer.result) else {}
        same = found.get("id") == task.get("id") and (_state(found) == _state(task) or _state(task) not in ENDED)
        return Held() if same else Broke(expected=f"task {task.get('id')!r} in {_state(task)}", found=answer.told)

    return await on_each_binding(subject, judge)


async def ended_takes_no_message(subject: A2aSubject) -> Verdict:
    async def judge(speaker: Speaker) -> Verdict:
        task = await _ended_task(speaker, subject)
        answer = await speaker.ask("SendMessage", {"message": subject.message(taskId=task.get("id"))})
        return refused(answer, UNSUPPORTED_OPERATION, TASK_NOT_FOUND)

    return await on_each_binding(subject, judge)


async def ended_not_cancelable(subject: A2aSubject) -> Verdict:
    async def judge(speaker: Speaker) -> Verdict:
        task = await _ended_task(speaker, subject)
        answer = await speaker.ask("CancelTask", {"id": task.get("id")})
        if _state(task) == CANCELED and shapes.is_object(answer.result) and _state(answer.result) == CANCELED:
            return Held()
        return refused(answer, TASK_NOT_CANCELABLE, TASK_NOT_FOUND)

    return await on_each_binding(subject, judge)


async def ended_not_subscribable(subject: A2aSubject) -> Verdict:
    if not subject.declares("streaming"):
        return NotOffered(NOT_STREAMING)

    async def judge(speaker: Speaker) -> Verdict:
        task = await _ended_task(speaker, subject)
        answer = await speaker.ask("SubscribeToTask", {"id": task.get("id")})
        return refused(answer, UNSUPPORTED_OPERATION, TASK_NOT_FOUND)

    return await on_each_binding(subject, judge)


async def context_mismatch(subject: A2aSubject) -> Verdict:
    async def judge(speaker: Speaker) -> Verdict:
        task = await _new_task(speaker, subject)
        message = subject.message(taskId=task.get("id"), contextId=f"examiner-{secrets.token_hex(8)}")
        answer = await speaker.ask("SendMessage", {"message": message})
        return Held() if answer.refusal is not None else Broke(expected="a refusal", found=answer.told)

    return await on_each_binding(subject, judge)


async def get_unknown(subject: A2aSubject) -> Verdict:
    return await on_each_binding(subject, _unknown("GetTask"))


async def cancel_unknown(subject: A2aSubject) -> Verdict:
    return await on_each_binding(subject, _unknown("CancelTask"))


async def subscribe_unknown(subject: A2aSubject) -> Verdict:
    if not subject.declares("streaming"):
        return NotOffered(NOT_STREAMING)
    return await on_each_binding(subject, _unknown("SubscribeToTask"))


def _unknown(operation: str) -> Callable[[Speaker], Awaitable[Verdict]]:
    async def judge(speaker: Speaker) -> Verdict:
        answer = await speaker.ask(operation, {"id": f"examiner-{secrets.token_hex(8)}"})
        return refused(answer, TASK_NOT_FOUND)

    return judge


async def _new_task(speaker: Speaker, subject: A2aSubject, **params: Any) -> Object:
    """The task that a message makes.

    Raises:
        Inapplicable: it makes none.
    """
    payload = payload_of(await speaker.ask("SendMessage", {"message": subject.message(), **params}))
    if not shapes.is_object(payload.get("task")):
        raise Inapplicable(NO_TASK)
    return payload["task"]


async def _ended_task(speaker: Speaker, subject: A2aSubject) -> Object:
    task = await _new_task(speaker, subject)
    if _state(task) not in ENDED:
        raise Inapplicable(f"The task did not end: it is in {_state(task)}.")
    return task


def _state(task: Object) -> Any:
    return shapes.member(task, "status").get("state")


def _timed(payload: Object) -> list[object]:
    return [status for status in shapes.statuses(payload) if status.value.get("timestamp") is not None]


CHECKS: Mapping[str, Check[A2aSubject]] = {
    "a2a.task.members": members,
    "a2a.task.artifacts": artifacts,
    "a2a.task.settled": settled,
    "a2a.task.new-id": new_id,
    "a2a.task.timestamps": timestamps,
    "a2a.task.history-length": history_length,
    "a2a.task.kept": kept,
    "a2a.task.ended-takes-no-message": ended_takes_no_message,
    "a2a.task.ended-not-cancelable": ended_not_cancelable,
    "a2a.task.ended-not-subscribable": ended_not_subscribable,
    "a2a.task.context-mismatch": context_mismatch,
    "a2a.task.get-unknown": get_unknown,
    "a2a.task.cancel-unknown": cancel_unknown,
    "a2a.task.subscribe-unknown": subscribe_unknown,
}
