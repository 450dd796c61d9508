"""The fabric: what carries a word from one process to the others, soon and perhaps never.

Nothing depends on it. It wakes whoever waits for a conversation to grow or for mail, and it carries pieces of what is
being said; whoever was not woken looks by itself after a while (`Wakes.poll`), and finds the same in the log. So what
is told here may be lost, doubled or late, and a fabric never blocks, never raises and keeps nothing.
`nats_fabric` (beside) reaches other processes.
"""

import asyncio
import os
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Protocol, TypeVar
from weakref import WeakValueDictionary

import orjson

from adapters.messaging.engine import Stir
from registry.model import AgentName, ConversationId

_T = TypeVar("_T")

Listener = Callable[[bytes], None]
"""Gets what was told of a topic, on the event loop. It neither waits nor raises."""

Stop = Callable[[], None]
"""Ends what was begun; a second time it does nothing."""

SHARDS = 256
"""Conversations are told of in so many topics: few enough to hear all of them, and enough to hear only a part."""

SPACING = 0.005
"""Seconds between two tells of a topic: what happens in between is told together."""

READY = "ready"
"""The topic in which agents that have mail are told, those of a moment together."""

_EVERYWHERE = "grown.all"
_FEW = 8  # shards; where more have news, all are told together
_TOGETHER = 2000  # conversations or agents in one tell
_ORIGIN = 8  # bytes in front of each tell, which say whose it is


class Fabric(Protocol):
    """Carries bytes to whoever hears a topic. Losing all of it loses nothing but time."""

    def tell(self, topic: str, payload: bytes) -> None:
        """Tell everybody who hears this topic, or nobody. Never blocks and never raises."""
        ...

    def hear(self, topic: str, listener: Listener) -> Stop:
        """Have a listener called with whatever is told of a topic, until it is stopped."""
        ...


class Topics:
    """Who hears what in this process."""

    def __init__(self) -> None:
        self._listeners: dict[str, dict[object, Listener]] = {}

    def __contains__(self, topic: object) -> bool:
        return topic in self._listeners

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._listeners))

    def add(self, topic: str, listener: Listener) -> Stop:
        """Add a listener; a topic that nobody hears any more is forgotten."""
        key = object()
        self._listeners.setdefault(topic, {})[key] = listener

        def stop() -> None:
            listeners = self._listeners.get(topic, {})
            listeners.pop(key, None)
            if not listeners:
                self._listeners.pop(topic, None)

        return stop

    def of(self, topic: str) -> tuple[Listener, ...]:
        """Who hears a topic."""
        return tuple(self._listeners.get(topic, {}).values())


class InProcessFabric:
    """Reaches everybody on this event loop."""

    def __init__(self) -> None:
        self._topics = Topics()

    def tell(self, topic: str, payload: bytes) -> None:
        """See `Fabric`. Listeners are called soon, and not before this returns."""
        for listener in self._topics.of(topic):
            asyncio.get_running_loop().call_soon(listener, payload)

    def hear(self, topic: str, listener: Listener) -> Stop:
        """See `Fabric`."""
        return self._topics.add(topic, listener)


class NoFabric:
    """Reaches nobody: what a fabric is while it is cut."""

    def tell(self, topic: str, payload: bytes) -> None:
        """See `Fabric`."""

    def hear(self, topic: str, listener: Listener) -> Stop:  # noqa: ARG002  nothing is ever told
        """See `Fabric`."""
        return lambda: None


class Watch:
    """Where a conversation ends, as far as was heard, and who waits for it to go on.

    `tail` is hearsay: it may lag behind the log, and what a stranger told may even be ahead of it.
    """

    __slots__ = ("__weakref__", "_waiting", "conversation", "tail")

    def __init__(self, conversation: ConversationId) -> None:
        self.conversation = conversation
        self.tail = 0
        self._waiting: dict[asyncio.Future[None], int] = {}

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def heard(self, tail: int) -> None:
        """Wake those who wait for what is behind an earlier message than this one."""
        self.tail = max(self.tail, tail)
        for future, after in self._waiting.items():
            if after < tail and not future.done():
                future.set_result(None)

    def wake(self) -> None:
        """Wake all who wait, whatever for."""
        for future in self._waiting:
            if not future.done():
                future.set_result(None)

    def beyond(self, after: int) -> asyncio.Future[None]:
        """A future that is done once it is heard that the conversation goes on behind `after`.

        Whoever stops waiting says so with `leave`.
        """
        future = asyncio.get_running_loop().create_future()
        self._waiting[future] = after
        return future

    def leave(self, future: asyncio.Future[None]) -> None:
        """Wait no more."""
        self._waiting.pop(future, None)


