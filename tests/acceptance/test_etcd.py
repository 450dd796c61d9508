"""etcd, which nobody here wrote: imported by descriptor set with an overlay, bound, and called through MCP."""

import base64
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.support.clients import Session, Step, python_client
from tests.support.etcd import AbsentError, etcd_descriptors, etcd_program, running_etcd
from tests.support.served import Served, served_gateway

OVERLAY = Path(__file__).parents[2] / "examples" / "etcd" / "overlay.yaml"
PEOPLE = """
[persons.tester]
groups = ["testers"]
[persons.reader]
groups = ["readers"]
[persons.operator]
groups = ["operators"]
"""
POLICIES = """
@id("testers-use-etcd")
permit(principal in Group::"testers", action in Action::"use", resource in Agent::"etcd");
@id("readers-read-etcd")
permit(principal in Group::"readers", action in Action::"use", resource == Skill::"etcd.range");
@id("operators-publish")
permit(principal in Group::"operators", action == Action::"publish", resource is Catalog);
"""


@pytest.fixture(scope="module")
def etcd(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    try:
        program = etcd_program()
    except AbsentError as reason:
        pytest.skip(f"etcd is absent: {reason}")
    with running_etcd(program, tmp_path_factory.mktemp("etcd") / "data") as target:
        yield target


@pytest.fixture(scope="module")
def gateway(etcd: str, tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    folder = tmp_path_factory.mktemp("etcd-gateway")
    with served_gateway(folder, people=PEOPLE, policies=POLICIES) as served:
        descriptors = etcd_descriptors(folder)
        command = [sys.executable, "-m", "gateway.cli", "registry", "import", str(descriptors)]
        command += ["--overlay", str(OVERLAY), "--target", etcd, "--foreign", "--gateway", served.grpc_address]
        command += ["--token", served.token("operator")]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        yield served


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


async def test_what_was_put_is_read_back(gateway: Served, tmp_path: Path) -> None:
    put = Step("etcd_put", {"key": encoded("greeting"), "value": encoded("hello")})
    read = Step("etcd_range", {"key": encoded("greeting")})

    session = Session(url=gateway.mcp_url, token=gateway.token("tester"), home=tmp_path)
    report = await python_client("auto")(session, (put, read))

    written, found = report.answers
    assert report.tools == {"etcd_put", "etcd_range"}
    assert not written.is_error, written.text
    assert [(kv["key"], kv["value"]) for kv in found.structured["kvs"]] == [(encoded("greeting"), encoded("hello"))]
    assert int(found.structured["count"]) == 1
    print(f"\n{put.tool}: {written.text}\n{read.tool}: {found.text}")  # shown by pytest -s


async def test_who_may_only_read_cannot_write(gateway: Served, tmp_path: Path) -> None:
    put = Step("etcd_put", {"key": encoded("greeting"), "value": encoded("no")})

    session = Session(url=gateway.mcp_url, token=gateway.token("reader"), home=tmp_path)
    report = await python_client("auto")(session, (put,))

    assert report.tools == {"etcd_range"}
    assert report.answers[0].refused


async def test_a_fault_is_named_by_its_place(gateway: Served, tmp_path: Path) -> None:
    session = Session(url=gateway.mcp_url, token=gateway.token("tester"), home=tmp_path)
    report = await python_client("auto")(session, (Step("etcd_range", {"key": "not base64!"}),))

    assert report.answers[0].is_error
    assert "/key" in report.answers[0].text
