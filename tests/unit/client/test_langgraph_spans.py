"""What a graph's turn leaves in telemetry: spans without content, and nothing at LangSmith unless it is asked for."""

import threading
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from interchange_client.agent import speak
from interchange_client.gateway import SkillAnswer
from interchange_client.langgraph import answer_with
from interchange_client.langgraph_spans import record_spans
from opentelemetry.instrumentation.genai.langchain import LangChainInstrumentor
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.support.client_turns import in_hand, turn_of
from tests.support.graphs import Shelf, calls_search, graph_of, model_that_says


async def run_a_turn() -> None:
    graph = graph_of(model_that_says(calls_search(query="hunter2"), "Ada knows rust."))
    hand = in_hand(turn_of("who knows rust?"), gateway=Shelf(answer=SkillAnswer(text="found Ada")))
    async for _ in speak(answer_with(graph), hand):
        pass


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Generator[InMemorySpanExporter]:
    """Where spans go, for as long as they are recorded."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr("opentelemetry.trace.get_tracer_provider", lambda: provider)
    if LangChainInstrumentor().is_instrumented_by_opentelemetry:  # by a gateway that hosted a graph in here before
        LangChainInstrumentor().uninstrument()
    assert record_spans()
    assert record_spans()  # once more changes nothing
    yield exporter
    LangChainInstrumentor().uninstrument()


def named(spans: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    return {span.name: span for span in spans.get_finished_spans()}


async def test_a_turn_leaves_spans_of_the_graph_its_models_and_its_tools(spans: InMemorySpanExporter) -> None:
    await run_a_turn()
    found = named(spans)
    assert set(found) == {"invoke_agent greeter", "chat scripted-1", "execute_tool candidates_search"}
    graph = dict(found["invoke_agent greeter"].attributes or {})
    assert (graph["gen_ai.agent.name"], graph["gen_ai.conversation.id"]) == ("greeter", "c-1")
    usage = dict(found["chat scripted-1"].attributes or {})
    assert (usage["gen_ai.request.model"], usage["gen_ai.usage.output_tokens"]) == ("scripted-1", 3)


async def test_spans_say_nothing_of_what_was_said(spans: InMemorySpanExporter) -> None:
    await run_a_turn()
    recorded = " ".join(span.to_json() for span in spans.get_finished_spans())
    for content in ("who knows", "hunter2", "found Ada", "Ada knows", "token-of-the-turn"):
        assert content not in recorded


async def test_langsmith_is_sent_nothing_unless_the_environment_asks_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    hits: list[str] = []

    class Counting(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            hits.append(self.path)

        do_POST = do_GET

    server = ThreadingHTTPServer(("127.0.0.1", 0), Counting)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("LANGSMITH_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("LANGSMITH_API_KEY", "a-key")
    monkeypatch.delenv("LANGSMITH_TRACING", raising=False)
    try:
        await run_a_turn()
        assert not [each.name for each in threading.enumerate() if "langsmith" in each.name.lower()]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert hits == []
