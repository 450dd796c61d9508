"""Answers over either binding, read into one form without trusting any of it.

What an answer should be is not decided here; `told` says in a few words what it was.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from conformance.a2a.protocol import CLOSED, ERROR_INFO, ERRORS, EVENT_STREAM, INVALID_PARAMS, Binding
from conformance.a2a.shapes import Object, is_object, objects
from conformance.verdict import CannotExamine
from conformance.wire import Exchange


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An error as it came. `code` is that of JSON-RPC or the body's over REST, `details` whatever was said besides."""

    binding: Binding
    http: int
    code: Any = None
    status: Any = None
    message: Any = None
    details: Any = None

    @property
    def infos(self) -> list[Object]:
        """The google.rpc.ErrorInfo among the details."""
        return [detail for detail in objects(self.details) if detail.get("@type") == ERROR_INFO]

    @property
    def reason(self) -> str:
        """What the first ErrorInfo gives as the reason; empty without one."""
        return str(self.infos[0].get("reason", "")) if self.infos else ""

    def is_error(self, name: str) -> bool:
        """Whether it is this error of A2A by its reason or by its code: that both are right is judged elsewhere."""
        known = ERRORS[name]
        if self.reason == name:
            return True
        if self.binding is Binding.JSONRPC:
            return self.code == known.code
        return self.http == known.status and not self.reason

    @property
    def is_invalid(self) -> bool:
        """Whether it says that the parameters do not fit."""
        if self.binding is Binding.JSONRPC:
            return self.code == INVALID_PARAMS
        return self.http == 400 and self.reason not in ERRORS

    @property
    def told(self) -> str:
        """In a few words, for a report."""
        said = f" {str(self.message)[:160]!r}" if self.message else ""
        if self.binding is Binding.JSONRPC and self.code is not None:
            return f"error {self.code!r}{said}"
        return f"HTTP {self.http}{f' {self.reason}' if self.reason else ''}{said}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back for one request."""

    binding: Binding
    exchange: Exchange
    id: str

    @property
    def streams(self) -> bool:
        """Whether it is a stream of events."""
        return self.exchange.media_type == EVENT_STREAM

    @property
    def at_the_door(self) -> bool:
        """Whether it comes from a door that wants other credentials, and not from what is behind."""
        return self.exchange.status in CLOSED

    @property
    def envelopes(self) -> Sequence[Any]:
        """The JSON that came: of each event, or of the whole body."""
        return self.exchange.events() if self.streams else [self.exchange.json()]

    @property
    def refusal(self) -> Refusal | None:
        """The error, if it is one: where there is none, whatever came is a result."""
        for envelope in self.envelopes:
            if (refusal := self._refusal(envelope)) is not None:
                return refusal
        return None

    @property
    def result(self) -> Any:
        """The result as it came, None if there is none."""
        return None if self.streams or self.refusal is not None else self._payload(self.exchange.json())

    @property
    def events(self) -> list[Any]:
        """The payloads of a stream; None for an event that is none."""
        return [self._payload(envelope) for envelope in self.envelopes] if self.streams else []

    @property
    def told(self) -> str:
        """In a few words, for a report."""
        if (refusal := self.refusal) is not None:
            return refusal.told
        if self.streams:
            return f"a stream of {len(self.envelopes)} events"
        result = self.result
        of = f" with {', '.join(list(result)[:8]) or 'nothing'}" if is_object(result) else ""
        return f"HTTP {self.exchange.status}, {self.exchange.media_type or 'no content type'}{of}"

    def refused_with(self, *names: str) -> bool:
        """Whether it is one of these errors."""
        refusal = self.refusal
        return refusal is not None and any(refusal.is_error(name) for name in names)

    def _refusal(self, envelope: object) -> Refusal | None:
        http = self.exchange.status
        error = envelope.get("error") if is_object(envelope) else None
        if not is_object(error):
            return Refusal(binding=self.binding, http=http) if http >= 300 else None
        details = error.get("data" if self.binding is Binding.JSONRPC else "details")
        return Refusal(
            binding=self.binding,
            http=http,
            code=error.get("code"),
            status=error.get("status"),
            message=error.get("message"),
            details=details,
        )

    def _payload(self, envelope: object) -> Any:
        if self.binding is Binding.REST:
            return envelope
        return envelope.get("result") if is_object(envelope) else None


def payload_of(answer: Answer) -> Mapping[str, Any]:
    """What a message was answered with, for a check that judges what is in it.

    Raises:
        CannotExamine: it was not answered; whether it should be is another requirement's business.
    """
    result = answer.result
    if not is_object(result):
        raise CannotExamine(f"The message was not answered with a result: {answer.told}.")
    return result
