"""Telemetry against a real collector: what arrives, what never does, and that nobody waits for it."""

import asyncio
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Generator
from typing import Any

import pytest
from mcp.server import _otel as mcp_otel
from mcp.shared import _otel as mcp_shared
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    Tracer,
    TraceState,
)

from adapters.grpc import names as grpc_names
from gateway.config import Telemetry as Config
from gateway.telemetry import names
from gateway.telemetry.setup import Telemetry, configure_telemetry, nobody, record_to
from registry.model import BadRequest
from tests.support.otlp_sink import Sink, attributes, otlp_sink

CANARY = "hunter2-canary"


@pytest.fixture
def sink() -> Generator[Sink]:
    with otlp_sink() as sink:
        yield sink


def recording(sink: Sink, **settings: Any) -> Telemetry:
    exporter = OTLPSpanExporter(endpoint=f"{sink.endpoint}/v1/traces", timeout=2)
    return record_to(exporter, Config(**settings), lambda name: name in {"candidates_search", "candidates.search"})


def tracer_of(recording: Telemetry, scope: str = "interchange.gateway") -> Tracer:
    assert recording.provider is not None
    return recording.provider.get_tracer(scope)


def test_a_span_arrives_with_what_may_leave(sink: Sink) -> None:
    telemetry = recording(sink, service_name="gw-test")
    tracer = tracer_of(telemetry)
    with tracer.start_as_current_span(names.DECIDE, attributes={names.VERDICT: "allow"}) as outer:
        outer.set_attribute(names.CATALOG_VERSION, 7)
        outer.set_attribute(names.TARGET, "skill:candidates.search")
        with tracer.start_as_current_span("hiring.v1.Candidates/Search", kind=SpanKind.CLIENT):
            pass
    telemetry.close()

    inner, outer = sink.spans
    assert (outer.name, inner.name) == ("decide", "hiring.v1.Candidates/Search")
    assert attributes(outer) == {
        "interchange.verdict": "allow",
        "interchange.catalog.version": 7,
        "interchange.target": "skill:candidates.search",
    }
    assert inner.parent_span_id == outer.span_id
    assert inner.trace_id == outer.trace_id
    assert outer.start_time_unix_nano <= inner.start_time_unix_nano <= inner.end_time_unix_nano
    (resource,) = {request.resource_spans[0].resource.SerializeToString() for request in sink.requests}
    assert b"gw-test" in resource