class Wakes:
    """Who is to be woken, here and in other processes, once something was committed.

    `poll` is how long, in seconds, somebody waits who was not woken, before looking for himself.
    """

    def __init__(self, fabric: Fabric, *, poll: float = 1.0) -> None:
        self.poll = poll
        self._fabric = fabric
        self._origin = os.urandom(_ORIGIN)
        self._watches: WeakValueDictionary[ConversationId, Watch] = WeakValueDictionary()
        self._heard_grown: dict[str, Stop] = {}
        self._stop_ready: Stop | None = None
        self._waited_for: set[AgentName] = set()
        self._last_wanted: frozenset[AgentName] = frozenset()
        self._waiting: set[_Mail] = set()
        self._mail: set[AgentName] = set()
        self._grown: dict[ConversationId, int] = {}
        self._ready: set[AgentName] = set()
        self._told_at = 0.0
        self._telling: asyncio.TimerHandle | None = None

    def stirred(self, stir: Stir) -> None:
        """Wake whoever waits here at once, and tell the other processes in a moment."""
        self._wake(stir.grown)
        if stir.ready:
            self._deliver(stir.ready)
        for conversation, tail in stir.grown.items():
            if tail > self._grown.get(conversation, 0):
                self._grown[conversation] = tail
        self._ready |= stir.ready
        if self._telling is None and stir:
            loop = asyncio.get_running_loop()
            self._telling = loop.call_at(max(loop.time(), self._told_at + SPACING), self._tell)

    async def mail(self, agents: Collection[AgentName], *, seconds: float) -> Collection[AgentName]:
        """Wait until one of these agents may have mail; at most so many seconds, and at most `poll`. Returns those that
        it was said of; none where any of them may have some.

        Mail that came while nobody waited for it lets the next one go on at once, and so does an agent that was never
        waited for before. Whoever waits for thousands of agents again and again gives the same frozenset each time:
        then nothing is made of them.
        """
        wanted = frozenset(agents)
        if self._is_news(wanted):
            return ()  # what came while nobody listened has to be looked for
        if here := wanted & self._mail:
            self._mail -= here
            return here
        waiting = _Mail(wanted)
        self._waiting.add(waiting)
        try:
            async with asyncio.timeout(min(seconds, self.poll)):
                return await waiting.future
        except TimeoutError:
            return ()
        finally:
            self._waiting.discard(waiting)

    def watch(self, conversation: ConversationId) -> Watch:
        """What those who follow this conversation wait on. It is there for as long as one of them keeps it."""
        watch = self._watches.get(conversation)
        if watch is None:
            watch = self._watches[conversation] = Watch(conversation)
            for topic in (_topic_of(conversation), _EVERYWHERE):
                if topic not in self._heard_grown:
                    self._heard_grown[topic] = self._fabric.hear(topic, self._hear_grown)
        return watch

    def watches(self) -> list[Watch]:
        """All that are kept by somebody. Shards in which there are none are no longer listened to."""
        watches = list(self._watches.values())
        needed = {_topic_of(watch.conversation) for watch in watches}
        for topic in self._heard_grown.keys() - needed - ({_EVERYWHERE} if watches else set()):
            self._heard_grown.pop(topic)()
        return watches

    def close(self) -> None:
        """Tell what is still to be told, and hear nothing any more."""
        if self._telling is not None:
            self._telling.cancel()
            self._tell()
        for stop in (*self._heard_grown.values(), *([self._stop_ready] if self._stop_ready else ())):
            stop()
        self._heard_grown.clear()
        self._stop_ready = None
        self._waited_for.clear()
        self._last_wanted = frozenset()

    def _is_news(self, wanted: frozenset[AgentName]) -> bool:
        """Whether one of these agents was never waited for; from now on all of them are."""
        if wanted is self._last_wanted:
            return False
        self._last_wanted = wanted
        if wanted <= self._waited_for:
            return False
        self._waited_for |= wanted
        if self._stop_ready is None:
            self._stop_ready = self._fabric.hear(READY, self._hear_ready)
        return True

    def _wake(self, grown: Mapping[ConversationId, int]) -> None:
        for conversation, tail in grown.items():
            if (watch := self._watches.get(conversation)) is not None:
                watch.heard(tail)

    def _deliver(self, ready: Collection[AgentName]) -> None:
        """Wake whoever waits for mail of these agents; where nobody does, remember it for the next who comes."""
        left = {agent for agent in ready if agent in self._waited_for}
        for waiting in self._waiting:
            if not waiting.future.done() and not waiting.agents.isdisjoint(ready):
                waiting.future.set_result([agent for agent in ready if agent in waiting.agents])
                left = {agent for agent in left if agent not in waiting.agents}
        self._mail |= left

    def _tell(self) -> None:
        """Tell the other processes what has gathered, each topic once."""
        self._telling = None
        self._told_at = asyncio.get_running_loop().time()
        grown, self._grown = self._grown, {}
        ready, self._ready = self._ready, set()
        for topic, together in _by_topic(grown).items():
            for piece in _pieces(together.items()):
                self._fabric.tell(topic, self._origin + orjson.dumps(dict(piece)))
        for piece in _pieces(ready):
            self._fabric.tell(READY, self._origin + orjson.dumps(piece))

    def _hear_grown(self, payload: bytes) -> None:
        if not payload.startswith(self._origin):
            self._wake(_read_grown(payload[_ORIGIN:]))

    def _hear_ready(self, payload: bytes) -> None:
        if not payload.startswith(self._origin):
            self._deliver(_read_ready(payload[_ORIGIN:]))


