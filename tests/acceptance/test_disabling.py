"""Somebody who is disabled in the directory of a running gateway: every door is shut, and what they had open ends."""

import json
import signal
import threading
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any, cast

import grpc
import httpx
import pytest
from interchange.v1 import registry_pb2, registry_pb2_grpc

from policies.identity.dev_issuer.secret import agent_credentials
from registry.model import InterchangeError
from tests.support.agents import Door, publish_as_operator, text
from tests.support.odd_agent import OddAgent, eventually, odd_agent
from tests.support.office import PEOPLE, POLICIES, office
from tests.support.served import VERSION, Served

NOT_ADA = PEOPLE.replace("[persons.ada]", "[persons.ada]\ndisabled = true")
NOT_THE_CLERK = PEOPLE.replace("[agents.clerk]", "[agents.clerk]\ndisabled = true")
ENDS_WITHIN = 2.0
LISTEN: dict[str, Any] = {
    "jsonrpc": "2.0",
    "id": 7,
    "method": "subscriptions/listen",
    "params": {
        "notifications": {"toolsListChanged": True},
        "_meta": {
            "io.modelcontextprotocol/protocolVersion": VERSION,
            "io.modelcontextprotocol/clientCapabilities": {},
            "io.modelcontextprotocol/clientInfo": {"name": "tests", "version": "1"},
        },
    },
}


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


@pytest.fixture
def directory(gateway: Served, folder: Path) -> Generator["Directory"]:
    """The directory of the gateway; that of before comes back after the test."""
    changing = Directory(gateway, folder)
    yield changing
    (folder / "policies" / "tests.cedar").write_text(POLICIES)
    changing.load(PEOPLE)


class Directory:
    """The directory file of a running gateway."""

    def __init__(self, served: Served, folder: Path) -> None:
        self._served = served
        self._folder = folder

    def load(self, people: str, *, until: str = "were reloaded") -> None:
        """Write it, send the signal and wait until the log says what came of it."""
        before = self._served.log().count(until)
        (self._folder / "directory.toml").write_text(people)
        self._served.process.send_signal(signal.SIGHUP)
        eventually(lambda: self._served.log().count(until) > before, f"the log does not say {until!r}")


def mcp(gateway: Served, token: str) -> httpx.Response:
    return gateway.call("nothing", {}, token=token)


def over_grpc(gateway: Served, token: str) -> grpc.StatusCode:
    with cast("Any", grpc).insecure_channel(gateway.grpc_address) as channel:
        stub: Any = registry_pb2_grpc.RegistryStub(channel)
        try:
            stub.List(registry_pb2.ListRequest(), metadata=(("authorization", f"Bearer {token}"),), timeout=10)
        except grpc.RpcError as error:
            return cast("Any", error).code()
    return grpc.StatusCode.OK


def test_a_token_that_held_is_refused_at_every_door_until_they_are_back(gateway: Served, directory: Directory) -> None:
    token = gateway.token("ada")
    assert mcp(gateway, token).status_code == 400
    assert over_grpc(gateway, token) is grpc.StatusCode.OK

    directory.load(NOT_ADA)
    refused = mcp(gateway, token)
    assert refused.status_code == 401
    assert 'error="invalid_token"' in refused.headers["www-authenticate"]
    assert "disabled" not in refused.text
    assert Door(gateway.url, token).send("oddity", text("hi")).status_code == 401
    assert over_grpc(gateway, token) is grpc.StatusCode.UNAUTHENTICATED
    with pytest.raises(InterchangeError):
        gateway.token("ada")
    assert mcp(gateway, gateway.token("bob")).status_code == 400

    directory.load(PEOPLE)
    assert mcp(gateway, token).status_code == 400
    assert over_grpc(gateway, token) is grpc.StatusCode.OK


