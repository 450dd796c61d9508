"""What an operator's collector sees of a call: one span for each room under the caller's trace, and no content."""

import threading
import time
from collections.abc import Generator
from pathlib import Path

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.support.odd_service import odd_manifest, odd_service
from tests.support.otlp_sink import Sink, otlp_sink
from tests.support.served import Served, published, served_gateway, tools_call

CANARY = "canary-5f1d"
TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"


@pytest.fixture
def sink() -> Generator[Sink]:
    with otlp_sink() as running:
        yield running


@pytest.fixture
def gateway(sink: Sink, tmp_path: Path) -> Generator[Served]:
    settings = f'[telemetry]\notlp_endpoint = "{sink.endpoint}"\n'
    with odd_service(tmp_path) as odd, served_gateway(tmp_path / "gateway", settings=settings) as served:
        published(served, odd_manifest(tmp_path), odd.target)
        yield served


@pytest.mark.parametrize("lane", ["express", "ordinary"])
@pytest.mark.parametrize("carrier", ["header", "meta"])
def test_every_room_has_its_span_under_the_callers_trace(gateway: Served, sink: Sink, lane: str, carrier: str) -> None:
    request = tools_call("odd_echo", {"text": CANARY})
    meta = request["params"]["_meta"]
    if lane == "ordinary":
        meta["progressToken"] = 1
    headers = {"mcp_protocol_version": "2026-07-28", "mcp_method": "tools/call", "mcp_name": "odd_echo"}
    if carrier == "meta":
        meta["traceparent"] = PARENT
    else:
        headers["traceparent"] = PARENT
    answer = gateway.post(request, token=gateway.token("tester"), **headers)
    assert answer.json()["result"]["structuredContent"] == {"text": CANARY}

    ours = spans_of_the_trace(sink)
    assert set(ours) == {"tools/call odd_echo", "decide", "odd.v1.Odd/Echo"}
    server = ours["tools/call odd_echo"]
    assert server.parent_span_id.hex() == "b7ad6b7169203331"
    assert {span.parent_span_id for span in ours.values() if span is not server} == {server.span_id}
    assert not any(CANARY.encode() in body for body in sink.arrived)


def spans_of_the_trace(sink: Sink) -> dict[str, Span]:
    """The spans of the caller's trace by name, once a span of each room has arrived."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        found = {span.name: span for span in sink.spans if span.trace_id.hex() == TRACE}
        if len(found) >= 3:
            return found
        threading.Event().wait(0.05)
    raise AssertionError(f"the spans did not arrive: {[span.name for span in sink.spans]}")
