"""The examiner on our own A2A face: everything that is offered is held, and a fault is caught as what it is.

The agent is one that answers in every way: it says something whole, then something in pieces, and makes an artifact.
"""

from collections.abc import AsyncIterator, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from interchange.v1 import agent_pb2
from interchange_client.agent import TurnInHand

from conformance.a2a.checks import PAPER
from conformance.runner import examine
from conformance.subject import Told
from conformance.verdict import Broke, Held, Unexamined
from conformance.wire import Wires
from tests.support.agents import Agents
from tests.support.demo import Demo
from tests.support.mutant_a2a import FAULTS
from tests.support.office import PEOPLE, POLICIES
from tests.support.served import Served, served_gateway

LEAST_HELD = 65


@dataclass(frozen=True, slots=True)
class Patient:
    """A gateway whose fault is what is written into a file."""

    served: Served
    fault: Path

    async def examined(self) -> dict[type, set[str]]:
        """What the examiner finds of it."""
        told = Told(url=f"{self.served.url}/agents/clerk", message="what there is")
        return await examined(told, token=self.served.token("ada"))


async def examined(told: Told, *, token: str) -> dict[type, set[str]]:
    """The requirements by what the examiner finds of them."""
    found: dict[type, set[str]] = {Held: set(), Broke: set(), Unexamined: set()}
    async for finding in examine(PAPER, told, wires=Wires(token=token, seconds=30), seconds=30):
        found.setdefault(type(finding.outcome), set()).add(finding.requirement.id)
    return found


async def answer(turn: TurnInHand) -> AsyncIterator[str | agent_pb2.TurnEvent]:
    said = agent_pb2.Message(parts=[agent_pb2.Part(text="Let me see.")])
    yield agent_pb2.TurnEvent(message=said)
    yield "There is "
    yield "this:"
    part = agent_pb2.Part(text=turn.text)
    yield agent_pb2.TurnEvent(artifact=agent_pb2.Artifact(id="this", parts=[part]))


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Generator[Patient]:
    folder = tmp_path_factory.mktemp("mutant")
    fault = folder / "fault"
    fault.write_text("")
    served = served_gateway(
        folder,
        people=PEOPLE,
        policies=POLICIES,
        program="tests.support.mutant_a2a",
        environment={"MUTANT_FILE": str(fault)},
    )
    with served as gateway, Agents(gateway).alive() as agents:
        agents.join("clerk")
        agents.answers["clerk"] = answer
        yield Patient(gateway, fault)


@pytest.mark.parametrize(
    ("agent", "said"),
    [
        ("assistant", {"message": "Find senior Rust engineers in Dublin"}),
        ("candidates", {"data": {"skill": "candidates.search", "arguments": {"query": "rust"}}}),
    ],
)
async def test_what_the_demo_offers_is_held(demo: Demo, agent: str, said: dict[str, Any]) -> None:
    url = f"{demo.mcp_url.removesuffix('/mcp')}/agents/{agent}"
    found = await examined(Told(url=url, **said), token=demo.tokens["recruiter"])
    assert found[Broke] == set()
    assert found[Unexamined] == set()
    assert len(found[Held]) >= LEAST_HELD


async def test_without_a_fault_everything_that_is_offered_is_held(patient: Patient) -> None:
    patient.fault.write_text("")
    found = await patient.examined()
    assert found[Broke] == set()
    assert found[Unexamined] == set()
    assert len(found[Held]) >= LEAST_HELD


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_is_found_as_what_it_is(patient: Patient, fault: str) -> None:
    patient.fault.write_text(fault)
    found = await patient.examined()
    assert found[Broke] == {FAULTS[fault]}
    assert found[Unexamined] == set()
