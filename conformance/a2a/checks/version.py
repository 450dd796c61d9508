"""Versions: what a request says it speaks is what it is served in, or it is refused."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

from conformance.a2a.answers import Answer
from conformance.a2a.judging import on_each_binding, verdict_of
from conformance.a2a.protocol import VERSION, VERSION_NOT_SUPPORTED
from conformance.a2a.speaking import Manner, Speaker
from conformance.a2a.survey import A2aSubject
from conformance.subject import Check
from conformance.verdict import Inapplicable, NotOffered, Verdict

FAR_AWAY = "99.0"
OTHER_MINOR = "1.97"
OLD = "0.3"


async def absent(subject: A2aSubject) -> Verdict:
    async def judge(speaker: Speaker) -> Verdict:
        if OLD in speaker.interface.versions:
            return NotOffered(f"The interface speaks {OLD} as well.")
        return await _refused(speaker, subject, Manner(version=""))

    return await on_each_binding(subject, judge)


async def unsupported(subject: A2aSubject) -> Verdict:
    return await on_each_binding(subject, lambda speaker: _refused(speaker, subject, Manner(version=FAR_AWAY)))


async def minor(subject: A2aSubject) -> Verdict:
    return await on_each_binding(subject, lambda speaker: _refused(speaker, subject, Manner(version=OTHER_MINOR)))


async def patch(subject: A2aSubject) -> Verdict:
    return await on_each_binding(subject, lambda speaker: _taken(speaker, Manner(version=f"{VERSION}.1")))


async def query(subject: A2aSubject) -> Verdict:
    manner = Manner(version="", query={"A2A-Version": VERSION})
    return await on_each_binding(subject, lambda speaker: _taken(speaker, manner))


async def query_unsupported(subject: A2aSubject) -> Verdict:
    manner = Manner(version="", query={"A2A-Version": FAR_AWAY})
    return await on_each_binding(subject, lambda speaker: _refused(speaker, subject, manner))


async def _refused(speaker: Speaker, subject: A2aSubject, manner: Manner) -> Verdict:
    faults = [
        f"{operation} was answered with {answer.told}"
        async for operation, answer in _asked(speaker, subject, manner)
        if not answer.refused_with(VERSION_NOT_SUPPORTED)
    ]
    return verdict_of(faults, expected=VERSION_NOT_SUPPORTED)


async def _taken(speaker: Speaker, manner: Manner) -> Verdict:
    answer = await speaker.ask("ListTasks", {}, manner)
    faults = [answer.told] if answer.refused_with(VERSION_NOT_SUPPORTED) else []
    return verdict_of(faults, expected=f"an answer of {VERSION}")


async def _asked(speaker: Speaker, subject: A2aSubject, manner: Manner) -> AsyncIterator[tuple[str, Answer]]:
    """A question, and a message where one may be said."""
    yield "ListTasks", await speaker.ask("ListTasks", {}, manner)
    try:
        params: dict[str, Any] = {"message": subject.message()}
    except Inapplicable:
        return
    yield "SendMessage", await speaker.ask("SendMessage", params, manner)


CHECKS: Mapping[str, Check[A2aSubject]] = {
    "a2a.version.absent": absent,
    "a2a.version.unsupported": unsupported,
    "a2a.version.minor": minor,
    "a2a.version.patch": patch,
    "a2a.version.query": query,
    "a2a.version.query-unsupported": query_unsupported,
}