def test_a_stream_of_theirs_ends_and_no_other(gateway: Served, odd: OddAgent, directory: Directory) -> None:
    odd.forget()
    of_ada, of_bob = Door(gateway.url, gateway.token("ada")), Door(gateway.url, gateway.token("bob"))
    with of_ada.streaming("oddity", text("tick")) as theirs, of_bob.streaming("oddity", text("tick")) as other:
        theirs.first()
        other.first()
        directory.load(NOT_ADA)
        begun = time.monotonic()
        list(theirs)
        assert time.monotonic() - begun < ENDS_WITHIN
        other.first()


def test_a_subscription_of_theirs_ends(gateway: Served, directory: Directory) -> None:
    headers = {
        "authorization": f"Bearer {gateway.token('ada')}",
        "accept": "application/json, text/event-stream",
        "mcp-protocol-version": VERSION,
        "mcp-method": "subscriptions/listen",
    }
    ended, opened = threading.Event(), threading.Event()

    def listen() -> None:
        with httpx.stream("POST", gateway.mcp_url, json=LISTEN, headers=headers, timeout=30) as answer:
            assert answer.status_code == 200, answer.read()
            for line in answer.iter_lines():
                if line.startswith("data:") and "acknowledged" in line:
                    opened.set()
                if line.startswith("data:") and json.loads(line[5:]).get("id") == LISTEN["id"]:
                    ended.set()

    thread = threading.Thread(target=listen)
    thread.start()
    assert opened.wait(10)
    directory.load(NOT_ADA)
    assert ended.wait(ENDS_WITHIN)
    thread.join()


def test_an_agent_that_is_disabled_is_shut_out_too(gateway: Served, directory: Directory) -> None:
    directory.load(NOT_THE_CLERK)
    answer = httpx.post(
        f"{gateway.issuer}/token",
        data={"grant_type": "client_credentials"},
        auth=("clerk", secret_of(gateway, "clerk")),
    )
    assert answer.status_code == 401

    directory.load(PEOPLE)
    answer = httpx.post(
        f"{gateway.issuer}/token",
        data={"grant_type": "client_credentials"},
        auth=("clerk", secret_of(gateway, "clerk")),
    )
    token = answer.json()["access_token"]
    assert mcp(gateway, token).status_code == 400
    directory.load(NOT_THE_CLERK)
    assert mcp(gateway, token).status_code == 401


def test_who_joins_the_directory_of_a_running_gateway_is_known(gateway: Served, directory: Directory) -> None:
    joined = '\n[persons.zoe]\ngroups = ["users"]\ndomain = "office"\n[agents.newcomer]\nclient_ids = ["newcomer"]\n'
    directory.load(PEOPLE + joined)
    assert mcp(gateway, gateway.token("zoe")).status_code == 400
    answer = httpx.post(
        f"{gateway.issuer}/token",
        data={"grant_type": "client_credentials"},
        auth=("newcomer", secret_of(gateway, "newcomer")),
    )
    assert mcp(gateway, answer.json()["access_token"]).status_code == 400


def test_a_mistake_in_the_directory_leaves_everything_as_it_was(
    gateway: Served, folder: Path, directory: Directory
) -> None:
    token = gateway.token("ada")
    (folder / "policies" / "tests.cedar").write_text('@id("nobody") forbid (principal, action, resource);')
    directory.load(NOT_ADA.replace("disabled = true", 'disabled = "maybe"'), until="were not reloaded")
    assert "[persons.ada]: disabled: expected true or false, found 'maybe'" in gateway.log()
    assert mcp(gateway, token).status_code == 400
    assert over_grpc(gateway, token) is grpc.StatusCode.OK


def test_a_mistake_in_a_policy_leaves_the_directory_as_it_was(
    gateway: Served, folder: Path, directory: Directory
) -> None:
    token = gateway.token("ada")
    (folder / "policies" / "tests.cedar").write_text("permit (principal, action, resourc);")
    directory.load(NOT_ADA, until="were not reloaded")
    assert mcp(gateway, token).status_code == 400


def secret_of(gateway: Served, client_id: str) -> str:
    return agent_credentials(gateway.state, client_id)["INTERCHANGE_CLIENT_SECRET"]
