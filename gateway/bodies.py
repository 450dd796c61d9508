"""Bodies: read whole within a size, a time and what is in hand already, and JSON only in one meaning.

ASGI middleware behind the door that verifies tokens: nobody makes us read or parse more than a little before we know
who asks. It hands on one body in one piece, with what it says in `scope["interchange.json"]`. What it does not let in
it raises as `TurnedAway`; `gateway.guard`, which stands in front of the door, answers.
"""

import asyncio
from collections.abc import Hashable, Mapping
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.headers import ONCE_KEY, Headers, TooBusy, TurnedAway, has_body, is_below
from gateway.principal import VERIFIED
from gateway.strict_json import Mistake, StrictJsonError, read_strict
from policies.identity.tokens import Verified

JSON_KEY = "interchange.json"
_RPC_CODES = {Mistake.SYNTAX: -32700, Mistake.SHAPE: -32600}
_STRANGERS = "strangers"


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyRules:
    """What bodies may come in. Sizes in bytes.

    A body is at most `most` long, of somebody without a token `most_of_strangers`, and arrives within `seconds`. All
    bodies of requests under way come to at most `in_hand`; a quarter of it is for one principal, and a quarter for all
    strangers together. On `json_paths` and below a POST must be JSON, unless its path ends as one of `bare`, which says
    all there is to say, and it has no body.
    """

    most: int = 4 * 1024 * 1024
    most_of_strangers: int = 64 * 1024
    seconds: float = 10.0
    in_hand: int = 64 * 1024 * 1024
    json_paths: tuple[str, ...] = ("/mcp", "/agents")
    bare: tuple[str, ...] = (":subscribe", ":cancel")


class _ClientLeftError(Exception):
    """The client left before its body was whole; nobody waits for an answer."""


class Bodies:
    """ASGI middleware between the door and the faces."""

    def __init__(self, app: ASGIApp, rules: BodyRules) -> None:
        self._app = app
        self._rules = rules
        self._strangers_most = min(rules.most_of_strangers, rules.most)
        self._budget = Budget(max(rules.in_hand, 4 * rules.most))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the body, and let the request in.

        Raises:
            TurnedAway: the body may not come in.
        """
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        once: Mapping[bytes, bytes] = scope[ONCE_KEY]
        is_json = self._expects_json(scope["method"], scope["path"], once)
        if not is_json and not has_body(once):
            await self._app(scope, receive, send)
            return
        verified: Verified | None = scope.get(VERIFIED)
        holding = Holding(self._budget, verified.principal if verified else _STRANGERS)
        try:
            body = await self._body(once, receive, holding)
            scope, body = _understood(scope, body, is_json=is_json)
            await self._app(scope, _replayed(body, receive), send)
        except _ClientLeftError:
            return
        finally:
            holding.release()

    def _expects_json(self, method: str, path: str, once: Mapping[bytes, bytes]) -> bool:
        """Whether the body must be read as JSON: it says it is, or its path takes nothing else."""
        if not has_body(once) and path.endswith(self._rules.bare):
            return False
        is_json = _is_json(once.get(b"content-type", b""))
        if method == "POST" and not is_json and is_below(path, self._rules.json_paths):
            raise TurnedAway(415, "The Content-Type must be application/json", unread=True)
        return is_json and (method == "POST" or has_body(once))

    async def _body(self, once: Mapping[bytes, bytes], receive: Receive, holding: "Holding") -> bytes:
        """The body, whole."""
        if once.get(b"content-encoding", b"identity").lower() != b"identity":
            raise TurnedAway(415, "A request must not be compressed", unread=True)
        limit = self._strangers_most if holding.who is _STRANGERS else self._rules.most
        if _declared_length(once) > limit:
            raise _too_large(limit)
        try:
            async with asyncio.timeout(self._rules.seconds):
                return await _received(receive, limit, holding)
        except TimeoutError:
            message = f"The body did not arrive within {self._rules.seconds:g} seconds"
            raise TurnedAway(408, message, unread=True) from None


class _Account:
    """What one sender has of the budget, in how many requests."""

    __slots__ = ("held", "requests")

    def __init__(self) -> None:
        self.held = self.requests = 0


class Budget:
    """Counts the bytes of all bodies in hand, whoever sent them, and of each sender."""

    __slots__ = ("accounts", "held", "most", "share")

    def __init__(self, most: int) -> None:
        self.most = most
        self.share = most // 4
        self.held = 0
        self.accounts: dict[Hashable, _Account] = {}


class Holding:
    """What one request has of the budget."""

    __slots__ = ("_account", "_budget", "_size", "who")

    def __init__(self, budget: Budget, who: Hashable) -> None:
        account = budget.accounts.get(who)
        if account is None:
            account = budget.accounts[who] = _Account()
        account.requests += 1
        self._account = account
        self._budget = budget
        self._size = 0
        self.who = who

    def add(self, size: int) -> None:
        """Take more of the budget.

        Raises:
            TooBusy: there is not so much left.
        """
        budget, account = self._budget, self._account
        if budget.held + size > budget.most:
            raise TooBusy("The gateway has too many large requests in hand: try again in a second")
        if account.held + size > budget.share:
            raise TooBusy("You have too many large requests in hand: try again when some have ended")
        budget.held += size
        account.held += size
        self._size += size

    def release(self) -> None:
        self._budget.held -= self._size
        self._account.held -= self._size
        self._account.requests -= 1
        if not self._account.requests:
            del self._budget.accounts[self.who]


def _is_json(content_type: bytes) -> bool:
    if content_type == b"application/json":
        return True
    media = content_type.partition(b";")[0].strip().lower()
    return media == b"application/json" or (media.startswith(b"application/") and media.endswith(b"+json"))


def _declared_length(once: Mapping[bytes, bytes]) -> int:
    text = once.get(b"content-length", b"0")
    if not text.isdigit() or len(text) > 18:
        raise TurnedAway(400, "The Content-Length is not a number", unread=True)
    return int(text)


def _too_large(limit: int) -> TurnedAway:
    return TurnedAway(413, f"The body is larger than {limit} bytes", unread=True)


async def _received(receive: Receive, limit: int, holding: Holding) -> bytes:
    """Everything the client sends, up to a limit."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _ClientLeftError
        chunk: bytes = message.get("body", b"")
        if len(body) + len(chunk) > limit:
            raise _too_large(limit)
        if chunk:
            holding.add(len(chunk))
        more: bool = message.get("more_body", False)
        if not more and not body:
            return chunk
        body += chunk
        if not more:
            return bytes(body)


def _understood(scope: Scope, body: bytes, *, is_json: bool) -> tuple[Scope, bytes]:
    """The scope with what the body says, and the body as later readers get it."""
    if not is_json:
        return {**scope, JSON_KEY: None}, body
    try:
        strict = read_strict(body)
    except StrictJsonError as error:
        raise TurnedAway(400, error.message, rpc_code=_RPC_CODES[error.mistake]) from None
    headers: Headers = scope["headers"]
    if len(strict.text) != len(body):
        headers = _with_length(headers, len(strict.text))
    return {**scope, "headers": headers, JSON_KEY: strict.content}, strict.text


def _with_length(headers: Headers, length: int) -> Headers:
    """The headers for a body that was written anew."""
    return [(name, b"%d" % length if name == b"content-length" else value) for name, value in headers]


def _replayed(body: bytes, receive: Receive) -> Receive:
    """A receive that gives the body in one message, then whatever comes: the client going away, above all."""
    unread = [body]

    async def replayed() -> Message:
        if unread:
            return {"type": "http.request", "body": unread.pop(), "more_body": False}
        return await receive()

    return replayed
