"""Real A2A clients against the running demo: each finds an agent by its card, trusts the signature, sends, streams, and
reads what went wrong by the protocol's own names."""

from typing import Any, Protocol

import httpx
import pytest

from tests.support.a2a_clients import A2A_CLIENTS, Report, Session, Step, Told, get, send, stream
from tests.support.demo import Demo

QUESTION = {"text": "Find senior Rust engineers in Dublin"}


def skill(name: str, **arguments: Any) -> dict[str, Any]:
    return {"data": {"skill": name, "arguments": arguments}}


SEARCH = skill("candidates.search", query="rust", limit=2)
MISFIT = skill("candidates.search", query=5)
SEND = skill("outreach.send", candidateId="c-0042", text="May we talk?")


class See(Protocol):
    async def __call__(self, persona: str, agent: str, *steps: Step) -> Report: ...


@pytest.fixture(params=A2A_CLIENTS)
def client(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def see(client: str, demo: Demo) -> See:
    async def run(persona: str, agent: str, *steps: Step) -> Report:
        base = httpx.URL(demo.mcp_url).join(f"/agents/{agent}")
        return await A2A_CLIENTS[client](Session(url=str(base), token=demo.tokens[persona]), steps)

    return run


async def test_a_card_is_found_and_its_signature_holds(see: See, client: str) -> None:
    report = await see("recruiter", "candidates")

    assert report.card["name"] == "Candidates"
    assert {skill["id"] for skill in report.card["skills"]} == {"candidates.search", "candidates.get"}
    assert report.speaks == {"JSON-RPC": "JSONRPC", "REST": "HTTP+JSON", "gRPC": "GRPC"}[client.split()[1]]
    assert report.verified


async def test_a_data_part_calls_a_skill_whether_sent_or_streamed(see: See) -> None:
    report = await see("recruiter", "candidates", send(SEARCH), stream(SEARCH))

    sent, streamed = report.answers
    assert sent.kinds == ["task"]
    assert sent.states == streamed.states[-1:] == ["TASK_STATE_COMPLETED"]
    assert len(sent.data["candidates"]) == 2
    assert sent.data["searchedBy"] == "recruiter"
    assert streamed.data == sent.data


async def test_what_is_streamed_is_what_is_sent(see: See) -> None:
    report = await see("recruiter", "assistant", send(QUESTION), stream(QUESTION))

    sent, streamed = report.answers
    assert sent.kinds == ["task"]
    assert "Dublin" in sent.text
    assert streamed.kinds[0] == "task"
    assert streamed.kinds[-1] == "statusUpdate"
    assert streamed.kinds.count("artifactUpdate") > 1
    assert streamed.text == sent.text


async def test_a_stream_works_until_it_completes(see: See) -> None:
    report = await see("recruiter", "assistant", stream(QUESTION))

    (streamed,) = report.answers
    *working, last = streamed.states
    assert set(working) == {"TASK_STATE_WORKING"}
    assert last == "TASK_STATE_COMPLETED"
    assert [bool(chunk.get("lastChunk")) for chunk in chunks(streamed)][-2:] == [False, True]


async def test_the_last_chunk_is_the_whole_answer_again(see: See) -> None:
    report = await see("recruiter", "assistant", stream(QUESTION))

    *pieces, whole = chunks(report.answers[0])
    assert not whole.get("append")
    assert text_of(whole) == "".join(map(text_of, pieces))


@pytest.mark.parametrize(
    ("agent", "step", "error"),
    [
        pytest.param("candidates", get("no-such-task"), "TaskNotFoundError", id="get"),
        pytest.param("candidates", send(SEARCH, version="9.9"), "VersionNotSupportedError", id="send 9.9"),
        pytest.param("candidates", stream(SEARCH, version="9.9"), "VersionNotSupportedError", id="stream 9.9"),
        pytest.param("candidates", send(MISFIT), "InvalidParamsError", id="send misfit"),
        pytest.param("candidates", stream(MISFIT), "InvalidParamsError", id="stream misfit"),
        pytest.param("candidates", send(QUESTION), "UnsupportedOperationError", id="send text"),
        pytest.param("candidates", stream(QUESTION), "UnsupportedOperationError", id="stream text"),
    ],
)
async def test_errors_come_by_their_names(see: See, agent: str, step: Step, error: str) -> None:
    report = await see("recruiter", agent, step)

    (told,) = report.answers
    assert told.events == ()
    assert told.error == error


async def test_an_error_says_what_to_do_instead(see: See) -> None:
    report = await see("recruiter", "candidates", send(MISFIT), send(QUESTION))

    misfit, text = report.answers
    assert "arguments.query" in misfit.message
    assert "candidates.search" in text.message


@pytest.mark.parametrize("ask", [send, stream])
async def test_what_needs_approval_is_a_rejected_task(see: See, ask: Any) -> None:
    report = await see("recruiter", "outreach", ask(SEND))

    (told,) = report.answers
    (status,) = told.statuses
    assert status["state"] == "TASK_STATE_REJECTED"
    assert "approval" in status["message"]["parts"][0]["text"]
    assert status["message"]["metadata"]["interchange/error"] == "needs_approval"


async def test_an_outsider_finds_no_agent_where_there_is_one(see: See) -> None:
    hidden = await see("outsider", "candidates", send(SEARCH))
    unknown = await see("outsider", "nobody", send(SEARCH))

    assert "404" in hidden.refused
    assert hidden.refused == unknown.refused.replace("nobody", "candidates")


def chunks(told: Told) -> list[Any]:
    return [event["artifactUpdate"] for event in told.events if "artifactUpdate" in event]


def text_of(chunk: Any) -> str:
    return "".join(part["text"] for part in chunk["artifact"]["parts"])
