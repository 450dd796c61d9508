"""Parts as the content of LangChain's messages, and back."""

import base64
from typing import Any

import pytest
from interchange.v1 import agent_pb2
from interchange_client.agent import link, part
from interchange_client.langgraph_messages import read_content, read_messages, write_parts
from langchain_core.messages import AIMessage

PIXEL = b"\x89PNG"
BASE64 = base64.b64encode(PIXEL).decode()


@pytest.mark.parametrize(
    ("parts", "content"),
    [
        ([part("hello")], "hello"),
        ([part("one"), part("two")], "one\n\ntwo"),
        ([part("see"), part({"limit": 3, "words": ["é"]})], 'see\n\n{"limit": 3, "words": ["é"]}'),
        ([part(b"a,b", media_type="text/csv")], "a,b"),
        ([part(b"\x00", media_type="application/zip", filename="a.zip")], "[a.zip (application/zip)]"),
        ([link("https://x.test/page")], "[A file (of unknown type) https://x.test/page]"),
        (
            [part("what is this?"), part(PIXEL, media_type="image/png")],
            [
                {"type": "text", "text": "what is this?"},
                {"type": "image", "base64": BASE64, "mime_type": "image/png"},
            ],
        ),
        (
            [link("https://x.test/a.pdf", media_type="application/pdf")],
            [{"type": "file", "url": "https://x.test/a.pdf", "mime_type": "application/pdf"}],
        ),
    ],
)
def test_parts_become_what_models_read(parts: list[agent_pb2.Part], content: object) -> None:
    assert read_content(parts) == content


def test_only_this_agent_itself_is_the_ai_of_a_conversation() -> None:
    agent, service = agent_pb2.Principal.AGENT, agent_pb2.Principal.SERVICE
    senders = [(agent, "assistant"), (agent, "planner"), (service, "assistant")]
    said = [
        agent_pb2.Message(sender=agent_pb2.Principal(kind=kind, name=name), parts=[part("hello")])
        for kind, name in senders
    ]
    assert [message.type for message in read_messages(said, agent="assistant")] == ["ai", "human", "human"]


def test_a_message_without_content_is_left_out() -> None:
    assert read_messages([agent_pb2.Message(id="m-1")], agent="assistant") == []


def test_an_answer_is_its_text_and_what_it_shows() -> None:
    message = AIMessage(
        content=[
            {"type": "reasoning", "reasoning": "hm"},
            {"type": "text", "text": "Here "},
            {"type": "text", "text": "it is."},
            {"type": "image", "base64": BASE64, "mime_type": "image/png"},
            {"type": "file", "url": "https://x.test/a.pdf", "mime_type": "application/pdf"},
        ]
    )
    assert write_parts(message) == [
        part("Here it is."),
        part(PIXEL, media_type="image/png"),
        link("https://x.test/a.pdf", media_type="application/pdf"),
    ]


def test_a_call_of_a_tool_is_no_answer() -> None:
    call: Any = {"name": "search", "args": {}, "id": "1", "type": "tool_call"}
    assert write_parts(AIMessage("", tool_calls=[call])) == []
