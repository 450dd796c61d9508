"""The gRPC binding of A2A: whom it lets in, what it takes, and what it says to whoever asks for something else."""

import threading
from collections.abc import AsyncIterator, Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import grpc
import pytest
from a2a.types import a2a_pb2 as wire
from a2a.types import a2a_pb2_grpc
from google.protobuf.struct_pb2 import Value
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from interchange_client.agent import TurnInHand

from tests.support.agents import Agents, Audit, chain_of, held, publish_as_operator
from tests.support.odd_agent import OddAgent, odd_agent
from tests.support.odd_service import odd_manifest, odd_service
from tests.support.office import office
from tests.support.served import Served, published

SEND = "/lf.a2a.v1.A2AService/SendMessage"
BODY_BYTES = 256 * 1024
SECONDS = 20.0
REQUIRED, OPTIONAL, OTHER = (f"https://extensions.example/{name}/v1" for name in ("required", "optional", "other"))
Failure = Any


@pytest.fixture(scope="module")
def oddity() -> Generator[OddAgent]:
    with odd_agent() as agent:
        yield agent


@pytest.fixture(scope="module")
def gateway(oddity: OddAgent, tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    folder = tmp_path_factory.mktemp("gateway")
    with (
        odd_service(tmp_path_factory.mktemp("odd")) as odd,
        office(folder, settings=f"[limits]\nbody_bytes = {BODY_BYTES}\n") as served,
    ):
        published(served, odd_manifest(folder), odd.target)
        extensions = [{"uri": REQUIRED, "required": True}, {"uri": OPTIONAL}]
        publish_as_operator(served, {"name": "oddity", "domain": "office", "extensions": extensions}, oddity.target)  # type: ignore[typeddict-item]
        yield served


@pytest.fixture(scope="module")
def agents(gateway: Served) -> Generator[Agents]:
    with Agents(gateway).alive() as joined:
        for name in ("clerk", "deputy"):
            joined.answers[name] = echo
            joined.join(name)
        yield joined


async def echo(turn: TurnInHand) -> AsyncIterator[str]:
    yield repr(turn.data) if turn.data is not None else turn.text


@pytest.fixture
def stub(gateway: Served, agents: Agents) -> Generator[Any]:
    with channel(gateway) as opened:
        yield cast("Any", a2a_pb2_grpc).A2AServiceStub(opened)


@pytest.fixture(scope="module")
def ada(gateway: Served) -> Sequence[tuple[str, str]]:
    return as_(gateway, "ada")


@contextmanager
def channel(gateway: Served) -> Generator[Any]:
    options = [("grpc.max_send_message_length", -1)]
    with cast("Any", grpc).insecure_channel(gateway.grpc_address, options) as opened:
        yield opened


def as_(gateway: Served, persona: str) -> Sequence[tuple[str, str]]:
    return [("authorization", f"Bearer {gateway.token(persona)}"), ("a2a-version", "1.0")]


def said(*parts: wire.Part, agent: str = "clerk", **members: Any) -> wire.SendMessageRequest:
    members = {"message_id": "m-1", "role": wire.ROLE_USER, **members}
    return wire.SendMessageRequest(tenant=agent, message=wire.Message(parts=parts, **members))


def failure(call: Any, request: object, metadata: Sequence[tuple[str, str]]) -> Failure:
    with pytest.raises(grpc.RpcError) as raised:
        call(request, metadata=metadata, timeout=SECONDS)
    return raised.value


def reason(error: Failure) -> str:
    """The reason in the details; empty where there are none."""
    for detail in details(error):
        if detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR):
            info = error_details_pb2.ErrorInfo()
            detail.Unpack(info)
            assert info.domain == "a2a-protocol.org"
            return info.reason
    return ""


def fields(error: Failure) -> Sequence[str]:
    """The fields that are wrong."""
    for detail in details(error):
        if detail.Is(error_details_pb2.BadRequest.DESCRIPTOR):
            found = error_details_pb2.BadRequest()
            detail.Unpack(found)
            return [fault.field for fault in found.field_violations]
    return []


def details(error: Failure) -> Sequence[Any]:
    packed = [value for key, value in error.trailing_metadata() if key == "grpc-status-details-bin"]
    return list(status_pb2.Status.FromString(packed[0]).details) if packed else []


def trailers(error: Failure) -> Any:
    return error.code(), error.details(), sorted(error.trailing_metadata())


@pytest.mark.parametrize("metadata", [[], [("authorization", "Bearer x")], [("authorization", "Basic x")]])
def test_a_stranger_is_told_so_before_anything_is_read(
    gateway: Served, agents: Agents, metadata: list[tuple[str, str]]
) -> None:
    answered = threading.Event()

    def not_before_the_answer() -> Iterator[bytes]:
        answered.wait(SECONDS)
        yield b""

    with channel(gateway) as opened:
        call = opened.stream_unary(SEND)
        error = failure(call, not_before_the_answer(), [*metadata, ("a2a-version", "1.0")])
        answered.set()

    assert error.code() is grpc.StatusCode.UNAUTHENTICATED


