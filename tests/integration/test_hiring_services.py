"""The demo's services as processes, without a gateway: ready in one line, healthy, reflecting, and gone when told."""

import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

EXAMPLE = Path(__file__).parents[2] / "examples" / "hiring"
SERVICES = {"candidates": "hiring.v1.Candidates", "outreach": "hiring.v1.Outreach"}


@contextmanager
def running(name: str) -> Generator["subprocess.Popen[str]"]:
    command = [sys.executable, str(EXAMPLE / f"{name}.py"), "--listen", "127.0.0.1:0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def address(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    word, address = process.stdout.readline().split()
    assert word == "listening"
    return address


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_says_where_it_listens_answers_and_ends_when_told(name: str) -> None:
    with running(name) as process, grpc.insecure_channel(address(process)) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        answer = health.Check(health_pb2.HealthCheckRequest(service=SERVICES[name]), timeout=5)
        listed = ProtoReflectionDescriptorDatabase(channel).get_services()

        assert answer.status == health_pb2.HealthCheckResponse.SERVING
        assert SERVICES[name] in listed
        process.terminate()
        assert process.wait(timeout=30) == 0


def test_the_pool_is_the_same_in_every_process() -> None:
    script = """
import hashlib
from profiles import all_profiles
pool = all_profiles().values()
print(len(pool), hashlib.sha256(b"".join(each.SerializeToString(deterministic=True) for each in pool)).hexdigest())
"""
    first, second = (subprocess.check_output([sys.executable, "-c", script], cwd=EXAMPLE, text=True) for _ in range(2))

    assert first == second
    assert first.startswith("2000 ")
