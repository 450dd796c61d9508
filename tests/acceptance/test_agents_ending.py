"""What ends an answer from outside: other policies, another catalog, the end of the gateway. Its caller is told."""

import signal
import sqlite3
import threading
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from interchange.v1 import registry_pb2

from tests.support.agents import (
    Agents,
    Audit,
    Door,
    end_of,
    held,
    operators_desk,
    publish_as_operator,
    result_of,
    state_of,
    text,
    words_of,
)
from tests.support.odd_agent import OddAgent, eventually, odd_agent
from tests.support.office import POLICIES, office
from tests.support.served import Served

REJECTED, CANCELED = "TASK_STATE_REJECTED", "TASK_STATE_CANCELED"
NOT_USERS = '\n@id("nobody") forbid (principal == Person::"ada", action in Action::"use", resource);\n'
NOT_CLERKS = '\n@id("no-clerks") forbid (principal == Agent::"clerk", action in Action::"use", resource);\n'


@pytest.fixture(scope="module")
def odd() -> Generator[OddAgent]:
    with odd_agent() as agent:
        yield agent


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("gateway")


@pytest.fixture(scope="module")
def gateway(odd: OddAgent, folder: Path) -> Generator[Served]:
    with office(folder) as served:
        publish_as_operator(served, {"name": "oddity", "domain": "office"}, odd.target)
        yield served


@pytest.fixture(autouse=True)
def afresh(odd: OddAgent) -> None:
    odd.forget()


@pytest.fixture
def policies(gateway: Served, folder: Path) -> Generator["Policies"]:
    """The policies of the gateway; those of before come back after the test."""
    changing = Policies(gateway, folder)
    yield changing
    changing.load(POLICIES)


class Policies:
    """The folder of policies of a running gateway."""

    def __init__(self, served: Served, folder: Path) -> None:
        self._served = served
        self._folder = folder

    def load(self, policies: str) -> None:
        """Write them, send the signal and wait until they are in force."""
        before = self._served.log().count("were reloaded")
        (self._folder / "policies" / "tests.cedar").write_text(policies)
        self._served.process.send_signal(signal.SIGHUP)
        eventually(lambda: self._served.log().count("were reloaded") > before, "the policies were not reloaded")


def door(gateway: Served, persona: str) -> Door:
    return Door(gateway.url, gateway.token(persona))


def reason_of(events: Sequence[Mapping[str, Any]]) -> str:
    """Why a stream ended: its turn did, or nothing more may be told of it."""
    last = events[-1]
    if "error" in last:
        return last["error"]["message"]
    assert end_of(events)[:2] == (REJECTED, "denied")
    return end_of(events)[2]


def test_a_stream_that_is_no_longer_allowed_ends_with_the_reason(
    gateway: Served, odd: OddAgent, policies: Policies
) -> None:
    audit = Audit(gateway.state)
    with (
        door(gateway, "ada").streaming("oddity", text("tick")) as of_ada,
        door(gateway, "bob").streaming("oddity", text("tick")) as of_bob,
    ):
        of_ada.first()
        of_bob.first()
        policies.load(POLICIES + NOT_USERS)
        assert reason_of(list(of_ada)).startswith("It was ended, because it is no longer allowed")
        assert odd.cancelled.acquire(timeout=10)
        assert not odd.cancelled.acquire(blocking=False), "the turn of somebody else was ended"
        policies.load(POLICIES)
    calls = {entry["call"] for entry in audit.decisions(until=2, target="agent:oddity", verdict="allow")}
    assert sorted(audit.outcome(call) for call in calls) == ["cancelled", "denied"]
    (task,) = door(gateway, "ada").tasks("oddity", pageSize=1)
    assert state_of(task)[:2] == (REJECTED, "denied")
    assert door(gateway, "bob").cancel_all("oddity") == 1
    assert odd.cancelled.acquire(timeout=10)


def test_a_message_that_is_no_longer_allowed_ends_with_the_reason(
    gateway: Served, odd: OddAgent, policies: Policies
) -> None:
    answers: list[tuple[str, str, str]] = []
    sender = door(gateway, "ada")
    thread = threading.Thread(target=lambda: answers.append(state_of(result_of(sender.send("oddity", text("hang"))))))
    thread.start()
    assert odd.begun.acquire(timeout=10)
    policies.load(POLICIES + NOT_USERS)
    thread.join()
    assert answers[0][:2] == (REJECTED, "denied")
    assert odd.cancelled.acquire(timeout=10)