def test_the_service_is_healthy_for_anybody(gateway: Served) -> None:
    with channel(gateway) as opened:
        check = health_pb2_grpc.HealthStub(opened).Check
        answer = check(health_pb2.HealthCheckRequest(service="lf.a2a.v1.A2AService"), timeout=SECONDS)

    assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_what_is_forbidden_looks_as_what_there_is_not(gateway: Served, stub: Any) -> None:
    stranger = as_(gateway, "stranger")
    words = wire.Part(text="hello")

    forbidden = failure(stub.SendMessage, said(words), stranger)
    unknown = failure(stub.SendMessage, said(words, agent="nobody"), stranger)
    unnamed = failure(stub.SendMessage, said(words, agent=""), stranger)
    endless = failure(stub.SendMessage, said(words, agent="x" * 100_000), stranger)

    assert forbidden.code() is grpc.StatusCode.NOT_FOUND
    assert trailers(forbidden) == trailers(unknown) == trailers(unnamed) == trailers(endless)


def test_the_task_of_another_looks_as_what_there_is_not(gateway: Served, stub: Any, ada: Any) -> None:
    task = stub.SendMessage(said(wire.Part(text="hello"), message_id="m-of-ada"), metadata=ada).task

    theirs = failure(stub.GetTask, wire.GetTaskRequest(tenant="clerk", id=task.id), as_(gateway, "bob"))
    elsewhere = failure(stub.GetTask, wire.GetTaskRequest(tenant="deputy", id=task.id), ada)

    assert stub.GetTask(wire.GetTaskRequest(tenant="clerk", id=task.id), metadata=ada).id == task.id
    for error in (theirs, elsewhere):
        assert (error.code(), reason(error)) == (grpc.StatusCode.NOT_FOUND, "TASK_NOT_FOUND")


@pytest.mark.parametrize("versions", [[], [""], ["0.3"], ["0.2"], ["1.1"], ["2.0"], ["x" * 500], ["1.0", "1.0"]])
def test_only_1_0_is_spoken(stub: Any, ada: Any, versions: list[str]) -> None:
    metadata = [ada[0], *(("a2a-version", version) for version in versions)]
    error = failure(stub.SendMessage, said(wire.Part(text="hello")), metadata)

    assert (error.code(), reason(error)) == (grpc.StatusCode.FAILED_PRECONDITION, "VERSION_NOT_SUPPORTED")


def test_a_patch_release_is_no_other_version(stub: Any, ada: Any) -> None:
    answer = stub.SendMessage(
        said(wire.Part(text="hello"), message_id="m-patch"), metadata=[ada[0], ("a2a-version", "1.0.1")]
    )
    assert answer.task.artifacts[0].parts[0].text == "hello"


def number(value: float) -> wire.Part:
    return wire.Part(data=Value(number_value=value))


