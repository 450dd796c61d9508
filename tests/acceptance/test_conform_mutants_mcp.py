"""The examiner catches faults of our own MCP face, each as the requirement it breaks and no other."""

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import pytest

from conformance.mcp.checks import PAPER
from conformance.runner import examine
from conformance.subject import Told, ToolCall
from conformance.verdict import Broke, Unexamined
from conformance.wire import Wires
from tests.support.mutant_gateway import FAULTS
from tests.support.odd_service import odd_manifest, odd_service
from tests.support.served import Served, published, served_gateway

# What cannot be judged any more where something else is broken.
UNJUDGED = {"mcp.auth.issuer", "mcp.call.error-text", "mcp.call.structured-text"}


@dataclass(frozen=True, slots=True)
class Patient:
    """A gateway whose fault is what is written into a file."""

    served: Served
    fault: Path


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Generator[Patient]:
    folder = tmp_path_factory.mktemp("mutant")
    fault = folder / "fault"
    fault.write_text("")
    with (
        odd_service(tmp_path_factory.mktemp("odd")) as odd,
        served_gateway(
            folder, program="tests.support.mutant_gateway", environment={"MUTANT_FILE": str(fault)}
        ) as served,
    ):
        published(served, odd_manifest(folder), odd.target)
        yield Patient(served, fault)


async def broken(patient: Patient) -> set[str]:
    """What the examiner finds broken."""
    told = Told(url=patient.served.mcp_url, tool=ToolCall(name="odd_echo", arguments={"text": "hello"}))
    wires = Wires(token=patient.served.token("tester"), seconds=30)
    findings = [one async for one in examine(PAPER, told, wires=wires, seconds=30)]
    stuck = {one.requirement.id: one.outcome for one in findings if isinstance(one.outcome, Unexamined)}
    assert stuck.keys() <= UNJUDGED, stuck
    return {one.requirement.id for one in findings if isinstance(one.outcome, Broke)}


async def test_without_a_fault_nothing_is_broken(patient: Patient) -> None:
    patient.fault.write_text("")
    assert await broken(patient) == set()


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_is_found_as_what_it_is(patient: Patient, fault: str) -> None:
    patient.fault.write_text(fault)
    assert await broken(patient) == {FAULTS[fault]}
