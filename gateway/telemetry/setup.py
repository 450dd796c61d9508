"""Telemetry by configuration: with an endpoint, spans go there; without one there is nothing but the API's no-op.

Nothing here can hold a call up: spans are queued, a full queue drops, a collector that is away or slow costs a thread
some patience, and stopping waits for it no longer than `CLOSING_SECONDS`.
"""

import logging
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import cast

from opentelemetry import propagate, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from gateway.config import Telemetry as TelemetryConfig
from gateway.telemetry.exporter import AllowList
from gateway.telemetry.names import Check
from gateway.telemetry.spans import LightSpan, LightTracerProvider
from registry.model import BadRequest, new_call_id

CLOSING_SECONDS = 2.0
_QUEUE = 8192
_BATCH = 512
_EVERY_MS = 1000


@dataclass(frozen=True, slots=True)
class Telemetry:
    """What is recording. Without a provider, nothing is."""

    provider: trace.TracerProvider | None
    _stop: Callable[[], None] | None = None

    def close(self) -> None:
        """Send what waits, within `CLOSING_SECONDS`; what a collector does not take by then is lost."""
        if self._stop is not None:
            sender = threading.Thread(target=self._stop, name="telemetry-closing", daemon=True)
            sender.start()
            sender.join(CLOSING_SECONDS)


def nobody(_: str) -> bool:
    """Knows no name: without a catalog, names that clients choose stay here."""
    return False


@contextmanager
def telemetry(config: TelemetryConfig, *, registered: Check = nobody) -> Generator[Telemetry]:
    """Record spans as configured, for the whole process, until left."""
    recording = configure_telemetry(config, registered=registered)
    try:
        yield recording
    finally:
        recording.close()


def configure_telemetry(config: TelemetryConfig, *, registered: Check = nobody) -> Telemetry:
    """Record spans as configured, for the whole process; a process can do this once.

    `registered` says whether a name is a skill's, an agent's or a tool's; it is asked in another thread. The caller's
    trace context is read and passed on, its baggage is not: nothing of it would be ours to spread.

    Raises:
        BadRequest: the configuration cannot be meant.
    """
    propagate.set_global_textmap(TraceContextTextMapPropagator())
    if not config.otlp_endpoint:
        return Telemetry(None)
    if not config.otlp_endpoint.startswith(("http://", "https://")):
        raise BadRequest(f"[telemetry] otlp_endpoint: {config.otlp_endpoint!r} is not an http or https URL")
    logging.getLogger("opentelemetry.exporter").setLevel(logging.CRITICAL)  # the allow-list says it once a minute
    recording = record_to(OTLPSpanExporter(endpoint=_traces(config.otlp_endpoint), timeout=2), config, registered)
    if recording.provider is not None:
        trace.set_tracer_provider(recording.provider)
    return recording


def record_to(exporter: SpanExporter, config: TelemetryConfig, registered: Check) -> Telemetry:
    """Record spans for an exporter, through the allow-list; nothing of the process is changed.

    Raises:
        BadRequest: the sample ratio is no share.
    """
    if not 0 <= config.sample_ratio <= 1:
        raise BadRequest(f"[telemetry] sample_ratio: {config.sample_ratio} is not between 0 and 1")
    allow_list = AllowList(exporter, resource=_resource(config.service_name), registered=registered)
    processor = BatchSpanProcessor(
        allow_list, max_queue_size=_QUEUE, max_export_batch_size=_BATCH, schedule_delay_millis=_EVERY_MS
    )

    def finished(span: LightSpan) -> None:
        processor.on_end(cast("ReadableSpan", span))  # it looks at the context only, and so may be handed ours

    return Telemetry(LightTracerProvider(sample_ratio=config.sample_ratio, finished=finished), processor.shutdown)


def _traces(endpoint: str) -> str:
    """The address for traces, from a base URL as OTLP/HTTP defines one."""
    return endpoint if endpoint.endswith("/v1/traces") else f"{endpoint.rstrip('/')}/v1/traces"


def _resource(service_name: str) -> Resource:
    return Resource(
        {
            "service.name": service_name,
            "service.version": version("interchange"),
            "service.instance.id": new_call_id(),
            "telemetry.sdk.language": "python",
            "telemetry.sdk.name": "opentelemetry",
        }
    )
