"""Attempts: one try at one turn, from the delivery that the log gave out to the outcome that it takes back.

An attempt is a call of its own: made from the turn's grant, carried through the corridor, decided by the policies of
now. While it runs its lease is kept, its pieces are told, its messages logged. Whoever else ends the turn, or takes the
delivery over, ends it: the call is cancelled, and nothing that it still says is written. Above is `service`, which owns
the tasks that attempts run in.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final, cast

from adapters.lifecycle.endings import UNSENT, Terms, after_error, after_result
from adapters.lifecycle.feeds import Feeds
from adapters.lifecycle.grants import Grant, digest_of, open_grant
from adapters.lifecycle.rules import LifecycleRules
from adapters.lifecycle.saying import Saying
from adapters.lifecycle.telling import utterance
from adapters.messaging.bodies import text_of, write_body
from adapters.messaging.checks import check_size
from adapters.messaging.drafts import Draft
from adapters.messaging.errors import Fenced, IdConflict, LogUnavailable
from adapters.messaging.log import ConversationLog
from adapters.messaging.messages import Kind, Message, New
from adapters.messaging.opening import OpenLog
from adapters.messaging.outcomes import Dead, Delivery, Outcome, Retry
from adapters.messaging.plan import Appended
from adapters.messaging.requests import agent_sender
from adapters.messaging.retry import RetryRule, is_exhausted
from adapters.sealing import Seal
from registry.model import (
    Action,
    Agent,
    Artifact,
    Attempt,
    Call,
    Deadline,
    Delta,
    Denied,
    Emission,
    Emit,
    FarSideError,
    FarSideFault,
    InterchangeError,
    JsonObject,
    Part,
    Progress,
    Result,
    Said,
    Target,
    TooLarge,
    new_call_id,
    nowhere,
)

logger = logging.getLogger(__name__)

Deliver = Callable[[Call, Emit], Awaitable[Result]]
"""Carries a call through the corridor. `gateway.app` hands it in, since imports run down only."""

SETTLING: Final = 240
"""How often it is tried to write an outcome down while the log is away, with a pause in between each time."""
MESSAGES: Final = 900
"""Messages of one attempt before its end. Pieces and artifacts are not counted."""
PAUSE: Final = 0.25
"""Seconds of that pause; and before anybody looks whether a turn was cancelled: most are over by then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What the catalog knows of the target of a turn. `timeout` is in seconds, of one attempt; `repeatable`: it may be
    asked again although it may have begun."""

    agent: Agent
    timeout: float
    attempts: int
    repeatable: bool


FindWork = Callable[[Target], Work | None]
"""Looks a target up in the catalog of now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """What came of an attempt. `outcome` is None where it was lost: somebody else ended it, or has it now. `has_said`:
    messages were logged before the end."""

    outcome: Outcome | None
    has_said: bool = False
    appended: Appended | None = None
    result: Result | None = None
    error: InterchangeError | None = None

    @property
    def goes_on(self) -> bool:
        """Whether the turn is not over by this: it is tried again, or somebody else has it."""
        return self.outcome is None or isinstance(self.outcome, Retry)


