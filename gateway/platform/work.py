"""Work for agents that have no address: `interchange.v1.Work`, one stream for each process that attaches.

Whoever attaches is an agent, by its own token and for itself; policy decides it as it does when an agent publishes
itself, at first and whenever something else comes into force. An attachment that would no longer be allowed ends with
the reason. One whose token nears its end, or that is old, is drained: its process attaches anew, with a fresh token,
and finishes here what it has in hand. What is done with the work is `adapters.mailbox`'s business.
"""

import asyncio
import logging
import time
from collections.abc import Coroutine, Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf.message import DecodeError
from interchange.v1 import work_pb2 as wire

from adapters.mailbox.attachments import Attachment, Attachments
from adapters.text import clean
from gateway.facts import FactFinder
from gateway.limits import PrincipalLimits
from gateway.live import Live
from gateway.platform.callers import Callers
from gateway.platform.operations import Handle
from gateway.platform.rpc import STREAMING_SECONDS, Context, GenericHandler, Send, next_message, service, when_done
from policies.identity.tokens import Verified
from registry.catalog import Catalog
from registry.model import (
    CATALOG,
    Action,
    AgentName,
    BadRequest,
    BindingKind,
    Call,
    Deadline,
    DeadlinePassed,
    Denied,
    InterchangeError,
    PrincipalKind,
    Refused,
    TooLarge,
    new_call_id,
    nowhere,
)

logger = logging.getLogger(__name__)

SERVICE = wire.DESCRIPTOR.services_by_name["Work"]

LASTING_SECONDS: Final = 7_200.0
"""The longest an attachment may last, with what it has to finish once it is drained. Who works for longer defers."""

AGE_SECONDS: Final = STREAMING_SECONDS
"""After so long an attachment is drained: where several gateways share the work, processes find their way to all."""

MARGIN_SECONDS: Final = 20.0
"""Before the end of its token an attachment is drained; half of what it has left, where that is less."""

HELLO_SECONDS: Final = 10.0
HELLO: Final = 256 << 10
"""Bytes, and seconds to arrive."""

AT_A_TIME: Final = 32
"""Attachments of one principal at this gateway."""

DECIDING_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Workplace:
    """What this face needs of the gateway beside its corridor: where to attach, and what is in force."""

    attachments: Attachments
    live: Live
    facts: FactFinder


@dataclass(frozen=True, slots=True, eq=False)
class _Open:
    """An attachment, and the call that was permitted when it was opened."""

    call: Call
    attachment: Attachment


class WorkFace:
    """Answers `interchange.v1.Work`."""

    def __init__(self, workplace: Workplace, *, handle: Handle, callers: Callers) -> None:
        self._attachments = workplace.attachments
        self._live = workplace.live
        self._facts = workplace.facts
        self._handle = handle
        self._callers = callers
        self._places = PrincipalLimits(calls=AT_A_TIME)
        self._open: set[_Open] = set()
        workplace.live.when_changed(self._decide_again)

    def handler(self) -> GenericHandler:
        """The service, ready to be added to a server."""
        return service(SERVICE.full_name, {}, {"Attach": self._attach}, seconds=LASTING_SECONDS)

    async def _attach(self, context: Context, _: Deadline, send: Send) -> None:
        verified = await self._callers.verified_of(context)
        self._take_place(context, verified)
        agent = _agent(verified)
        hello = await _hello(context)
        if hello.agent != agent:
            raise Denied(f"This credential is agent {agent}'s, and nobody attaches with it for {hello.agent[:80]!r}.")
        call = _call(verified, agent)
        await self._handle(call, nowhere)
        _check_mailbox(agent, self._live.current().catalog)
        with self._attachments.attached(agent, hello) as attachment:
            opened = _Open(call, attachment)
            self._open.add(opened)
            try:
                self._check(opened)  # what is in force may have changed while it was decided
                logger.info("an agent attached", extra={"agent": agent, "library": clean(hello.library, 80)})
                await self._work(context, attachment, send, seconds=verified.expires_at - time.time())
            finally:
                self._open.discard(opened)

    async def _work(self, context: Context, attachment: Attachment, send: Send, *, seconds: float) -> None:
        """Carry what is said, both ways, until one side has nothing more to say."""
        limits = self._attachments.limits
        welcome = wire.Welcome(seats=attachment.seats, window=limits.window, largest=limits.largest)
        await send(wire.AttachResponse(welcome=welcome))
        with _drained_in_time(attachment, seconds):
            await _until_one_ends(_listen(context, attachment, limits.largest), _tell(attachment, send))

    def _take_place(self, context: Context, verified: Verified) -> None:
        place = ExitStack()
        place.enter_context(self._places.call(verified.principal))
        when_done(context, place.close)

    async def _decide_again(self) -> None:
        """Look at every attachment by what is in force now."""
        for opened in list(self._open):
            self._check(opened)

    def _check(self, opened: _Open) -> None:
        """End an attachment that would not be allowed any more."""
        now = self._live.current()
        decision = now.judge.decide(opened.call, self._facts.about(opened.call, now))
        try:
            if not decision.allowed:
                raise Denied(f"It was ended, because it is no longer allowed: {decision.sentence}")
            _check_mailbox(opened.attachment.agent, now.catalog)
        except InterchangeError as error:
            opened.attachment.end(error.with_traceback(None))


