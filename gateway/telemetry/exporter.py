"""What of a span may leave the process: by a list of what may, never by a list of what may not.

Runs in the export thread. Unknown attributes, values that fail their check, events and links' words are dropped and
counted in `redaction.dropped`; names that are not known to be ours are replaced. The caller's `tracestate` stays here.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from typing import cast

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, Status
from opentelemetry.util.types import AnyValue

from gateway.telemetry import names
from gateway.telemetry.names import Check
from gateway.telemetry.spans import LightSpan

_log = logging.getLogger(__name__)

REDACTED = "redacted"
_MINUTE = 60.0


class AllowList(SpanExporter):
    """Cleans spans and hands them to the exporter that sends them."""

    def __init__(self, inner: SpanExporter, *, resource: Resource, registered: Check) -> None:
        self._inner = inner
        self._registered = registered
        self._allowed = names.allowed(registered)
        said = {name: value for name, value in resource.attributes.items() if name in names.RESOURCE}
        self._resource = Resource(said)
        self._scopes: dict[str, InstrumentationScope] = {}
        self._lost = 0
        self._quiet_until = 0.0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        light = cast("Sequence[LightSpan]", spans)  # the queue is the SDK's, what is in it is ours
        outcome = self._inner.export([self._cleaned(span) for span in light])
        if outcome is SpanExportResult.FAILURE:
            self._complain(len(spans))
        return outcome

    def _complain(self, lost: int) -> None:
        """Say that spans are lost: once, and once a minute while it lasts."""
        self._lost += lost
        if time.monotonic() >= self._quiet_until:
            _log.warning("Spans cannot be sent: see [telemetry] otlp_endpoint", extra={"lost": self._lost})
            self._quiet_until = time.monotonic() + _MINUTE

    def shutdown(self) -> None:
        self._inner.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._inner.force_flush(timeout_millis)

    def _cleaned(self, span: LightSpan) -> ReadableSpan:
        attributes = {key: value for key, value in span.attributes.items() if self._may_leave(key, value)}
        events = [event for name, at, said in span.events if (event := _cleaned_event(name, at, said)) is not None]
        dropped = len(span.attributes) - len(attributes) + len(span.events) - len(events)
        if dropped:
            attributes[names.DROPPED] = dropped
        return ReadableSpan(
            name=self._name(span),
            context=_without_state(span.context),
            parent=_without_state(span.parent) if span.parent is not None else None,
            resource=self._resource,
            attributes=attributes,
            events=events,
            links=[Link(_without_state(context)) for context in span.links],
            kind=span.kind,
            status=Status(span.status),
            start_time=span.start_time,
            end_time=span.end_time,
            instrumentation_scope=self._scope(span.scope),
        )

    def _may_leave(self, key: str, value: AnyValue) -> bool:
        check = self._allowed.get(key)
        if check is None:
            return False
        return check(value) if isinstance(value, str) else isinstance(value, (bool, int, float))

    def _name(self, span: LightSpan) -> str:
        """A name of ours as it is; the MCP SDK's as far as the method and the tool are known; no other."""
        if span.scope.startswith(names.OWN_SCOPES):
            return span.name if names.OWN_NAME(span.name) else REDACTED
        method, _, tool = span.name.partition(" ")
        if span.scope != names.MCP_SCOPE or method not in names.MCP_METHODS:
            return REDACTED
        return span.name if tool and self._registered(tool) else method

    def _scope(self, name: str) -> InstrumentationScope:
        known = name == names.MCP_SCOPE or (name.startswith(names.OWN_SCOPES) and names.WORD(name))
        name = name if known else REDACTED
        return self._scopes.setdefault(name, InstrumentationScope(name))


def _cleaned_event(name: str, at: int, said: Mapping[str, AnyValue] | None) -> Event | None:
    """Of events only that there was an exception, and its class."""
    kind = (said or {}).get(names.EXCEPTION_TYPE)
    if name != names.EXCEPTION or not isinstance(kind, str) or not names.WORD(kind):
        return None
    return Event(names.EXCEPTION, {names.EXCEPTION_TYPE: kind}, at)


def _without_state(context: SpanContext) -> SpanContext:
    if not context.trace_state:
        return context
    return SpanContext(context.trace_id, context.span_id, context.is_remote, context.trace_flags)