class Attempts:
    """Makes attempts. `find` looks targets up; `clock` is the time of day in seconds."""

    def __init__(
        self,
        opened: OpenLog,
        *,
        deliver: Deliver,
        find: FindWork,
        seal: Seal,
        feeds: Feeds,
        rules: LifecycleRules,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._log = opened.log
        self._history = opened.history
        self._drafts = opened.drafts
        self._deliver = deliver
        self._find = find
        self._seal = seal
        self._feeds = feeds
        self._rules = rules
        self._clock = clock
        self._saying: set[Saying] = set()

    async def run(
        self,
        delivery: Delivery,
        *,
        grant: Grant | None = None,
        deadline: Deadline | None = None,
        also: Emit = nowhere,
    ) -> Ending:
        """Make an attempt and settle its delivery. `grant` is the one that was sealed into it, where it is known, and
        `also` is told what is said.

        Never raises what went wrong; only cancelling it does, and then the delivery goes back to its mailbox.
        """
        try:
            known = grant or open_grant(delivery.authority, self._seal, place=delivery.conversation)
            return await self._run(delivery, known, deadline=deadline, also=also)
        except asyncio.CancelledError:
            await self._settle(delivery, Retry(after=0.0, error="The gateway stopped."), patient=False)
            raise
        except InterchangeError as error:  # what was granted cannot be read
            return await self._end(delivery, after_error(error, delivery, Terms(), call=""), error=error)
        except Exception as error:
            logger.exception("an attempt failed inside the gateway", extra={"delivery": delivery.id})
            broken = InterchangeError("The gateway failed.")
            return await self._end(delivery, after_error(broken, delivery, Terms(), call=""), error=error_of(error))

    async def keep_drafts(self) -> None:
        """Keep what is being said, so that nobody has to hear all of it; once."""
        drafts = [(saying, draft) for saying in tuple(self._saying) if (draft := _draft(saying)) is not None]
        if not drafts:
            return
        try:
            await self._drafts.keep([draft for _, draft in drafts])
        except InterchangeError as error:
            logger.warning("Drafts could not be kept.", extra={"error": error.message})
            return
        for saying, draft in drafts:
            saying.drafted(draft)

    async def _run(self, delivery: Delivery, grant: Grant, *, deadline: Deadline | None, also: Emit) -> Ending:
        if grant.background and (wait := self._rules.seconds_until_off_peak(self._clock())):
            return await self._end(delivery, Retry(after=wait, error="It waits for the off-peak window."))
        work = self._find(grant.target)
        terms = _terms(work, grant)
        if (given_up := self._given_up(delivery, grant, terms)) is not None:
            return await self._end(delivery, after_error(given_up, delivery, terms, call=""), error=given_up)
        trial = _Trial(delivery, log=self._log, saying=Saying(delivery.of, fence=delivery.fence, feeds=self._feeds))
        self._saying.add(trial.saying)
        try:
            return await self._tried(trial, grant, work, terms=terms, deadline=deadline, also=also)
        finally:
            self._saying.discard(trial.saying)
            trial.saying.close()

    async def _tried(
        self, trial: "_Trial", grant: Grant, work: Work | None, *, terms: Terms, deadline: Deadline | None, also: Emit
    ) -> Ending:
        """Have the call made, unless the delivery is lost meanwhile."""
        delivery = trial.delivery
        call, result, error = None, None, None
        with self._guarded(trial):
            try:
                async with trial.time:
                    call = await self._call(delivery, grant, work, deadline)
                    trial.check_deadline()
                    result = await self._deliver(call, trial.emitting(also))
                    trial.saying.flush()
            except Fenced:
                trial.lose()
            except TimeoutError:
                if not trial.lost:
                    error = InterchangeError("The gateway failed.")
                    logger.exception("an attempt failed inside the gateway", extra={"delivery": delivery.id})
            except InterchangeError as raised:
                error = raised.with_traceback(None)
            except Exception as raised:
                logger.exception("an attempt failed inside the gateway", extra={"delivery": delivery.id})
                error = error_of(raised)
        if trial.lost:
            return Ending(outcome=None, error=error)
        named = call.id if call is not None else ""
        outcome = _outcome(result, error, delivery, terms, call=named)
        ending = await self._end(delivery, outcome, result=result, error=error, had_draft=trial.saying.has_draft)
        return replace(ending, has_said=trial.has_said)

    async def _end(
        self,
        delivery: Delivery,
        outcome: Outcome,
        *,
        result: Result | None = None,
        error: InterchangeError | None = None,
        had_draft: bool = False,
    ) -> Ending:
        appended, settled = await self._settle(delivery, outcome)
        if appended is None:
            return Ending(outcome=None, result=result, error=error)
        if had_draft and not isinstance(outcome, Retry):
            await self._drop_draft(delivery)
        if settled is not outcome and isinstance(settled, Dead):
            error = FarSideError(settled.error, fault=FarSideFault.GARBLED)
        return Ending(outcome=settled, appended=appended, result=result, error=error)

    async def _settle(
        self, delivery: Delivery, outcome: Outcome, *, patient: bool = True
    ) -> tuple[Appended | None, Outcome]:
        """Write an outcome down, if need be again and again; None where the delivery is lost."""
        for _ in range(SETTLING if patient else 2):
            try:
                return await self._log.settle(delivery, outcome), outcome
            except Fenced:
                return None, outcome
            except LogUnavailable:
                await asyncio.sleep(PAUSE)
            except InterchangeError as refused:  # the log does not take what was said: too much, or not to be stored
                if isinstance(outcome, Dead):
                    break
                outcome = after_error(_unkept(refused), delivery, Terms(), call="")
        logger.error("an outcome could not be written down", extra={"delivery": delivery.id})
        return None, outcome

    async def _drop_draft(self, delivery: Delivery) -> None:
        try:
            await self._drafts.drop([(delivery.conversation, delivery.turn)])
        except InterchangeError:
            logger.info("A draft stays until it is tidied up.", extra={"turn": delivery.turn})

    def _given_up(self, delivery: Delivery, grant: Grant, terms: Terms) -> InterchangeError | None:
        """Why an attempt may not even begin."""
        if not grant.is_good(self._clock(), seconds=self._rules.grant_seconds):
            return Denied("The authority that this turn was started with is too old to be acted on: start it again.")
        if delivery.attempt > 1 and not terms.repeatable:
            return FarSideError(
                "The gateway that had this call in hand was lost, and it may have been carried out.",
                fault=FarSideFault.BROKEN,
            )
        if is_exhausted(RetryRule(attempts=max(terms.attempts, UNSENT.attempts)), delivery.attempt):
            return FarSideError("It was tried as often as it may be.", fault=FarSideFault.BROKEN)
        return None

    async def _call(self, delivery: Delivery, grant: Grant, work: Work | None, deadline: Deadline | None) -> Call:
        """The call that this attempt is."""
        own = Deadline.after(work.timeout if work is not None else self._rules.lease)
        told, history = await self._told(delivery, work)
        _check_opening(grant, told)
        heard = tuple(map(utterance, told))
        parts = tuple(part for said in heard for part in said.parts)
        content: JsonObject = {"conversation": delivery.conversation}
        if grant.action is Action.INVOKE:
            content = _arguments(parts)
        return Call(
            id=new_call_id(),
            chain=grant.chain,
            action=grant.action,
            target=grant.target,
            content=content,
            deadline=own if deadline is None else deadline.sooner(own.remaining()),
            scopes=grant.scopes,
            groups=grant.groups[-1],
            groups_before=grant.groups[:-1],
            parts=parts if grant.action is Action.MESSAGE else (),
            extensions=grant.extensions,
            door="turn",
            attempt=Attempt(
                turn=delivery.turn,
                conversation=delivery.conversation,
                delivery=delivery.id,
                number=delivery.attempt,
                fence=delivery.fence,
                input=heard,
                history=tuple(map(utterance, history)),
                root=grant.root or delivery.turn,
                good_until=grant.granted_at + self._rules.grant_seconds,
            ),
        )

    async def _told(self, delivery: Delivery, work: Work | None) -> tuple[list[Message], list[Message]]:
        """What is to be answered, and what was said in the conversation before."""
        head = delivery.message
        told = [head]
        if not head.to:  # it goes on with a turn that another message opened
            told = [*await self._told_before(delivery), head]
        first = told[0].seq if told else head.seq
        most = work.agent.turns.history if work is not None else 0
        if first <= 1 or most <= 0:
            return told, []
        page = await self._history.page(delivery.conversation, before=first, limit=most)
        return told, list(page)

    async def _told_before(self, delivery: Delivery) -> list[Message]:
        """What the agent was told in this turn before; however much it has said itself meanwhile."""
        ours, after = agent_sender(delivery.agent), 0
        found: list[Message] = []
        while page := await self._history.of_turn(delivery.conversation, delivery.turn, after=after, limit=1_000):
            after = page[-1].seq
            asked = [each for each in page if each.sender != ours or each.to or each.answers]
            found += [message for message in asked if message.seq < delivery.message.seq]
            if after >= delivery.message.seq:
                break
        return found

    @contextmanager
    def _guarded(self, trial: "_Trial") -> Generator[None]:
        """Keep the lease of an attempt, and look whether its turn was ended by others, once it has taken a moment."""
        loop = asyncio.get_running_loop()
        guards: list[asyncio.Task[None]] = []

        def guard() -> None:
            guards.extend(map(loop.create_task, (self._keep(trial), self._watch(trial))))

        timer = loop.call_later(PAUSE, guard)
        try:
            yield
        finally:
            timer.cancel()
            for task in guards:
                task.cancel()

    async def _keep(self, trial: "_Trial") -> None:
        """Keep the lease of an attempt. One that cannot be kept is lost once it ends, and not before."""
        extend_at = trial.delivery.deadline - self._rules.lease + self._rules.extend_every
        while not trial.lost:
            await asyncio.sleep(extend_at - time.monotonic())
            left = trial.delivery.deadline - time.monotonic()
            if left <= 0:
                trial.lose()
                return
            try:
                async with asyncio.timeout(left):
                    trial.delivery = await self._log.extend(trial.delivery, seconds=self._rules.lease)
                extend_at = time.monotonic() + self._rules.extend_every
            except (Fenced, TimeoutError):
                trial.lose()
            except Exception as error:
                _note("A lease could not be extended.", trial, error)
                extend_at = min(time.monotonic() + PAUSE, trial.delivery.deadline)

    async def _watch(self, trial: "_Trial") -> None:
        """Look whether others end the turn of an attempt."""
        after = trial.delivery.message.seq
        while not trial.lost:
            try:
                async for message in self._history.follow(trial.delivery.conversation, after=after):
                    after = message.seq
                    trial.heard(message)
            except Exception as error:
                _note("A turn in hand is not looked after for a moment.", trial, error)
                await asyncio.sleep(PAUSE)


class _Trial:
    """What one attempt has in hand while it runs."""

    def __init__(self, delivery: Delivery, *, log: ConversationLog, saying: Saying) -> None:
        self.delivery = delivery
        self.saying = saying
        self.time = asyncio.timeout(None)
        self.lost = False
        self._log = log
        self._said = 0

    @property
    def has_said(self) -> bool:
        """Whether messages were logged."""
        return self._said > 0

    def lose(self) -> None:
        """It is somebody else's now: what still runs of it ends."""
        self.lost = True
        if self.time.when() is None and not self.time.expired():
            try:
                self.time.reschedule(asyncio.get_running_loop().time())
            except RuntimeError:  # it has not begun, or has ended
                return

    def check_deadline(self) -> None:
        """See that the lease has not ended already: nobody is called late (a process may have been stopped).

        Raises:
            Fenced: it has, as far as anybody here knows.
        """
        if time.monotonic() >= self.delivery.deadline:
            raise Fenced("The lease ended before the agent could be called.")

    def heard(self, message: Message) -> None:
        """Something was said in the conversation; it may be that the turn is over."""
        if message.turn == self.delivery.turn and message.kind in {Kind.CANCELLED, Kind.FAILED}:
            self.lose()

    def emitting(self, also: Emit) -> Emit:
        """Takes what the agent says on the way."""

        async def emit(emission: Emission) -> None:
            match emission:
                case Said():
                    await self._log_message(emission)
                    self.saying.said(emission)
                case Delta() | Artifact() | Progress():
                    self.saying.say(emission)
                case _:
                    return
            if also is not nowhere:
                await also(emission)

        return emit

    async def _log_message(self, said: Said) -> None:
        """Log what was said whole. A repeated attempt that says the same again says nothing; what it says otherwise is
        another message."""
        self._said += 1
        if self._said > MESSAGES:
            raise TooLarge(f"{self.delivery.agent} said more than {MESSAGES} messages in one turn, the most it may.")
        new = New(
            id=f"said:{self.delivery.id}:{self._said}",
            sender=agent_sender(self.delivery.agent),
            body=write_body(said.parts),
            text=text_of(said.parts),
            turn=self.delivery.turn,
        )
        try:
            await self._append(new)
        except IdConflict:
            await self._append(replace(new, id=f"{new.id}.{self.delivery.fence}"))

    async def _append(self, new: New) -> None:
        """Log a message; if the log is away, again, as long as the lease lasts."""
        while True:
            try:
                await self._log.append(self.delivery.conversation, [new], under=self.delivery)
                return
            except LogUnavailable:
                if time.monotonic() + PAUSE >= self.delivery.deadline:
                    raise
                await asyncio.sleep(PAUSE)


def _note(what: str, trial: _Trial, error: Exception) -> None:
    """Say what went wrong beside an attempt, which goes on."""
    level, unexpected = (logging.INFO, None) if isinstance(error, InterchangeError) else (logging.ERROR, error)
    logger.log(level, what, extra={"delivery": trial.delivery.id, "why": str(error)}, exc_info=unexpected)


def _check_opening(grant: Grant, told: Sequence[Message]) -> None:
    """See that what is to be done is what was asked for: who can write to the database cannot put words into mouths.

    Raises:
        Denied: it is something else, or was erased.
    """
    opening = next((message for message in told if message.to), None)
    if opening is None or digest_of(opening.body) != grant.opening:
        raise Denied("What this turn was opened with is not there any more as it was said.")


def _draft(saying: Saying) -> Draft | None:
    """What is to be kept of what is being said; None where that is nothing new, or nothing that can be kept."""
    try:
        draft = saying.draft()
        if draft is not None:
            check_size("A draft", draft.body)
    except InterchangeError as unfit:
        logger.info("A draft cannot be kept.", extra={"turn": saying.of.turn, "error": unfit.message})
        return None
    return draft


def error_of(error: Exception) -> InterchangeError:
    """An error that may be told; of one that may not, only that there was one."""
    return error if isinstance(error, InterchangeError) else InterchangeError("The gateway failed.")


def _outcome(
    result: Result | None, error: InterchangeError | None, delivery: Delivery, terms: Terms, *, call: str
) -> Outcome:
    if result is None:
        return after_error(error or InterchangeError("The gateway failed."), delivery, terms, call=call)
    try:
        return after_result(result, terms)
    except InterchangeError as unfit:
        return after_error(_unkept(unfit), delivery, terms, call=call)


def _unkept(why: InterchangeError) -> FarSideError:
    return FarSideError(f"The answer cannot be kept: {why.message}", fault=FarSideFault.GARBLED)


def _terms(work: Work | None, grant: Grant) -> Terms:
    return Terms(
        attempts=work.attempts if work is not None else 1,
        repeatable=work.repeatable if work is not None else False,
        attended=grant.attended,
        background=grant.background,
    )


def _arguments(parts: Sequence[Part]) -> JsonObject:
    """The arguments of an invocation, as the message that opened its turn has them."""
    data = cast("dict[str, Any]", parts[0].data) if parts and isinstance(parts[0].data, dict) else {}
    return cast("JsonObject", data.get("arguments", {}))
