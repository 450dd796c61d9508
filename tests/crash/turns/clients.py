"""A2A clients of a run: they know both gateways, and say a message again under its id until they know what came of it.

What they were told is kept in memory, one `Errand` for each message; clients are not struck.
"""

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import httpx
from a2a.types import StreamResponse, TaskState
from google.protobuf.json_format import ParseDict

from tests.crash.turns.words import ASK, DEFER, FLAKY, SAY, TAKE, TELL, Words
from tests.support import telling
from tests.support.telling import Heard

ENDED: Final = frozenset({"COMPLETED", "FAILED", "CANCELED", "REJECTED"})
OVER: Final = frozenset({*telling.ENDED, TaskState.TASK_STATE_INPUT_REQUIRED})
"""States with which a stream ends."""
PATIENCE: Final = 8.0
"""Seconds after which a client takes an answer for lost."""

LISTENING: Final = 40.0
"""The same, of the next event of a stream."""

PEOPLE: Final = ("ada", "bob")

_LANES: Final = 2
"""Conversations of each person with each agent."""

_NOT_CANCELABLE, _UNSUPPORTED = -32002, -32004
_AGAIN: Final = frozenset({-32603})
"""The gateway stops, or has no log at the moment."""

T = TypeVar("T")


class ToldError(Exception):
    """A gateway answered with an error that stays."""

    def __init__(self, error: Mapping[str, Any]) -> None:
        super().__init__(f"{error.get('code')}: {error.get('message')}")
        self.code = error.get("code")


class LostError(Exception):
    """Nobody knows what came of a request."""


class StoppedError(LostError):
    """A gateway says that it cannot go on, and why."""


@dataclass(slots=True)
class Errand:
    """One message, and what its sender was told of it. `task` is empty until it was acknowledged; `states` are all
    those in which it was seen, in order; `heard` each of its subscriptions, and `ended` why those ended that did so
    before the task."""

    words: Words
    agent: str
    person: str
    context: str
    number: int
    hook: str = ""
    task: str = ""
    tasks: set[str] = field(default_factory=set[str])
    states: list[str] = field(default_factory=list[str])
    heard: list[Heard] = field(default_factory=list[Heard])
    odd: list[str] = field(default_factory=list[str])
    cancels: bool = False
    cancelled: bool = False

    def told(self, task: Mapping[str, Any]) -> str:
        """Take in a task as a gateway shows it: its state."""
        self.task = self.task or task["id"]
        self.tasks.add(task["id"])
        state = task["status"]["state"].removeprefix("TASK_STATE_")
        if not self.states or self.states[-1] != state:
            if self.states and self.states[-1] in ENDED:
                self.odd.append(f"it was {self.states[-1]}, and is {state}")
            self.states.append(state)
        if state == "COMPLETED":
            self._made(task)
        return state

    def _made(self, task: Mapping[str, Any]) -> None:
        made = {
            each["artifactId"]: "".join(part.get("text", "") for part in each["parts"]) for each in _artifacts(task)
        }
        if made != self.words.artifacts:
            self.odd.append(f"it is COMPLETED with {str(made)[:200]}")


