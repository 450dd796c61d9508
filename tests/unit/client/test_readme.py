"""The page that a newcomer reads holds: its code runs and says what it says it does."""

import re
from pathlib import Path
from typing import Any

import interchange_client
import pytest
from google.protobuf.struct_pb2 import Value
from interchange.v1 import agent_pb2
from interchange_client.agent import DeferredTurn, SkillAnswer, TurnInHand, speak

from tests.support.client_turns import QuietGateway, in_hand, turn_of

PAGE = Path(interchange_client.__file__).parents[1] / "README.md"


def blocks() -> list[dict[str, Any]]:
    """What each Python block of the page defines."""
    defined: list[dict[str, Any]] = []
    for code in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL):
        names: dict[str, Any] = {"__name__": "readme", "TurnInHand": TurnInHand}
        exec(code, names)
        defined.append(names)
    return defined


async def test_the_first_agent_answers() -> None:
    events = [event async for event in speak(blocks()[0]["answer"], in_hand(turn_of("Good morning")))]

    assert events[-1].done.parts[0].text == "Hello, alice! You said: Good morning"


@pytest.mark.parametrize(
    ("asked", "kinds"),
    [
        ("please", ["status", "message", "artifact", "delta", "done"]),
        ("never", ["status", "message", "artifact", "delta", "failed"]),
    ],
)
async def test_the_second_agent_says_all_there_is_to_say(asked: str, kinds: list[str]) -> None:
    events = [event async for event in speak(blocks()[1]["report"], in_hand(turn_of(asked)))]

    assert [event.WhichOneof("event") for event in events] == kinds


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (SkillAnswer(structured={"total": 3}), "I found 3 people."),
        (SkillAnswer(text="Policy does not allow it.", is_error=True, code="denied"), "Policy does not allow it."),
    ],
)
async def test_the_third_agent_calls_a_skill(found: SkillAnswer, said: str) -> None:
    gateway = QuietGateway(found)
    events = [event async for event in speak(blocks()[2]["search"], in_hand(turn_of("rust"), gateway=gateway))]

    assert events[-1].done.parts[0].text == said
    assert gateway.asked == [("call", "candidates.search", {"query": "rust"}, "token-of-the-turn")]


async def test_the_fourth_agent_says_more_than_its_answer() -> None:
    gateway = QuietGateway(SkillAnswer(structured={"total": 3}))
    events = [event async for event in speak(blocks()[3]["research"], in_hand(turn_of("rust"), gateway=gateway))]

    assert events[-1].done.parts[0].text == "3 people, after 0 messages."
    assert [operation for operation, *_ in gateway.asked] == ["Append", "call", "Update", "Read"]


async def test_the_fifth_agent_asks_and_then_finishes_later() -> None:
    page = blocks()[4]
    answered = turn_of("Print it.", answers=[agent_pb2.Answer(question_id="colour", value=Value(string_value="red"))])
    asked = [event async for event in speak(page["print_it"], in_hand(turn_of("Print it.")))]
    later = [event async for event in speak(page["print_it"], in_hand(answered))]

    assert [event.WhichOneof("event") for event in (*asked, *later)] == ["question", "deferred"]
    assert DeferredTurn.read(page["jobs"]["t-1"]).token == "token-of-the-turn"
