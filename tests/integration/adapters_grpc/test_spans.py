"""One CLIENT span per delivery, nothing of content in it, and the trace goes on at the far side."""

from collections.abc import Iterator

import grpc
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from adapters.grpc import names
from adapters.grpc.adapter import GrpcAdapter
from registry.model import FarSideError, nowhere
from tests.integration.adapters_grpc.conftest import MakeAdapter
from tests.integration.adapters_grpc.far_side import READS, binding, failing, permitted, serving


@pytest.fixture
def exporter(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)
    yield exporter
    provider.shutdown()


@pytest.fixture
def traced(exporter: InMemorySpanExporter, make_adapter: MakeAdapter) -> GrpcAdapter:
    return make_adapter()


def only(exporter: InMemorySpanExporter) -> ReadableSpan:
    [span] = exporter.get_finished_spans()
    return span


async def test_a_delivery_is_one_client_span_and_the_far_side_is_its_child(
    traced: GrpcAdapter, exporter: InMemorySpanExporter
) -> None:
    async with serving() as far_side:
        await traced.deliver(permitted(binding(far_side.target)), nowhere)

    span = only(exporter)
    assert (span.name, span.kind) == ("desk.v1.Desk/Ask", SpanKind.CLIENT)
    assert dict(span.attributes or {}) == {
        "rpc.system": "grpc",
        "rpc.service": "desk.v1.Desk",
        "rpc.method": "Ask",
        "rpc.grpc.status_code": 0,
        "server.address": "127.0.0.1",
        "server.port": far_side.port,
    }
    assert span.context is not None
    assert f"{span.context.span_id:016x}" in str(far_side.metadata[0]["traceparent"])


async def test_attempts_share_the_span_and_a_failure_is_noted_without_words(
    traced: GrpcAdapter, exporter: InMemorySpanExporter
) -> None:
    async with serving(failing(grpc.StatusCode.UNAVAILABLE, "secret")) as far_side:
        with pytest.raises(FarSideError):
            await traced.deliver(permitted(binding(far_side.target), hints=READS), nowhere)

    span = only(exporter)
    assert far_side.attempts == 3
    assert span.attributes is not None
    assert span.attributes["error.type"] == "UNAVAILABLE"
    assert span.attributes["rpc.grpc.status_code"] == 14
    assert span.status.status_code is StatusCode.ERROR
    assert not span.status.description
    assert not span.events


async def test_errors_of_our_own_are_noted_by_their_code(traced: GrpcAdapter, exporter: InMemorySpanExporter) -> None:
    async with serving() as far_side:
        with pytest.raises(FarSideError):
            await traced.deliver(permitted(binding(far_side.target), method="/desk.v1.Desk/Gone"), nowhere)
        span = only(exporter)
        assert span.attributes is not None
        assert set(span.attributes) <= names.ALL
        assert span.attributes["error.type"] == "UNIMPLEMENTED"
