"""Agents that attack the gateway: what they try beyond the end of a turn, and as others than themselves."""

import asyncio
import threading
from collections.abc import AsyncIterator, Generator
from concurrent.futures import Future
from dataclasses import dataclass

import httpx
import pytest
from interchange.v1 import agent_pb2
from interchange_client.agent import TurnInHand

from tests.support.agents import Agents, Door, HeldTurn, held, invoking, state_of, text
from tests.support.odd_service import Odd, odd_manifest, odd_service
from tests.support.office import office
from tests.support.served import Served, published


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Generator[Odd]:
    with odd_service(tmp_path_factory.mktemp("odd")) as service:
        yield service


@pytest.fixture(scope="module")
def gateway(odd: Odd, tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    folder = tmp_path_factory.mktemp("gateway")
    with office(folder) as served:
        published(served, odd_manifest(folder), odd.target)
        yield served


@pytest.fixture(scope="module")
def agents(gateway: Served) -> Generator[Agents]:
    with Agents(gateway).alive() as living:
        living.join("clerk")
        living.join("deputy")
        yield living


@pytest.fixture
def turn(agents: Agents, gateway: Served) -> Generator[HeldTurn]:
    """A turn that the clerk holds for Ada."""
    with held(agents, "clerk", token=gateway.token("ada")) as holding:
        yield holding


@dataclass(frozen=True, slots=True)
class Accomplice:
    """A turn that the deputy holds because the clerk asked it to, in a turn of its own."""

    turn: agent_pb2.Turn
    asked: "Future[httpx.Response]"
    cancelled: threading.Event


@pytest.fixture
def accomplice(agents: Agents, gateway: Served, turn: HeldTurn) -> Accomplice:
    taken: Future[agent_pb2.Turn] = Future()
    cancelled = threading.Event()

    async def hold(turn: TurnInHand) -> AsyncIterator[str]:
        taken.set_result(turn.turn)
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        yield "never"

    agents.answers["deputy"] = hold
    asked: Future[httpx.Response] = Future()
    door = Door(gateway.url, agents.token("clerk"), {"ix-turn-token": turn.token})
    threading.Thread(target=lambda: asked.set_result(door.send("deputy", text("Hold this for me")))).start()
    return Accomplice(taken.result(30), asked, cancelled)


def test_a_turn_that_was_opened_in_another_ends_with_it(
    gateway: Served, agents: Agents, turn: HeldTurn, accomplice: Accomplice
) -> None:
    in_ada_s_name = {"ix_turn_token": accomplice.turn.turn_token}
    assert gateway.call("odd_echo", {"text": "x"}, token=agents.token("deputy"), **in_ada_s_name).status_code == 200
    turn.let_go()
    state, code, _ = state_of(accomplice.asked.result(30).json()["result"]["task"])
    assert (state, code) == ("TASK_STATE_REJECTED", "denied")
    assert accomplice.cancelled.wait(30)
    assert gateway.call("odd_echo", {"text": "x"}, token=agents.token("deputy"), **in_ada_s_name).status_code == 401


def test_a_call_that_was_made_in_a_turn_ends_with_it(gateway: Served, agents: Agents, turn: HeldTurn, odd: Odd) -> None:
    answers: Future[httpx.Response] = Future()
    door = Door(gateway.url, agents.token("clerk"), {"ix-turn-token": turn.token})
    threading.Thread(target=lambda: answers.set_result(door.send("odd", invoking("odd.hang")))).start()
    assert odd.hanging.acquire(timeout=30)
    turn.let_go()
    state, code, said = state_of(answers.result(30).json()["result"]["task"])
    assert (state, code) == ("TASK_STATE_REJECTED", "denied")
    assert "over" in said