BAD: dict[str, tuple[wire.SendMessageRequest, str]] = {
    "no id": (said(wire.Part(text="x"), message_id=""), "message.messageId"),
    "no parts": (said(), "message.parts"),
    "an empty part": (said(wire.Part(text="x"), wire.Part()), "message.parts[1]"),
    "an agent's role": (said(wire.Part(text="x"), role=wire.ROLE_AGENT), "message.role"),
    "very many parts": (said(*[wire.Part(text="x")] * 300), "message.parts"),
    "not a number": (said(number(float("nan"))), "message.parts[0].data"),
    "infinity": (said(wire.Part(text="x"), number(float("inf"))), "message.parts[1].data"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_wrong_with_a_message_is_said_by_its_place(stub: Any, ada: Any, case: str) -> None:
    request, field = BAD[case]
    error = failure(stub.SendMessage, request, ada)

    assert (error.code(), reason(error)) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_PARAMS")
    assert field in fields(error)
    assert field in error.details()


def test_more_faults_than_fit_are_cut_and_still_arrive(stub: Any, ada: Any) -> None:
    error = failure(stub.SendMessage, said(*[wire.Part()] * 256), ada)

    assert (error.code(), reason(error)) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_PARAMS")
    assert 10 < len(fields(error)) < 256


@pytest.mark.parametrize(
    ("body", "code"),
    [
        pytest.param(b"\xff\xff", grpc.StatusCode.INVALID_ARGUMENT, id="no protobuf"),
        pytest.param(b"", grpc.StatusCode.NOT_FOUND, id="empty"),
        pytest.param(b"\x0a\xff\xff\xff\xff\x0f", grpc.StatusCode.INVALID_ARGUMENT, id="cut short"),
        pytest.param(b"\x0a" * (BODY_BYTES + 1), grpc.StatusCode.RESOURCE_EXHAUSTED, id="too large"),
    ],
)
def test_what_is_no_request_is_refused(gateway: Served, agents: Agents, ada: Any, body: bytes, code: object) -> None:
    with channel(gateway) as opened:
        error = failure(opened.unary_unary(SEND), body, ada)
    assert error.code() is code


def test_two_messages_are_no_request(gateway: Served, agents: Agents, ada: Any) -> None:
    with channel(gateway) as opened:
        error = failure(opened.stream_unary(SEND), iter([said().SerializeToString()] * 2), ada)
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize(
    ("data", "arrives"),
    [({"n": 3.0}, "{'n': 3}"), ({"n": 2.5}, "{'n': 2.5}"), ({"n": [None, True, "x"]}, "{'n': [None, True, 'x']}")],
)
def test_whole_numbers_arrive_whole(stub: Any, ada: Any, data: Any, arrives: str) -> None:
    part = wire.Part()
    part.data.struct_value.update(data)
    answer = stub.SendMessage(said(part, message_id=f"m-{arrives}"), metadata=ada)
    assert answer.task.artifacts[0].parts[0].text == arrives


def test_a_token_that_is_too_narrow_is_told_what_it_lacks(stub: Any, ada: Any) -> None:
    part = wire.Part()
    part.data.struct_value.update({"skill": "odd.scoped", "arguments": {}})

    sent = failure(stub.SendMessage, said(part, agent="odd", message_id="m-scoped"), ada)
    streamed = failure(drained(stub.SendStreamingMessage), said(part, agent="odd", message_id="m-streamed"), ada)

    for error in (sent, streamed):
        assert error.code() is grpc.StatusCode.PERMISSION_DENIED
        assert ("ix-error", "needs_scope") in error.trailing_metadata()
        assert "odd.deep" in error.details()


def drained(stream: Any) -> Any:
    """A call whose answer is a stream, read to its end."""

    def read(request: object, **options: Any) -> list[Any]:
        return list(stream(request, **options))

    return read


@pytest.mark.parametrize("activated", [[], [OPTIONAL], [OTHER]])
def test_a_required_extension_must_be_activated(stub: Any, ada: Any, activated: list[str]) -> None:
    metadata = [*ada, *(("a2a-extensions", uri) for uri in activated)]
    error = failure(stub.SendMessage, said(wire.Part(text="x"), agent="oddity"), metadata)

    assert (error.code(), reason(error)) == (grpc.StatusCode.FAILED_PRECONDITION, "EXTENSION_SUPPORT_REQUIRED")


def test_extensions_in_force_reach_the_agent_and_are_named_at_the_head(stub: Any, ada: Any, oddity: OddAgent) -> None:
    metadata = [*ada, ("a2a-extensions", f"{OPTIONAL}, {OTHER}"), ("a2a-extensions", REQUIRED)]
    request = said(wire.Part(text="x"), agent="oddity", message_id="m-extended")
    _, call = stub.SendMessage.with_call(request, metadata=metadata, timeout=SECONDS)

    assert dict(call.initial_metadata())["a2a-extensions"] == f"{REQUIRED}, {OPTIONAL}"
    assert list(oddity.turns[-1].extensions) == [REQUIRED, OPTIONAL]


def test_an_agent_acts_for_whoever_it_works_for(gateway: Served, agents: Agents, stub: Any) -> None:
    audit = Audit(gateway.state)
    with held(agents, "deputy", token=gateway.token("ada")) as turn:
        own = [("authorization", f"Bearer {agents.token('deputy')}"), ("a2a-version", "1.0")]
        request = said(wire.Part(text="hello"), message_id="m-nested")
        answer = stub.SendMessage(request, metadata=[*own, ("ix-turn-token", turn.token)], timeout=SECONDS)
        forged = failure(stub.SendMessage, request, [*own, ("ix-turn-token", turn.token[:-4] + "AAAA")])

    assert answer.task.artifacts[0].parts[0].text == "hello"
    assert forged.code() is grpc.StatusCode.UNAUTHENTICATED
    decisions = audit.decisions(until=1, action="message", target="agent:clerk")
    assert ["person:ada", "agent:deputy"] in [chain_of(each) for each in decisions]


def test_who_leaves_a_stream_leaves_its_task_to_itself(agents: Agents, stub: Any, ada: Any) -> None:
    with held(agents, "deputy", token=ada[0][1].removeprefix("Bearer ")) as turn:
        events = stub.SubscribeToTask(
            wire.SubscribeToTaskRequest(tenant="deputy", id=turn.turn.turn_id), metadata=ada, timeout=SECONDS
        )
        first = next(iter(events))
        events.cancel()
        asked = wire.GetTaskRequest(tenant="deputy", id=first.task.id)
        assert stub.GetTask(asked, metadata=ada).status.state == wire.TASK_STATE_WORKING
        turn.let_go()

    assert stub.GetTask(asked, metadata=ada).status.state == wire.TASK_STATE_COMPLETED