def test_policies_that_allow_it_still_leave_a_stream_alone(gateway: Served, odd: OddAgent, policies: Policies) -> None:
    with door(gateway, "ada").streaming("oddity", text("tick")) as events:
        events.first()
        policies.load(POLICIES + '\n@id("other") forbid (principal == Person::"eve", action, resource);\n')
        policies.load(POLICIES)
        assert not odd.cancelled.acquire(blocking=False)
        assert door(gateway, "ada").cancel_all("oddity") == 1
        assert end_of(list(events))[0] == CANCELED
    assert odd.cancelled.acquire(timeout=10)


def test_a_turn_ends_for_all_when_a_link_in_its_chain_may_no_longer(
    gateway: Served, odd: OddAgent, policies: Policies
) -> None:
    """Ada asks the clerk, the clerk asks the agent; then the clerk may no longer."""
    with Agents(gateway).alive() as agents:
        agents.join("clerk")
        with held(agents, "clerk", token=gateway.token("ada")) as turn:
            asking = Door(gateway.url, agents.token("clerk"), {"ix-turn-token": turn.token})
            with asking.streaming("oddity", text("tick")) as events:
                events.first()
                policies.load(POLICIES + NOT_CLERKS)
                assert reason_of(list(events)).startswith("It was ended, because it is no longer allowed")
            assert odd.cancelled.acquire(timeout=10)
            assert words_of(turn.let_go()) == "held"  # for Ada may still ask the clerk


@pytest.mark.parametrize("alone", [True, False])
def test_an_agent_that_is_retired_in_the_middle_of_its_answer_is_cut_short(
    gateway: Served, odd: OddAgent, *, alone: bool
) -> None:
    """Whether the address where it listens is its own or another agent's too."""
    with odd_agent() as other:
        retire_in_the_middle(gateway, other if alone else odd)


def retire_in_the_middle(gateway: Served, odd: OddAgent) -> None:
    publish_as_operator(gateway, {"name": "deputy", "domain": "office"}, odd.target)
    with door(gateway, "ada").streaming("deputy", text("tick")) as events:
        events.first()
        with operators_desk(gateway) as ask:
            ask("Retire", registry_pb2.RetireRequest(name="deputy", reason="It is not needed."))
        assert reason_of(list(events)).startswith("It was ended, because it is no longer allowed")
    assert odd.cancelled.acquire(timeout=10)
    assert door(gateway, "ada").send("deputy", text("hello")).status_code == 404


def test_an_agent_that_is_bound_elsewhere_finishes_what_it_has_begun(gateway: Served, odd: OddAgent) -> None:
    publish_as_operator(gateway, {"name": "clerk", "domain": "office"}, odd.target)
    with odd_agent() as other, door(gateway, "ada").streaming("clerk", text("tick")) as events:
        events.first()
        publish_as_operator(gateway, {"name": "clerk", "domain": "office"}, other.target)
        assert words_of(door(gateway, "ada").send("clerk", text("hello"))) == "hello"
        assert len(other.turns) == 1
        assert not odd.cancelled.acquire(blocking=False)
        assert door(gateway, "ada").cancel_all("clerk") == 1
        assert end_of(list(events))[0] == CANCELED
    assert odd.cancelled.acquire(timeout=10)


def test_a_gateway_that_stops_says_so_and_gives_its_turns_back(odd: OddAgent, tmp_path: Path) -> None:
    with office(tmp_path) as served:
        publish_as_operator(served, {"name": "oddity", "domain": "office"}, odd.target)
        ada, answers = door(served, "ada"), list[dict[str, Any]]()
        thread = threading.Thread(target=lambda: answers.append(ada.send("oddity", text("hang")).json()))
        with ada.streaming("oddity", text("tick")) as events:
            events.first()
            thread.start()
            assert odd.begun.acquire(timeout=10)
            assert odd.begun.acquire(timeout=10)
            served.process.send_signal(signal.SIGTERM)
            told = list(events)
        thread.join()
        assert told[-1]["error"]["message"].startswith("The gateway is stopping; what was asked goes on")
        assert answers[0]["result"]["task"]["status"]["state"] == "TASK_STATE_WORKING"
        assert odd.cancelled.acquire(timeout=10)
        assert odd.cancelled.acquire(timeout=10)
        assert served.process.wait(10) == 0
        assert "Traceback" not in served.log()
    assert states_in(served.state / "log.db") == {"queued"}


def states_in(log: Path) -> set[str]:
    """What the turns of a log are by now."""
    with closing(sqlite3.connect(log)) as connection:
        return {state for (state,) in connection.execute("SELECT state FROM turn")}


def test_what_ends_in_time_is_not_cut_short_by_the_end_of_the_gateway(tmp_path: Path) -> None:
    with office(tmp_path) as served, Agents(served).alive() as agents:
        agents.join("clerk")
        with held(agents, "clerk", token=served.token("ada")) as turn:
            served.process.send_signal(signal.SIGTERM)
            assert words_of(turn.let_go()) == "held"
        assert served.process.wait(10) == 0
