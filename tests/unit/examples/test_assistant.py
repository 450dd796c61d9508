"""The demo's assistant, played by its script: what it looks for, and what it says of what it found."""

import json
import sys
from collections.abc import Generator
from typing import Any

import pytest
from interchange.v1 import agent_pb2
from interchange_client.agent import speak, text_of
from interchange_client.gateway import SkillAnswer
from interchange_client.langgraph import answer_with
from interchange_client.langgraph_loading import load_graph

from tests.support.client_turns import in_hand, turn_of
from tests.support.graphs import HIRING, Shelf

ADA = {
    "id": "c-0042",
    "name": "Ada Byrne",
    "title": "Backend Engineer",
    "skills": ["rust", "grpc", "kafka", "redis"],
    "location": {"city": "Dublin", "country": "IE"},
}


@pytest.fixture(autouse=True)
def module(monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    """The assistant is loaded anew, without anybody's key."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    for key in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.delenv(key, raising=False)
    yield
    sys.modules.pop("assistant", None)


def found(*people: object, total: int | None = None) -> SkillAnswer:
    answer = {"candidates": people, "total": len(people) if total is None else total}
    return SkillAnswer(text=json.dumps(answer), structured=answer)


async def told(said: str, gateway: Shelf) -> list[agent_pb2.TurnEvent]:
    graph: Any = load_graph(f"{HIRING / 'assistant.py'}:graph")
    return [event async for event in speak(answer_with(graph), in_hand(turn_of(said), gateway=gateway))]


async def answered(said: str, gateway: Shelf) -> str:
    return text_of((await told(said, gateway))[-1].done.parts)


@pytest.mark.parametrize(
    ("said", "wish"),
    [
        (
            "Find senior rust engineers in Dublin",
            {
                "query": "rust engineers",
                "skills": ["rust"],
                "seniority": "SENIORITY_SENIOR",
                "location": {"city": "Dublin"},
            },
        ),
        ("Who in Lisbon knows Kafka?", {"query": "knows Kafka", "skills": ["kafka"], "location": {"city": "Lisbon"}}),
        ("show me c++ people, please!", {"query": "c++"}),
    ],
)
async def test_it_searches_for_whom_a_sentence_describes(said: str, wish: dict[str, Any]) -> None:
    gateway = Shelf(answer=found(ADA))
    await answered(said, gateway)
    assert gateway.asked[1:] == [("call", "candidates_search", {**wish, "limit": 5}, "token-of-the-turn")]


async def test_it_names_those_it_found_word_by_word() -> None:
    events = await told("find rust engineers", Shelf(answer=found(ADA, total=18)))
    person = "Ada Byrne (c-0042), Backend Engineer in Dublin: rust, grpc, kafka, redis"
    whole = f"I found 18 candidates, best matches first:\n\n- {person}"
    assert text_of(events[-1].done.parts) == whole
    pieces = [event.delta.part.text for event in events if event.WhichOneof("event") == "delta"]
    assert ("".join(pieces), len(pieces) > 10) == (whole, True)


async def test_it_says_when_there_is_nobody() -> None:
    assert await answered("find wizards", Shelf(answer=found())) == "I found nobody like that."


async def test_it_says_why_a_search_was_refused() -> None:
    refusal = SkillAnswer(text="Policy does not allow this.", is_error=True, code="denied")
    said = await answered("find rust engineers", Shelf(answer=refusal))
    assert said == "I could not search candidates: Policy does not allow this."


async def test_it_says_when_whoever_asks_may_not_search_at_all() -> None:
    said = await answered("find rust engineers", Shelf(offered=()))
    assert said == "I cannot search candidates for you: you are not allowed to."


@pytest.mark.parametrize("said", ["hello", "thanks!", "who are you?"])
async def test_it_asks_whom_to_look_for(said: str) -> None:
    gateway = Shelf()
    assert (await answered(said, gateway)).startswith("Whom are you looking for?")
    assert gateway.operations == ["skills"]


def test_with_a_key_and_without_the_package_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "a-key")
    chat_model: Any = load_graph(f"{HIRING / 'assistant.py'}:chat_model")

    def find_nothing(_: str) -> None: ...

    monkeypatch.setattr("importlib.util.find_spec", find_nothing)
    assert chat_model().model_dump()["name_of_model"] == "scripted-1"
    assert "`pip install langchain langchain-openai`. A script answers." in capsys.readouterr().err
