"""The authority that a turn runs on: decided again with every attempt, by the policies and the directory of then; and
nothing in the state folder that somebody could use who reads it.
"""

import signal
import sqlite3
import threading
import uuid
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, cast

import pytest

from tests.support.agents import Door, invoking, params, publish_as_operator, result_of, text
from tests.support.odd_agent import OddAgent, eventually, odd_agent
from tests.support.office import PEOPLE, POLICIES
from tests.support.served import Served, served_gateway

NOT_ADA = PEOPLE.replace("[persons.ada]", "[persons.ada]\ndisabled = true")
NOT_TO_ABSENT = """
@id("tests.not-to-absent")
forbid (principal == Person::"ada", action == Action::"message", resource == Agent::"absent");
"""
NOWHERE = "127.0.0.1:1"
PUSH = '[push]\nallowed_networks = ["127.0.0.0/8"]\n'
CANARY = "canary-4c1d7f"


@pytest.fixture(scope="module")
def odd() -> Generator[OddAgent]:
    with odd_agent() as agent:
        yield agent


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("gateway")


@pytest.fixture(scope="module")
def gateway(odd: OddAgent, folder: Path) -> Generator[Served]:
    with served_gateway(folder, people=PEOPLE, policies=POLICIES, settings=PUSH) as served:
        publish_as_operator(served, {"name": "oddity", "domain": "office"}, odd.target)
        publish_as_operator(served, {"name": "absent", "domain": "office"}, NOWHERE)
        yield served


@pytest.fixture
def rules(gateway: Served, folder: Path) -> Generator["Rules"]:
    """The directory and the policies of the gateway; those of before come back after the test."""
    changing = Rules(gateway, folder)
    yield changing
    changing.load()


class Rules:
    """What a running gateway judges by."""

    def __init__(self, served: Served, folder: Path) -> None:
        self._served = served
        self._folder = folder

    def load(self, *, people: str = PEOPLE, policies: str = POLICIES) -> None:
        """Write them, send the signal and wait until they are in force."""
        before = self._served.log().count("were reloaded")
        (self._folder / "directory.toml").write_text(people)
        (self._folder / "policies" / "tests.cedar").write_text(policies)
        self._served.process.send_signal(signal.SIGHUP)
        eventually(lambda: self._served.log().count("were reloaded") > before, "the log does not say so")


def waiting_turn(door: Door) -> str:
    """A task of an agent that is not there, which is tried again and again."""
    sent = door.rpc("absent", "SendMessage", {**params(text("hi")), "configuration": {"returnImmediately": True}})
    task = result_of(sent)
    assert task["status"]["state"] in {"TASK_STATE_SUBMITTED", "TASK_STATE_WORKING"}
    return task["id"]


def row_of(gateway: Served, turn: str) -> tuple[str, int]:
    """The state of a turn, and how often it was tried, as an operator finds them in the log's file."""
    log = sqlite3.connect(f"file:{gateway.state / 'log.db'}?mode=ro", uri=True)
    try:
        return log.execute("SELECT state, attempts FROM turn WHERE id = ?", (turn,)).fetchone()
    finally:
        log.close()


def test_a_turn_that_waits_is_rejected_once_a_policy_forbids_it(gateway: Served, rules: Rules) -> None:
    door = Door(gateway.url, gateway.token("ada"))
    task = waiting_turn(door)
    rules.load(policies=POLICIES + NOT_TO_ABSENT)
    eventually(lambda: row_of(gateway, task)[0] == "rejected", "the turn is not rejected")
    found = door.task("absent", task)
    assert found["status"]["state"] == "TASK_STATE_REJECTED"
    assert found["status"]["message"]["metadata"]["interchange/error"] == "denied"


def test_a_turn_of_somebody_who_was_disabled_is_rejected(gateway: Served, rules: Rules) -> None:
    task = waiting_turn(Door(gateway.url, gateway.token("ada")))
    rules.load(people=NOT_ADA)
    eventually(lambda: row_of(gateway, task)[0] == "rejected", "the turn is not rejected")
    rules.load()
    found = Door(gateway.url, gateway.token("ada")).task("absent", task)
    assert found["status"]["state"] == "TASK_STATE_REJECTED"


def test_a_turn_of_somebody_else_goes_on(gateway: Served, rules: Rules) -> None:
    task = waiting_turn(Door(gateway.url, gateway.token("bob")))
    rules.load(policies=POLICIES + NOT_TO_ABSENT)
    before = row_of(gateway, task)[1]
    eventually(lambda: row_of(gateway, task)[1] > before, "the turn is not tried again")
    assert row_of(gateway, task)[0] in {"queued", "working"}


class Listening(BaseHTTPRequestHandler):
    """A webhook that notes what it is told."""

    heard: list[dict[str, str]]

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        cast("Any", self.server).heard.append(dict(self.headers))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


@pytest.fixture
def webhook() -> Generator[Any]:
    server: Any = HTTPServer(("127.0.0.1", 0), Listening)
    server.heard = []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_neither_a_bearer_nor_a_credential_is_kept_anywhere(
    gateway: Served, odd: OddAgent, folder: Path, webhook: Any
) -> None:
    odd.forget()
    token = gateway.token("ada")
    door = Door(gateway.url, token)
    config = {
        "url": f"http://127.0.0.1:{webhook.server_port}/hook",
        "token": f"{CANARY}-token",
        "authentication": {"scheme": "Bearer", "credentials": f"{CANARY}-credentials"},
    }
    told = {**params(text("hello")), "configuration": {"taskPushNotificationConfig": config}}
    result_of(door.rpc("oddity", "SendMessage", told))
    eventually(lambda: bool(webhook.heard), "the webhook is told nothing")
    assert webhook.heard[0]["Authorization"] == f"Bearer {CANARY}-credentials"
    kept = {**params(text("hi")), "configuration": {"taskPushNotificationConfig": config, "returnImmediately": True}}
    result_of(door.rpc("absent", "SendMessage", kept))
    door.stream("oddity", text("count"))
    door.send("oddity", invoking("oddity.nothing"))

    secrets = [token, token.rpartition(".")[2], CANARY, *odd.tokens, *(turn.turn_token for turn in odd.turns)]
    secrets += [secret.rpartition(".")[2] for secret in secrets if secret.count(".") == 2]
    assert len(odd.turns) >= 2
    searched = 0
    for path in folder.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            searched += len(data)
            assert not [path.name for secret in secrets if secret.encode() in data]
    assert searched > 10_000
    assert not [secret for secret in secrets if secret in gateway.log()]


def test_an_id_of_somebody_else_looks_like_none(gateway: Served) -> None:
    mine, theirs = Door(gateway.url, gateway.token("ada")), Door(gateway.url, gateway.token("bob"))
    task = waiting_turn(mine)
    for method in ("GetTask", "CancelTask", "SubscribeToTask", "ListTaskPushNotificationConfigs"):
        key = "taskId" if method.startswith("List") else "id"
        other, unknown = str(uuid.uuid4()), theirs.rpc("absent", method, {key: task}).text
        assert unknown.replace(task, "…") == theirs.rpc("absent", method, {key: other}).text.replace(other, "…")
        assert "not" in unknown.lower()
    by_other_agent = mine.rpc("oddity", "GetTask", {"id": task}).json()
    assert by_other_agent["error"]["code"] == -32001
