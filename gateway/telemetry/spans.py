"""Spans at a fraction of the SDK's price: what a span needs while a call runs, and nothing that can wait.

The API's interfaces, kept as plain values. Attributes are neither copied nor checked one by one here but where they
leave, off the path of calls (`gateway.telemetry.exporter`). What must never leave is not even kept: the words of a
status and of an exception. Queueing, batching and export are the SDK's.
"""

# ruff: noqa: ARG002, FBT001, FBT002, PLR0917 (signatures are the API's)
import time
from collections.abc import Callable, Mapping, Sequence
from random import getrandbits

from opentelemetry.context import Context
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    Tracer,
    TracerProvider,
    get_current_span,
    use_span,
)
from opentelemetry.util.types import AnyValue, Attributes

from gateway.telemetry import names

_SAMPLED = TraceFlags(TraceFlags.SAMPLED)
_NOT_SAMPLED = TraceFlags(TraceFlags.DEFAULT)
_LOW_64 = (1 << 64) - 1
_MOST_EVENTS = 16

Finished = Callable[["LightSpan"], None]
"""Takes a span that has ended; must not block."""


class LightSpan(Span):
    """A recorded span. Everything in it is as it was given: the exporter decides what of it may leave."""

    __slots__ = (
        "_finished",
        "attributes",
        "context",
        "end_time",
        "events",
        "kind",
        "links",
        "name",
        "parent",
        "scope",
        "start_time",
        "status",
    )

    def __init__(
        self,
        name: str,
        *,
        context: SpanContext,
        parent: SpanContext | None,
        kind: SpanKind,
        attributes: Attributes,
        scope: str,
        start_time: int | None,
        finished: Finished,
    ) -> None:
        self.name = name
        self.context = context
        self.parent = parent
        self.kind = kind
        self.attributes: dict[str, AnyValue] = dict(attributes) if attributes else {}
        self.events: list[tuple[str, int, Attributes]] = []
        self.links: list[SpanContext] = []
        self.status = StatusCode.UNSET
        self.scope = scope
        self.start_time = start_time or time.time_ns()
        self.end_time = 0
        self._finished = finished

    def end(self, end_time: int | None = None) -> None:
        if not self.end_time:
            self.end_time = end_time or time.time_ns()
            self._finished(self)

    def get_span_context(self) -> SpanContext:
        return self.context

    def is_recording(self) -> bool:
        return not self.end_time

    def set_attributes(self, attributes: Mapping[str, AnyValue]) -> None:
        if not self.end_time:
            self.attributes.update(attributes)

    def set_attribute(self, key: str, value: AnyValue) -> None:
        if not self.end_time:
            self.attributes[key] = value

    def update_name(self, name: str) -> None:
        if not self.end_time:
            self.name = name

    def add_event(self, name: str, attributes: Attributes = None, timestamp: int | None = None) -> None:
        if not self.end_time and len(self.events) < _MOST_EVENTS:
            self.events.append((name, timestamp or time.time_ns(), attributes))

    def add_link(self, context: SpanContext, attributes: Attributes = None) -> None:
        if not self.end_time and len(self.links) < _MOST_EVENTS:
            self.links.append(context)

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        """Keep the code; the description is somebody's words."""
        code = status.status_code if isinstance(status, Status) else status
        if not self.end_time and code is not StatusCode.UNSET and self.status is not StatusCode.OK:
            self.status = code

    def record_exception(
        self,
        exception: BaseException,
        attributes: Attributes = None,
        timestamp: int | None = None,
        escaped: bool = False,
    ) -> None:
        """Keep the class; message and stack are somebody's words."""
        self.add_event(names.EXCEPTION, {names.EXCEPTION_TYPE: type(exception).__qualname__}, timestamp)


class LightTracer(Tracer):
    """Makes spans under one scope's name."""

    def __init__(self, scope: str, *, bound: int, finished: Finished) -> None:
        self._scope = scope
        self._bound = bound
        self._finished = finished

    def start_span(
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        start_time: int | None = None,
        record_exception: bool = True,
        set_status_on_exception: bool = True,
    ) -> Span:
        parent = get_current_span(context).get_span_context()
        trace_id = parent.trace_id if parent.is_valid else getrandbits(128) or 1
        span_id = getrandbits(64) or 1
        if not self._sampled(parent, trace_id):
            return NonRecordingSpan(SpanContext(trace_id, span_id, False, _NOT_SAMPLED, parent.trace_state))
        span = LightSpan(
            name,
            context=SpanContext(trace_id, span_id, False, _SAMPLED, parent.trace_state),
            parent=parent if parent.is_valid else None,
            kind=kind,
            attributes=attributes,
            scope=self._scope,
            start_time=start_time,
            finished=self._finished,
        )
        for link in links or ():
            span.add_link(link.context)
        return span

    def start_as_current_span(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        start_time: int | None = None,
        record_exception: bool = True,
        set_status_on_exception: bool = True,
        end_on_exit: bool = True,
    ):
        span = self.start_span(name, context, kind, attributes, links, start_time)
        return use_span(span, end_on_exit, record_exception, set_status_on_exception)

    def _sampled(self, parent: SpanContext, trace_id: int) -> bool:
        """A span inside a recorded one is recorded; what comes from outside must be wanted there and here."""
        if parent.is_valid and not parent.is_remote:
            return parent.trace_flags.sampled
        wanted = parent.trace_flags.sampled if parent.is_valid else True
        return wanted and (trace_id & _LOW_64) < self._bound


class LightTracerProvider(TracerProvider):
    """Makes tracers. `sample_ratio` is the share of traces that are recorded, by their id."""

    def __init__(self, *, sample_ratio: float, finished: Finished) -> None:
        self._bound = round(sample_ratio * (1 << 64))
        self._finished = finished

    def get_tracer(
        self,
        instrumenting_module_name: str,
        instrumenting_library_version: str | None = None,
        schema_url: str | None = None,
        attributes: Attributes = None,
    ) -> Tracer:
        return LightTracer(instrumenting_module_name, bound=self._bound, finished=self._finished)