def _agent(verified: Verified) -> AgentName:
    """The agent that a caller is, by itself.

    Raises:
        Denied: it is a person or a service, or acts for somebody.
    """
    principal = verified.principal
    if principal.kind is not PrincipalKind.AGENT:
        raise Denied(f"Agents attach, each with its own credential; this one is {principal}'s.")
    if verified.turn or verified.behind:
        raise Denied("Who attaches does so for itself: send no turn's token.")
    return AgentName(principal.name)


def _call(verified: Verified, agent: AgentName) -> Call:
    return Call(
        id=new_call_id(),
        chain=verified.chain,
        action=Action.PUBLISH,
        target=CATALOG,
        content={"operation": "Attach", "name": agent},
        deadline=Deadline.after(DECIDING_SECONDS),
        scopes=verified.scopes,
        groups=verified.groups,
        door="platform",
    )


def _check_mailbox(name: str, catalog: Catalog) -> None:
    """Let nobody attach as an agent that is not reached that way.

    Raises:
        Refused: it is not registered, or bound otherwise.
    """
    entry = catalog.agent(name)
    if entry is None:
        raise Refused(f"{name} is not registered, or waits for somebody's approval.")
    if entry.binding is None or entry.binding.kind is not BindingKind.MAILBOX:
        how = "bound to nothing" if entry.binding is None else f"bound by {entry.binding.kind}"
        raise Refused(f"{name} is {how}, and only who has a binding of kind mailbox attaches.")


async def _hello(context: Context) -> wire.Hello:
    """What a process says first.

    Raises:
        BadRequest, TooLarge: it says something else, or too much.
        DeadlinePassed: it says nothing.
    """
    try:
        async with asyncio.timeout(HELLO_SECONDS):
            data = await next_message(context)
    except TimeoutError:
        raise DeadlinePassed(f"Hello did not arrive within {HELLO_SECONDS:g} s.") from None
    if data is None:
        raise BadRequest("The stream ended before Hello.")
    request = _read(data, most=HELLO)
    if request.WhichOneof("request") != "hello":
        raise BadRequest("Say Hello first.")
    return request.hello


async def _listen(context: Context, attachment: Attachment, most: int) -> None:
    """Take in what the process says, until it says that it has nothing more to say."""
    while (data := await next_message(context)) is not None:
        await attachment.hear(_read(data, most=most), len(data))
    attachment.leave()


async def _tell(attachment: Attachment, send: Send) -> None:
    """Say to the process what is to be said, until there is nothing more."""
    while (response := await attachment.to_tell()) is not None:
        await send(response)


def _read(data: bytes, *, most: int) -> wire.AttachRequest:
    if len(data) > most:
        raise TooLarge(f"The message has {len(data)} bytes; at most {most} are taken here.")
    try:
        return wire.AttachRequest.FromString(data)
    except DecodeError:
        raise BadRequest("The message is not an AttachRequest.") from None


@contextmanager
def _drained_in_time(attachment: Attachment, seconds: float) -> Generator[None]:
    """Have an attachment drained when it is old, or its token, which is good for so many seconds, nears its end."""
    left = max(seconds - MARGIN_SECONDS, seconds / 2, 0.0)
    reason = "it is old" if left > AGE_SECONDS else "its token nears its end"
    timer = asyncio.get_running_loop().call_later(min(left, AGE_SECONDS), attachment.drain, reason)
    try:
        yield
    finally:
        timer.cancel()


async def _until_one_ends(*works: Coroutine[Any, Any, None]) -> None:
    """Do all of them until one ends, and raise what that one does."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
