"""Metadata beside a message."""

from collections.abc import Generator

import pytest
from opentelemetry import baggage, propagate, trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from adapters.grpc.metadata import audience, write_entries, write_metadata
from registry.model import (
    Action,
    AgentName,
    Call,
    ClientOffer,
    Deadline,
    Principal,
    PrincipalKind,
    Target,
    TargetKind,
    TooLarge,
    alone,
    new_call_id,
)


def call(offer: ClientOffer) -> Call:
    return Call(
        id=new_call_id(),
        chain=alone(Principal(kind=PrincipalKind.PERSON, issuer="https://issuer.example", subject="ada", name="ada")),
        action=Action.INVOKE,
        target=Target(TargetKind.SKILL, "desk.ask"),
        content={},
        deadline=Deadline.after(1),
        offer=offer,
    )


def entries(context: Context | None = None, *, offer: ClientOffer | None = None) -> dict[str, str | bytes]:
    return dict(write_entries(call(offer or ClientOffer()), delivery="d", token="t", context=context, limit=100))


def test_an_internal_token_is_for_the_agent_wherever_it_is_bound() -> None:
    assert audience(AgentName("candidates")) == "grpc://candidates"


@pytest.fixture(autouse=True)
def propagators() -> Generator[None]:
    """Those of an untouched process: other tests may have configured telemetry in this one."""
    before = propagate.get_global_textmap()
    propagate.set_global_textmap(CompositePropagator([TraceContextTextMapPropagator(), W3CBaggagePropagator()]))
    yield
    propagate.set_global_textmap(before)


def test_the_trace_and_its_baggage_go_along() -> None:
    span = NonRecordingSpan(SpanContext(1, 2, is_remote=True, trace_flags=TraceFlags(1)))
    context = baggage.set_baggage("team", "a b", trace.set_span_in_context(span))
    found = entries(context)
    assert found["traceparent"] == f"00-{1:032x}-{2:016x}-01"
    assert found["baggage"] == "team=a+b"


def test_baggage_that_would_swell_the_metadata_is_left_behind() -> None:
    assert "baggage" not in entries(baggage.set_baggage("big", "x" * 2_000, Context()))


def test_attempts_differ_in_their_number_only() -> None:
    same = write_entries(call(ClientOffer()), delivery="d", token="t", context=None, limit=100)
    first, second = (write_metadata(same, attempt=attempt) for attempt in (1, 2))
    assert (first["ix-attempt"], second["ix-attempt"]) == ("1", "2")
    second["ix-attempt"] = "1"
    assert first == second


def test_a_turn_is_told_by_its_own_delivery_and_fence() -> None:
    metadata = write_metadata([*entries().items()], attempt=3, fence=7)
    assert (metadata["ix-delivery"], metadata["ix-attempt"], metadata["ix-fence"]) == ("d", "3", "7")


def test_state_without_answers_is_sent_too_and_both_count_towards_the_limit() -> None:
    assert entries(offer=ClientOffer(request_state=b"s"))["ix-request-state-bin"] == b"s"
    with pytest.raises(TooLarge, match="101 bytes"):
        entries(offer=ClientOffer(request_state=b"x" * 99))
