"""Skills that speak for themselves: every kind of part, errors a model can read, questions to the client."""

import orjson
import pytest
from google.protobuf.struct_pb2 import Struct, Value
from interchange.v1.agent_pb2 import InputRequest, Part, Question, SkillResult

from adapters.grpc.adapter import GrpcAdapter
from registry.model import Emission, FarSideError, FarSideFault, Progress, Result, Streaming, nowhere
from registry.model import InputRequest as Asked
from registry.model import Part as OurPart
from tests.integration.adapters_grpc.far_side import (
    SKILL_RESULT,
    answering,
    binding,
    permitted,
    serving,
    telling,
)


def struct(**fields: str | float | bool) -> Struct:
    message = Struct()
    message.update(fields)
    return message


async def answer_to(adapter: GrpcAdapter, message: SkillResult | bytes) -> Result:
    data = message if isinstance(message, bytes) else message.SerializeToString()
    async with serving(answering(data)) as far_side:
        return await adapter.deliver(permitted(binding(far_side.target), output_type=SKILL_RESULT), nowhere)


async def test_every_kind_of_part_comes_through(adapter: GrpcAdapter) -> None:
    result = await answer_to(
        adapter,
        SkillResult(
            content=[
                Part(text="hello"),
                Part(raw=b"\x89PNG", media_type="image/png", filename="a.png"),
                Part(raw=b"RIFF", media_type="audio/wav"),
                Part(url="https://example.com/x", media_type="text/html"),
                Part(data=Value(struct_value=struct(n=3, f=1.5, s="x", b=True))),
                Part(text="body", media_type="text/plain", metadata=struct(uri="file:///x", priority=0.5)),
            ]
        ),
    )
    assert result == Result(
        parts=(
            OurPart(text="hello"),
            OurPart(raw=b"\x89PNG", media_type="image/png", filename="a.png"),
            OurPart(raw=b"RIFF", media_type="audio/wav"),
            OurPart(url="https://example.com/x", media_type="text/html"),
            OurPart(data={"n": 3, "f": 1.5, "s": "x", "b": True}),
            OurPart(text="body", media_type="text/plain", metadata={"uri": "file:///x", "priority": 0.5}),
        )
    )


async def test_structured_content_is_also_text(adapter: GrpcAdapter) -> None:
    result = await answer_to(adapter, SkillResult(structured=Value(struct_value=struct(total=2))))
    assert result.structured == {"total": 2}
    assert orjson.loads(result.text) == {"total": 2}


async def test_an_error_a_model_can_read_is_a_result(adapter: GrpcAdapter) -> None:
    result = await answer_to(adapter, SkillResult(content=[Part(text="no such city")], is_error=True))
    assert result.is_error
    assert result.parts == (OurPart(text="no such city"),)


async def test_questions_to_the_client_come_with_their_state(adapter: GrpcAdapter) -> None:
    schema = struct(type="object")
    message = SkillResult(
        input_requests=[
            InputRequest(key="name", question=Question(text="Who?", answer_schema=schema)),
            InputRequest(key="joke", sampling=struct(maxTokens=5)),
            InputRequest(key="where", roots=True),
        ],
        request_state=b"\x00\x01",
    )
    result = await answer_to(adapter, message)
    assert result.input_requests == (
        Asked(key="name", kind="elicitation", body={"text": "Who?", "schema": {"type": "object"}}),
        Asked(key="joke", kind="sampling", body={"maxTokens": 5}),
        Asked(key="where", kind="roots", body={}),
    )
    assert result.request_state == b"\x00\x01"


@pytest.mark.parametrize(
    "message",
    [
        b"\xff\xff",
        SkillResult(content=[Part(media_type="text/plain")]),
        SkillResult(structured=Value(number_value=float("nan"))),
        SkillResult(content=[Part(data=Value(number_value=float("inf")))]),
        SkillResult(input_requests=[InputRequest(key="a")]),
        SkillResult(input_requests=[InputRequest(roots=True)]),
        SkillResult(input_requests=[InputRequest(key="a", roots=True), InputRequest(key="a", roots=True)]),
    ],
)
async def test_what_cannot_be_read_is_garbled(adapter: GrpcAdapter, message: SkillResult | bytes) -> None:
    with pytest.raises(FarSideError, match=r"desk\.ask") as caught:
        await answer_to(adapter, message)
    assert caught.value.fault is FarSideFault.GARBLED


async def test_progress_of_a_stream_is_the_text_of_its_parts(adapter: GrpcAdapter) -> None:
    heard: list[Progress] = []

    async def emit(emission: Emission) -> None:
        assert isinstance(emission, Progress)
        heard.append(emission)

    messages = [SkillResult(content=[Part(text="step"), Part(text=f"{n}")]).SerializeToString() for n in range(3)]
    async with serving(tell=telling(*messages)) as far_side:
        result = await adapter.deliver(
            permitted(binding(far_side.target), streaming=Streaming.LAST, output_type=SKILL_RESULT), emit
        )
    assert [progress.text for progress in heard] == ["step\n0", "step\n1"]
    assert result.parts == (OurPart(text="step"), OurPart(text="2"))


async def test_collected_results_are_their_parts_one_after_another(adapter: GrpcAdapter) -> None:
    messages = [
        SkillResult(content=[Part(text="a")], structured=Value(number_value=1)).SerializeToString(),
        SkillResult(content=[Part(text="b")], structured=Value(number_value=2), is_error=True).SerializeToString(),
    ]
    async with serving(tell=telling(*messages)) as far_side:
        result = await adapter.deliver(
            permitted(binding(far_side.target), streaming=Streaming.COLLECT, output_type=SKILL_RESULT), nowhere
        )
    assert result.parts == (OurPart(text="a"), OurPart(text="b"))
    assert result.structured == {"items": [1, 2]}
    assert result.is_error