def test_attack_43_a_secret_never_arrives_however_it_got_into_a_span(
    sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", f"team={CANARY}")
    telemetry = recording(sink)
    state = TraceState([("vendor", CANARY)])
    remote = SpanContext(7, 7, is_remote=True, trace_flags=TraceFlags(1), trace_state=state)
    context = trace.set_span_in_context(NonRecordingSpan(remote))
    for scope in ("interchange.gateway", names.MCP_SCOPE, "somebody.else", f"interchange {CANARY}"):
        tracer = tracer_of(telemetry, scope)
        span = tracer.start_span(
            f"tools/call {CANARY}",
            context=context,
            attributes={
                "gen_ai.tool.call.arguments": CANARY,
                names.TOOL_NAME: CANARY,
                names.TARGET: f"skill:{CANARY}",
                names.MCP_METHOD: CANARY,
                names.REQUEST_ID: CANARY,
                names.MCP_VERSION: CANARY,
                names.ERROR_TYPE: f"oh no, {CANARY}",
                names.CALL_ID: [CANARY],
                CANARY: "key",
                "rpc.service": {"nested": CANARY},
            },
            links=[Link(remote, {"why": CANARY})],
        )
        span.add_event(CANARY, {"exception.type": CANARY})
        span.add_event("exception", {"exception.type": f"with blanks {CANARY}", "exception.message": CANARY})
        span.record_exception(ValueError(CANARY), {"more": CANARY})
        span.set_status(Status(StatusCode.ERROR, CANARY))
        span.end()
    with pytest.raises(ValueError, match=CANARY), tracer_of(telemetry).start_as_current_span(names.DECIDE):
        raise ValueError(CANARY)
    telemetry.close()

    assert len(sink.spans) == 5
    assert not any(CANARY.encode() in body for body in sink.arrived)
    spans = {span.name: span for span in sink.spans}
    assert sorted(span.name for span in sink.spans) == ["decide", "redacted", "redacted", "redacted", "tools/call"]
    assert attributes(spans["tools/call"]) == {"redaction.dropped": 12}
    assert [event.attributes[0].value.string_value for event in spans["decide"].events] == ["ValueError"]
    assert spans["decide"].status.code == 2


class _Request:
    """As much of an MCP request's context as the SDK's own telemetry looks at."""

    def __init__(self, tool: str, request_id: object) -> None:
        self.method = "tools/call"
        self.params = {"name": tool, "arguments": {"a": CANARY}}
        self.protocol_version = "2026-07-28"
        self.request_id = request_id
        self.meta = None


@pytest.mark.parametrize(
    ("tool", "request_id", "name", "kept"),
    [
        (
            "candidates_search",
            7,
            "tools/call candidates_search",
            {names.TOOL_NAME: "candidates_search", names.REQUEST_ID: "7"},
        ),
        (CANARY, CANARY, "tools/call", {names.DROPPED: 2}),
    ],
)
async def test_the_mcp_sdks_own_spans_name_only_tools_that_are_registered(
    sink: Sink, monkeypatch: pytest.MonkeyPatch, tool: str, request_id: object, name: str, kept: dict[str, object]
) -> None:
    telemetry = recording(sink)
    monkeypatch.setattr(mcp_shared, "_tracer", tracer_of(telemetry, names.MCP_SCOPE))

    async def fail(_: object) -> Any:
        raise RuntimeError(CANARY)

    request: Any = _Request(tool, request_id)
    with pytest.raises(RuntimeError):
        await mcp_otel.OpenTelemetryMiddleware()(request, fail)
    await asyncio.to_thread(telemetry.close)

    (span,) = sink.spans
    assert span.name == name
    assert not any(CANARY.encode() in body for body in sink.arrived)
    assert attributes(span) == {
        names.MCP_METHOD: "tools/call",
        names.MCP_VERSION: "2026-07-28",
        names.OPERATION: "execute_tool",
        names.ERROR_TYPE: "RuntimeError",
        **kept,
    }


def test_every_attribute_the_adapters_write_may_leave() -> None:
    assert names.allowed(nobody).keys() >= grpc_names.ALL
    assert grpc_names.TRACER.startswith(names.OWN_SCOPES)


def sampled(recording: Telemetry, parent: SpanContext | None = None) -> bool:
    context = trace.set_span_in_context(NonRecordingSpan(parent)) if parent else None
    span = tracer_of(recording).start_span("a", context=context)
    span.end()
    return span.get_span_context().trace_flags.sampled


def test_a_share_of_traces_is_recorded_and_callers_can_only_ask_for_less(sink: Sink) -> None:
    none, half, whole = (recording(sink, sample_ratio=ratio) for ratio in (0.0, 0.5, 1.0))
    assert not any(sampled(none) for _ in range(100))
    assert all(sampled(whole) for _ in range(100))
    assert 300 < sum(sampled(half) for _ in range(1000)) < 700

    low, high = 1, (1 << 64) - 1
    for trace_id, wanted, recorded in ((low, 1, True), (low, 0, False), (high, 1, False)):
        parent = SpanContext(trace_id, 7, is_remote=True, trace_flags=TraceFlags(wanted))
        assert sampled(half, parent) is recorded
    for flags in (0, 1):  # inside a trace of ours the beginning decides
        parent = SpanContext(high, 7, is_remote=False, trace_flags=TraceFlags(flags))
        assert sampled(half, parent) is bool(flags)
    for one in (none, half, whole):
        one.close()


def test_a_span_that_has_ended_does_not_change(sink: Sink) -> None:
    telemetry = recording(sink)
    span = tracer_of(telemetry).start_span("a")
    span.end()
    span.set_attribute(names.VERDICT, "allow")
    span.update_name("b")
    span.set_status(StatusCode.ERROR)
    span.end()
    telemetry.close()
    (arrived,) = sink.spans
    assert (arrived.name, arrived.status.code, attributes(arrived)) == ("a", 0, {})


def test_a_collector_that_hangs_holds_nobody_up(sink: Sink) -> None:
    sink.released.clear()
    telemetry = recording(sink)
    tracer = tracer_of(telemetry)
    started = time.monotonic()
    for _ in range(20_000):
        tracer.start_span("a").end()
    assert time.monotonic() - started < 25  # 20,000 spans into a queue of 8,192: dropped, not waited for
    started = time.monotonic()
    telemetry.close()
    assert time.monotonic() - started < 15


def test_nothing_configured_is_nothing_recorded() -> None:
    assert configure_telemetry(Config()).provider is None
    assert not trace.get_tracer("interchange").start_span("a").is_recording()


def test_an_endpoint_that_cannot_be_meant_is_refused() -> None:
    with pytest.raises(BadRequest, match="otlp_endpoint"):
        configure_telemetry(Config(otlp_endpoint="collector:4317"))


def test_a_ratio_that_is_none_is_refused(sink: Sink) -> None:
    with pytest.raises(BadRequest, match="sample_ratio"):
        recording(sink, sample_ratio=1.5)


PROCESS = textwrap.dedent("""
    import sys
    from opentelemetry import baggage, context, propagate, trace
    from gateway.config import Telemetry
    from gateway.telemetry.setup import telemetry
    carried = {}
    with telemetry(Telemetry(otlp_endpoint=sys.argv[1])):
        inbound = propagate.extract({"traceparent": "00-" + "1" * 32 + "-" + "2" * 16 + "-01", "baggage": "a=canary"})
        with trace.get_tracer("interchange.gateway").start_as_current_span("corridor", context=inbound):
            propagate.inject(carried)
    print(sorted(carried), carried["traceparent"][:35])
""")


def test_a_process_records_under_the_callers_trace_and_passes_no_baggage_on(sink: Sink) -> None:
    command = [sys.executable, "-c", PROCESS, sink.endpoint]
    said = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": "."})
    assert said.stdout.strip() == f"['traceparent'] 00-{'1' * 32}"
    (span,) = sink.spans
    assert span.trace_id.hex() == "1" * 32
    assert span.parent_span_id.hex() == "2" * 16