def _artifacts(task: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    return task.get("artifacts", ())


@dataclass(slots=True)
class Line:
    """Requests to one gateway."""

    url: str
    http: httpx.AsyncClient

    async def ask(self, agent: str, method: str, params: Mapping[str, Any], *, token: str) -> Any:
        """One request: its result.

        Raises:
            ToldError: it was refused.
            LostError: nobody knows.
        """
        try:
            response = await self.http.post(self._of(agent), json=_rpc(method, params), headers=_headers(token))
            answer = response.json()
        except (httpx.HTTPError, ValueError) as error:
            raise LostError(repr(error)) from None
        if response.status_code != 200 or "jsonrpc" not in answer:
            raise StoppedError(f"{response.status_code}: {str(answer)[:200]}")
        return _result(answer)

    async def stream(
        self, agent: str, method: str, params: Mapping[str, Any], *, token: str
    ) -> AsyncGenerator[StreamResponse]:
        """One request: its events.

        Raises:
            ToldError: it was refused, or ended with a reason.
            LostError: it broke off.
        """
        posting = self.http.stream(
            "POST", self._of(agent), json=_rpc(method, params), headers=_headers(token), timeout=LISTENING
        )
        try:
            async with posting as response:
                if "event-stream" not in response.headers.get("content-type", ""):
                    _result(json.loads(await response.aread()))
                async for line in response.aiter_lines():
                    if line.startswith("data:"):
                        yield ParseDict(_result(json.loads(line[5:])), StreamResponse(), ignore_unknown_fields=True)
        except (httpx.HTTPError, ValueError) as error:
            raise LostError(repr(error)) from None

    def _of(self, agent: str) -> str:
        return f"{self.url}/agents/{agent}"


def _rpc(method: str, params: Mapping[str, Any]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": dict(params)}


def _headers(token: str) -> dict[str, str]:
    return {"a2a-version": "1.0", "authorization": f"Bearer {token}"}


def _result(answer: Mapping[str, Any]) -> Any:
    if error := answer.get("error"):
        raise (StoppedError(str(error.get("message"))) if error.get("code") in _AGAIN else ToldError(error))
    return answer["result"]


@dataclass(slots=True)
class Clients:
    """Everybody who asks something of agents. `is_over` says that nothing new is to be begun; `hook` is where webhooks
    are told, if anywhere. `cut` are streams that broke off, as (gateway, when, why), `closed` how many of each gateway
    ended before their tasks and did not say why; `reasons` is what gateways said when they could not go on."""

    lines: Sequence[Line]
    tokens: Mapping[str, str]
    agents: Sequence[str]
    dice: random.Random
    hook: str = ""
    is_over: bool = False
    pace: float = 0.15
    lanes: int = _LANES
    words: Sequence[str] = (SAY, SAY, TAKE, TAKE, TELL, FLAKY, DEFER, ASK)
    takes: Sequence[int] = (10, 100, 3000)
    errands: list[Errand] = field(default_factory=list[Errand])
    cut: list[tuple[str, float, str]] = field(default_factory=list[tuple[str, float, str]])
    closed: Counter[str] = field(default_factory=Counter[str])
    reasons: Counter[str] = field(default_factory=Counter[str])
    odd: list[str] = field(default_factory=list[str])
    run_name: str = "r"

    async def work(self) -> None:
        """Ask until it is over, and see to the end of what was begun."""
        async with asyncio.TaskGroup() as tasks:
            for person in PEOPLE:
                for agent in self.agents:
                    for number in range(self.lanes):
                        tasks.create_task(self._lane(person, agent, f"{self.run_name}-{person}-{agent}-{number}"))
                tasks.create_task(self._poll(person))

    async def _lane(self, person: str, agent: str, context: str) -> None:
        """One conversation: a message once the one before is acknowledged, whether or not it was answered."""
        beside: set[asyncio.Task[None]] = set()
        number = 0
        while not self.is_over:
            number += 1
            errand = self._errand(person, agent, context, number)
            self.errands.append(errand)
            beside.add(asyncio.ensure_future(self._carry_out(errand)))
            while not errand.task and not self.is_over:
                await asyncio.sleep(0.01)
            if len(beside) > 3 or self.dice.random() < 0.4:
                await asyncio.wait(beside, timeout=20)
            beside = {each for each in beside if not each.done() or each.result()}
            await asyncio.sleep(self.dice.random() * 2 * self.pace)
        await asyncio.gather(*beside)

    def _errand(self, person: str, agent: str, context: str, number: int) -> Errand:
        word = self.dice.choice(self.words)
        many = {TAKE: self.dice.choice(self.takes), TELL: self.dice.choice((45, 90, 170)), DEFER: 300}
        words = Words(word, f"{context}-{number}", many.get(word, 0))
        hook = f"{self.hook}/{words.key}" if self.hook and self.dice.random() < 0.3 else ""
        return Errand(words, agent, person, context, number, hook=hook)

    async def _carry_out(self, errand: Errand) -> None:
        """Say it, see what comes of it; and perhaps cancel it, or listen at the other gateway as well."""
        streams = errand.words.word == TELL or self.dice.random() < 0.2
        saying = self._listened(errand) if streams else self._said(errand, waits=self.dice.random() < 0.5)
        async with asyncio.TaskGroup() as tasks:
            begun = tasks.create_task(saying)
            while not errand.task and not begun.done():
                await asyncio.sleep(0.01)
            if self.dice.random() < 0.12:
                tasks.create_task(self._cancelled(errand))
            if errand.words.word in (TELL, TAKE) and self.dice.random() < 0.3:
                tasks.create_task(self._subscribed(errand))
            tasks.create_task(self._ended(errand))

    async def _said(self, errand: Errand, *, waits: bool) -> None:
        params = self._params(errand, waits=waits)
        answer = await self._anywhere(lambda at: at.ask(errand.agent, "SendMessage", params, token=self._token(errand)))
        errand.told(answer["task"])

    async def _listened(self, errand: Errand) -> None:
        params = self._params(errand, waits=True)
        await self._anywhere(lambda at: self._listen(at, errand, "SendStreamingMessage", params))

    async def _subscribed(self, errand: Errand) -> None:
        """Listen until the task is over, again and again where that ends before."""
        while errand.states[-1:] and errand.states[-1] not in ENDED:
            try:
                params = {"id": errand.task}
                await self._anywhere(lambda at, sent=params: self._listen(at, errand, "SubscribeToTask", sent))
            except ToldError as told:
                if told.code != _UNSUPPORTED:
                    errand.odd.append(f"SubscribeToTask: {told}")
                return
            await asyncio.sleep(0.1)

    async def _listen(self, at: Line, errand: Errand, method: str, params: Mapping[str, Any]) -> None:
        heard = Heard()
        try:
            async with aclosing(at.stream(errand.agent, method, params, token=self._token(errand))) as events:
                async for event in events:
                    if not heard.events:
                        errand.heard.append(heard)
                    self._hear(errand, heard, event)
        except StoppedError as stopped:
            if not heard.events:
                raise
            self.reasons[_first_words(stopped)] += 1
            return
        except LostError as lost:
            if not heard.events:
                raise
            self.cut.append((at.url, time.monotonic(), str(lost)))
            return
        if heard.state not in OVER:
            self.closed[at.url] += 1

    def _hear(self, errand: Errand, heard: Heard, event: StreamResponse) -> None:
        if event.WhichOneof("payload") == "task":
            errand.task = errand.task or event.task.id
            errand.tasks.add(event.task.id)
            errand.states = errand.states or ["SUBMITTED"]
        try:
            heard.on(event)
        except AssertionError as wrong:
            errand.odd.append(f"a subscription heard what may not be: {str(wrong)[:300]}")

    async def _ended(self, errand: Errand) -> None:
        """Look until it has ended; answer what is asked."""
        while not errand.states or errand.states[-1] not in ENDED:
            task = await self._task(errand)
            state = errand.told(task)
            if state == "INPUT_REQUIRED":
                await self._answered(errand)
            if state not in ENDED:
                await asyncio.sleep(0.1 + 0.3 * self.dice.random())

    async def _answered(self, errand: Errand) -> None:
        message = {**_message(f"that one {errand.words.key}", f"{errand.words.key}-answer"), "taskId": errand.task}
        params = {"message": message, "configuration": {"returnImmediately": True}}
        with suppress(
            ToldError
        ):  # it was answered by a request that was lost, or has been cancelled: its state says so
            await self._anywhere(lambda at: at.ask(errand.agent, "SendMessage", params, token=self._token(errand)))

    async def _cancelled(self, errand: Errand) -> None:
        await asyncio.sleep(self.dice.random() * 0.5)
        errand.cancels = True
        params = {"id": errand.task}
        try:
            task = await self._anywhere(
                lambda at: at.ask(errand.agent, "CancelTask", params, token=self._token(errand))
            )
        except ToldError as told:
            if told.code != _NOT_CANCELABLE:
                errand.odd.append(f"CancelTask: {told}")
            return
        if task["status"]["state"] == "TASK_STATE_CANCELED":
            errand.cancelled = True
        else:
            errand.odd.append(f"CancelTask was answered with {task['status']['state']}")

    async def _task(self, errand: Errand) -> Any:
        params = {"id": errand.task}
        return await self._anywhere(lambda at: at.ask(errand.agent, "GetTask", params, token=self._token(errand)))

    async def _poll(self, person: str) -> None:
        """Look at lists of tasks while they change."""
        while not self.is_over:
            await asyncio.sleep(0.5)
            agent = self.dice.choice(self.agents)
            await self._anywhere(lambda at, of=agent: self._page(at, of, person, ""))

    async def listed(self, at: Line, agent: str, person: str) -> list[str]:
        """All tasks that somebody has begun with an agent, as a gateway lists them: page by page."""
        tasks: list[str] = []
        token = ""
        while True:
            page = await self._page(at, agent, person, token)
            tasks += [task["id"] for task in page.get("tasks", ())]
            token = page.get("nextPageToken", "")
            if not token:
                return tasks

    async def _page(self, at: Line, agent: str, person: str, token: str) -> Any:
        asked: dict[str, Any] = {"pageSize": 20, "historyLength": 0}
        if token:
            asked["pageToken"] = token
        return await at.ask(agent, "ListTasks", asked, token=self.tokens[person])

    async def _anywhere(self, asking: Callable[[Line], Awaitable[T]]) -> T:
        """Ask any gateway, and if it is not there, any."""
        while True:
            try:
                async with asyncio.timeout(60):
                    return await asking(self.dice.choice(self.lines))
            except (LostError, TimeoutError) as lost:
                if isinstance(lost, StoppedError):
                    self.reasons[_first_words(lost)] += 1
                await asyncio.sleep(0.1 + 0.2 * self.dice.random())

    def _params(self, errand: Errand, *, waits: bool) -> dict[str, Any]:
        message = {**_message(str(errand.words), errand.words.key), "contextId": errand.context}
        configuration: dict[str, Any] = {"returnImmediately": not waits}
        if errand.hook:
            configuration["taskPushNotificationConfig"] = {"url": errand.hook}
        return {"message": message, "configuration": configuration}

    def _token(self, errand: Errand) -> str:
        return self.tokens[errand.person]


def _first_words(stopped: StoppedError) -> str:
    return str(stopped).partition(";")[0].partition(": The log cannot")[0][:80]


def _message(text: str, key: str) -> dict[str, Any]:
    return {"messageId": key, "role": "ROLE_USER", "parts": [{"text": text}]}
