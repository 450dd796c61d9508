"""JSON-RPC 2.0 as an examiner reads it: whatever came back, without trusting any of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias, cast

from conformance.verdict import Broke, CannotExamine, Held, Verdict
from conformance.wire import Exchange

Json: TypeAlias = Mapping[str, Any]
PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What an exchange says in JSON-RPC: at most one response, after any number of notifications and the like.

    `response` is None where there is not exactly one object that could be it.
    """

    response: Json | None
    others: tuple[Any, ...] = field(default=())

    @property
    def result(self) -> Json | None:
        """The result, if it is one and an object."""
        result = (self.response or {}).get("result")
        return cast("Json", result) if isinstance(result, dict) else None

    @property
    def error(self) -> Json | None:
        """The error, if it is one and an object."""
        error = (self.response or {}).get("error")
        return cast("Json", error) if isinstance(error, dict) else None

    @property
    def code(self) -> Any:
        """The error's code; None without an error."""
        return (self.error or {}).get("code")


def read_answer(exchange: Exchange) -> Answer:
    """The JSON-RPC answer of an exchange, from JSON or from a stream of events."""
    said = exchange.events() if exchange.media_type == "text/event-stream" else [exchange.json()]
    return sort_messages(said)


def sort_messages(said: Iterable[Any]) -> Answer:
    """One response among messages; the others in their order."""
    responses: list[Json] = []
    others: list[Any] = []
    for message in said:
        if isinstance(message, dict) and ("result" in message or "error" in message):
            responses.append(cast("Json", message))
        elif message is not None:
            others.append(message)
    only = responses[0] if len(responses) == 1 else None
    return Answer(response=only, others=(*others, *(responses if only is None else ())))


def result_of(exchange: Exchange) -> Json:
    """The result in an answer, for a check that judges what is in it.

    Raises:
        CannotExamine: there is none; whether there should be one is another requirement's business.
    """
    result = read_answer(exchange).result
    if result is None:
        raise CannotExamine(f"There was no result to look into, but {describe(exchange)}.")
    return result


def read_json_object(value: Any) -> Json:
    """A value as an object; an empty one where it is none."""
    return cast("Json", value) if isinstance(value, dict) else {}


def read_json_list(value: Any) -> list[Any]:
    """A value as a list; an empty one where it is none."""
    return cast("list[Any]", value) if isinstance(value, list) else []


def read_json_objects(value: Any) -> list[Json]:
    """The objects in a value that is a list."""
    return [cast("Json", item) for item in read_json_list(value) if isinstance(item, dict)]


def describe(exchange: Exchange) -> str:
    """An answer in a few words: its status, and the error or kind of body that came."""
    answer = read_answer(exchange)
    if answer.error is not None:
        return f"HTTP {exchange.status} with error {answer.code!r} ({str(answer.error.get('message', ''))[:120]})"
    if answer.result is not None:
        return f"HTTP {exchange.status} with a result"
    return f"HTTP {exchange.status} with {exchange.media_type or 'no content type'} that is no JSON-RPC response"


def judge_error(exchange: Exchange, *, code: int, status: int | None = None) -> Verdict:
    """Whether an answer is an error of this code, with this HTTP status where a protocol demands one."""
    if read_answer(exchange).code == code and status in {None, exchange.status}:
        return Held()
    expected = f"a JSON-RPC error {code}" if status is None else f"HTTP {status} with JSON-RPC error {code}"
    return Broke(expected=expected, found=describe(exchange))


def judge_result(exchange: Exchange) -> Verdict:
    """Whether an answer is a result."""
    if read_answer(exchange).result is not None and exchange.status == 200:
        return Held()
    return Broke(expected="HTTP 200 with a JSON-RPC result", found=describe(exchange))
