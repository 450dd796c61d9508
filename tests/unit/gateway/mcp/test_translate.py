"""Between MCP's words and ours: parts, results and errors as they look on the wire."""

import base64
from typing import Any

import mcp.types as t
import pytest
from mcp.shared.exceptions import MCPError

from gateway.mcp.tools import read_cursor, write_cursor
from gateway.mcp.translate import write_error, write_part, write_result
from registry.model import (
    BadRequest,
    CallId,
    ClientOffer,
    Denied,
    FarSideError,
    FarSideFault,
    Fault,
    InputRequest,
    InvalidArguments,
    Part,
    Result,
    SkillId,
    Unknown,
)

MODERN, LEGACY = "2026-07-28", "2025-11-25"


@pytest.mark.parametrize(
    ("part", "block"),
    [
        (Part(text="hello"), {"type": "text", "text": "hello"}),
        (
            Part(raw=b"\x89PNG", media_type="image/png"),
            {"type": "image", "data": base64.b64encode(b"\x89PNG").decode(), "mimeType": "image/png"},
        ),
        (
            Part(raw=b"RIFF", media_type="audio/wav"),
            {"type": "audio", "data": base64.b64encode(b"RIFF").decode(), "mimeType": "audio/wav"},
        ),
        (
            Part(text="row", media_type="text/csv", metadata={"uri": "db://t"}),
            {"type": "resource", "resource": {"uri": "db://t", "mimeType": "text/csv", "text": "row"}},
        ),
        (
            Part(raw=b"ab", media_type="application/zip", filename="a.zip"),
            {
                "type": "resource",
                "resource": {"uri": "interchange:part/a.zip", "mimeType": "application/zip", "blob": "YWI="},
            },
        ),
        (
            Part(url="https://x/y", filename="y", media_type="text/plain"),
            {"type": "resource_link", "uri": "https://x/y", "name": "y", "mimeType": "text/plain"},
        ),
        (Part(data={"a": [1]}), {"type": "text", "text": '{"a":[1]}'}),
    ],
)
def test_a_part_becomes_the_block_of_its_kind(part: Part, block: dict[str, Any]) -> None:
    assert write_part(part) == block


def test_a_structured_result_is_said_twice_as_data_and_as_text() -> None:
    answer = write_result(Result(structured={"n": 1}, text='{"n":1}'), offer=ClientOffer(), version=MODERN)
    assert answer["structuredContent"] == {"n": 1}
    assert answer["content"] == [{"type": "text", "text": '{"n":1}'}]


def test_structured_content_that_is_no_object_is_kept_from_older_revisions() -> None:
    result = Result(structured=[1], parts=(Part(text="one"),))
    assert "structuredContent" not in write_result(result, offer=ClientOffer(), version=LEGACY)
    assert write_result(result, offer=ClientOffer(), version=MODERN)["structuredContent"] == [1]


def test_a_question_the_client_cannot_answer_names_the_capability_it_lacks() -> None:
    asking = Result(input_requests=(InputRequest(key="k", kind="sampling", body={}),))
    with pytest.raises(MCPError) as caught:
        write_result(asking, offer=ClientOffer(elicitation=True), version=MODERN)
    assert caught.value.error.code == t.MISSING_REQUIRED_CLIENT_CAPABILITY
    assert caught.value.error.data == {"requiredCapabilities": {"sampling": {}}}


def test_a_question_the_client_can_answer_is_passed_on_with_its_state() -> None:
    question = InputRequest(key="k", kind="elicitation", body={"text": "Sure?"})
    answer = write_result(
        Result(input_requests=(question,), request_state=b"\x00s"), offer=ClientOffer(elicitation=True), version=MODERN
    )
    assert answer["resultType"] == "input_required"
    assert answer["inputRequests"]["k"]["params"]["message"] == "Sure?"
    assert base64.b64decode(answer["requestState"]) == b"\x00s"


def test_wrong_arguments_are_a_result_that_a_model_can_mend() -> None:
    answer = write_error(InvalidArguments([Fault("/limit", "expected an integer, found a string")]))
    assert answer["isError"] is True
    assert "/limit: expected an integer" in answer["content"][0]["text"]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Unknown("There is no skill named 'x'."), t.INVALID_PARAMS),
        (BadRequest("Invalid cursor"), t.INVALID_PARAMS),
        (FarSideError("The service failed.", fault=FarSideFault.BROKEN), t.INTERNAL_ERROR),
    ],
)
def test_what_is_the_protocols_business_is_a_protocol_error(error: Any, code: int) -> None:
    with pytest.raises(MCPError) as caught:
        write_error(error)
    assert caught.value.error.code == code


def test_what_is_withheld_can_be_found_by_its_call() -> None:
    with pytest.raises(MCPError) as caught:
        write_error(FarSideError("The service failed.", fault=FarSideFault.BROKEN), call=CallId("c-1"))
    assert caught.value.error.message == "The service failed. It is call c-1."
    assert caught.value.error.data == {"interchange/call": "c-1"}


def test_a_denial_is_a_result_that_says_why() -> None:
    answer = write_error(Denied("outreach.send needs somebody's approval", policies=["destructive"]))
    assert answer["content"][0]["text"] == "outreach.send needs somebody's approval"
    assert answer["_meta"]["interchange/error"] == "denied"


def test_whether_to_try_again_is_told() -> None:
    error = FarSideError("It is down.", fault=FarSideFault.UNAVAILABLE, retryable=True, retry_after=2.0)
    assert write_error(error)["_meta"] == {
        "interchange/error": "far_side",
        "interchange/retryable": True,
        "interchange/retryAfter": 2.0,
    }


def test_a_cursor_leads_back_to_its_skill() -> None:
    assert read_cursor(write_cursor(SkillId("candidates.search"))) == "candidates.search"


@pytest.mark.parametrize("cursor", ["!", "abc", "////", "\x00", "é"])
def test_a_cursor_of_somebody_else_is_refused(cursor: str) -> None:
    with pytest.raises(BadRequest, match="Invalid cursor"):
        read_cursor(cursor)


@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "not a url \0", ""])
def test_a_link_that_nobody_should_follow_is_shown_as_text(url: str) -> None:
    block = write_part(Part(url=url, filename="x"))
    assert block["type"] == "text"
    assert "\0" not in block["text"]


@pytest.mark.parametrize("media_type", ["image/png\r\nX: y", "image", "<b>/x", "image/" + "x" * 200])
def test_a_media_type_that_is_none_is_not_passed_on(media_type: str) -> None:
    block = write_part(Part(raw=b"x", media_type=media_type))
    assert block["type"] == "resource"
    assert block["resource"]["mimeType"] == "application/octet-stream"


def test_an_embedded_resource_has_a_uri_that_is_one() -> None:
    block = write_part(Part(text="x", metadata={"uri": "javascript:alert(1)"}))
    assert block == {"type": "text", "text": "x"}
