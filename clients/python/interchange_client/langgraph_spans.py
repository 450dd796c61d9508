"""Spans of graphs, models and tools: OpenTelemetry's official instrumentation, by its conventions for generative AI."""

import importlib
from typing import Any


def record_spans() -> bool:
    """Record what graphs do, if `opentelemetry-instrumentation-genai-langchain` is installed, and say whether it is.

    Spans carry no content unless OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT asks for it.
    """
    try:
        found = importlib.import_module("opentelemetry.instrumentation.genai.langchain")
    except ModuleNotFoundError:
        return False
    instrumentor: Any = found.LangChainInstrumentor()
    if not instrumentor.is_instrumented_by_opentelemetry:
        instrumentor.instrument(skip_dep_check=True)  # it asks for langchain, and needs only its core
    return True