class _Mail:
    """Somebody who waits for mail of some agents."""

    __slots__ = ("agents", "future")

    def __init__(self, agents: frozenset[AgentName]) -> None:
        self.agents = agents
        self.future: asyncio.Future[Collection[AgentName]] = asyncio.get_running_loop().create_future()


def shard_of(conversation: ConversationId) -> int:
    """In which of the shards a conversation is: the same in every process."""
    return zlib.crc32(conversation.encode(errors="surrogatepass")) % SHARDS


def _topic_of(conversation: ConversationId) -> str:
    return f"grown.{shard_of(conversation)}"


def _by_topic(grown: Mapping[ConversationId, int]) -> Mapping[str, dict[ConversationId, int]]:
    """What is told where: by shard while it is little, and otherwise in one topic that all hear."""
    topics: dict[str, dict[ConversationId, int]] = {}
    for conversation, tail in grown.items():
        topics.setdefault(_topic_of(conversation), {})[conversation] = tail
        if len(topics) > _FEW:
            return {_EVERYWHERE: dict(grown)}
    return topics


def _pieces(told: Iterable[_T]) -> Iterator[list[_T]]:
    """What is told together, and not too much of it."""
    left = iter(told)
    return iter(lambda: list(islice(left, _TOGETHER)), [])


def _read_grown(payload: bytes) -> Mapping[ConversationId, int]:
    """What another process told; nothing where it makes no sense."""
    try:
        told: Any = orjson.loads(payload)
    except orjson.JSONDecodeError:
        return {}
    if not isinstance(told, dict):
        return {}
    return {ConversationId(key): tail for key, tail in told.items() if isinstance(tail, int)}  # pyright: ignore


def _read_ready(payload: bytes) -> Collection[AgentName]:
    """The agents that another process told of; none where it makes no sense."""
    try:
        told: Any = orjson.loads(payload)
    except orjson.JSONDecodeError:
        return ()
    if not isinstance(told, list):
        return ()
    return frozenset(AgentName(agent) for agent in told if isinstance(agent, str))  # pyright: ignore
