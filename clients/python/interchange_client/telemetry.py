"""Telemetry of an agent's process: OpenTelemetry's SDK, by its own environment variables.

Without OTEL_EXPORTER_OTLP_ENDPOINT (or the one for traces) nothing is recorded, and the SDK is not even loaded.
"""

import importlib
import os
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Final

ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


@contextmanager
def agent_telemetry(agent: str) -> Generator[None]:
    """Send spans by OTLP over HTTP where the environment says; the service is called like the agent, unless it says.

    Raises:
        ValueError: it does, and OpenTelemetry's SDK is not installed.
    """
    if not any(os.environ.get(name) for name in ENDPOINTS):
        yield
        return
    try:
        sdk: Any = importlib.import_module("opentelemetry.sdk.trace")
        exporting: Any = importlib.import_module("opentelemetry.sdk.trace.export")
        otlp: Any = importlib.import_module("opentelemetry.exporter.otlp.proto.http.trace_exporter")
        resources: Any = importlib.import_module("opentelemetry.sdk.resources")
    except ModuleNotFoundError as error:
        raise ValueError(
            f"{ENDPOINTS[0]} is set, and {error.name} is not installed here: pip install opentelemetry-sdk"
            " opentelemetry-exporter-otlp-proto-http"
        ) from None
    named = {} if os.environ.get("OTEL_SERVICE_NAME") else {"service.name": agent}
    provider = sdk.TracerProvider(resource=resources.Resource.create(named), shutdown_on_exit=False)
    provider.add_span_processor(exporting.BatchSpanProcessor(otlp.OTLPSpanExporter()))
    importlib.import_module("opentelemetry.trace").set_tracer_provider(provider)
    try:
        yield
    finally:
        provider.shutdown()
