"""What checks have in common: the same question on each binding, and faults made into a verdict."""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from conformance.a2a.answers import Answer, payload_of
from conformance.a2a.shapes import Object, is_object
from conformance.a2a.speaking import Speaker
from conformance.a2a.survey import A2aSubject
from conformance.verdict import Broke, CannotExamine, Held, Inapplicable, NotOffered, Verdict

NO_INTERFACE = "The card has no interface of A2A 1.0 over JSON-RPC or HTTP+JSON that answers."
NOT_STREAMING = "The card does not declare streaming."
MOST_FAULTS = 4


@dataclass(frozen=True, slots=True)
class Payload:
    """What a message was answered with, or one event of a stream, and where it came."""

    where: str
    value: Object


async def on_each_binding(subject: A2aSubject, judge: Callable[[Speaker], Awaitable[Verdict]]) -> Verdict:
    """The verdict on all bindings together."""
    if not subject.speakers:
        return NotOffered(NO_INTERFACE)
    return await together({f"over {speaker.binding}": partial(judge, speaker) for speaker in subject.speakers})


async def together(judges: Mapping[str, Callable[[], Awaitable[Verdict]]]) -> Verdict:
    """The first verdict that something is broken; or else that something is held; or else that nothing is offered.

    Raises:
        CannotExamine: nothing is broken, and one of them could not be examined.
    """
    verdicts: list[Verdict] = []
    unexamined: CannotExamine | None = None
    for where, judge in judges.items():
        try:
            verdict = await judge()
        except Inapplicable as error:
            verdict = NotOffered(str(error))
        except CannotExamine as error:
            unexamined = unexamined or error
            continue
        if isinstance(verdict, Broke):
            return Broke(expected=verdict.expected, found=f"{where}: {verdict.found}")
        verdicts.append(verdict)
    if unexamined is not None:
        raise unexamined
    return next((verdict for verdict in verdicts if isinstance(verdict, Held)), verdicts[0])


def verdict_of(faults: Iterable[str], *, expected: str) -> Verdict:
    """Held without faults, broken with them."""
    found = list(faults)
    if not found:
        return Held()
    more = f"; and {len(found) - MOST_FAULTS} more" if len(found) > MOST_FAULTS else ""
    return Broke(expected=expected, found="; ".join(found[:MOST_FAULTS]) + more)


def refused(answer: Answer, *names: str) -> Verdict:
    """Held if an answer is one of these errors."""
    if answer.refused_with(*names):
        return Held()
    return Broke(expected=" or ".join(names), found=answer.told)


def refused_as_invalid(answer: Answer, what: str) -> Verdict:
    """Held if an answer says that the parameters do not fit."""
    if answer.refusal is not None and answer.refusal.is_invalid:
        return Held()
    return Broke(expected=f"{what} is refused as invalid parameters", found=answer.told)


async def payloads(subject: A2aSubject) -> list[Payload]:
    """A message sent, and one streamed where streaming is declared, over each binding: everything that came.

    Raises:
        CannotExamine: a message was refused.
    """
    came: list[Payload] = []
    for speaker in subject.speakers:
        answer = await speaker.ask("SendMessage", {"message": subject.message()})
        came.append(Payload(f"over {speaker.binding}: ", payload_of(answer)))
        if subject.declares("streaming"):
            came += await _streamed(speaker, subject)
    return came


async def _streamed(speaker: Speaker, subject: A2aSubject) -> list[Payload]:
    answer = await speaker.ask("SendStreamingMessage", {"message": subject.message()})
    return [
        Payload(f"event {number} over {speaker.binding}: ", event)
        for number, event in enumerate(answer.events, 1)
        if is_object(event)
    ]


async def judge_payloads(
    subject: A2aSubject,
    faults: Callable[[Object], Iterator[str]],
    *,
    found_in: Callable[[Object], object],
    what: str,
    expected: str,
) -> Verdict:
    """Judge everything that messages are answered with; not offered where nothing of what is judged came."""
    if not subject.speakers:
        return NotOffered(NO_INTERFACE)
    came = await payloads(subject)
    if not any(found_in(payload.value) for payload in came):
        return NotOffered(f"No {what} came in the answers.")
    said = (f"{payload.where}{fault}" for payload in came for fault in faults(payload.value))
    return verdict_of(said, expected=expected)
