"""Agents without an address as processes of their own, before a real gateway: they come, answer, go and are killed."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from policies.identity.dev_issuer.secret import agent_credentials
from tests.support.served import PEOPLE, POLICIES, Served, interchange, served_gateway

AGENTS = """
[agents.greeter]
client_ids = ["greeter-client"]
domain = "tests"
[agents.loner]
client_ids = ["loner-client"]
domain = "tests"
"""
USES = """
@id("testers-talk-to-the-greeter")
permit(principal in Group::"testers", action == Action::"message", resource == Agent::"greeter");
"""
GREETER = Path(__file__).parent / "greeter.py"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    with served_gateway(tmp_path_factory.mktemp("gateway"), people=PEOPLE + AGENTS, policies=POLICIES + USES) as served:
        yield served


@contextmanager
def greeter(
    gateway: Served, *, grace: float = 10.0, client: str = "greeter-client"
) -> Generator["subprocess.Popen[str]"]:
    """The agent, attached."""
    environment = {**os.environ, **agent_credentials(gateway.state, client)}
    with subprocess.Popen(
        [sys.executable, str(GREETER), gateway.url, str(grace)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def next_line(process: "subprocess.Popen[str]") -> str:
    line = process.stdout.readline() if process.stdout else ""
    if not line:
        pytest.fail(process.communicate()[1])
    return line.rstrip("\n")


class Asked(threading.Thread):
    """Somebody who says something to the greeter and waits for the answer."""

    def __init__(self, gateway: Served, text: str) -> None:
        super().__init__(daemon=True)
        self._gateway = gateway
        self._text = text
        self._answer: dict[str, Any] = {}
        self.start()

    def run(self) -> None:
        token = self._gateway.token("tester")
        self._answer = self._gateway.call("greeter", {"message": self._text}, token=token).json()

    def answer(self) -> str:
        """What came of it."""
        self.join(30)
        assert not self.is_alive(), "no answer"
        result = self._answer.get("result", {})
        return str(result.get("structuredContent", {}).get("text") or result.get("content") or self._answer)


def until(is_true: Callable[[], bool]) -> None:
    ends_at = time.monotonic() + 20
    while not is_true():
        assert time.monotonic() < ends_at, "it did not become true"
        time.sleep(0.05)


def test_an_agent_needs_no_address(gateway: Served) -> None:
    with greeter(gateway) as process:
        assert next_line(process) == "attached greeter"
        assert Asked(gateway, "hello").answer() == f"{process.pid}: hello"
        shown = interchange(gateway, "registry", "show", "greeter")
        assert "mailbox" in shown.stdout, shown.stderr
        process.terminate()
        _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (0, "")


def test_what_a_killed_process_had_goes_to_another_at_once(gateway: Served, tmp_path: Path) -> None:
    file = tmp_path / "go"
    with greeter(gateway) as one:
        assert next_line(one) == "attached greeter"
        asked = Asked(gateway, f"wait {file}")
        assert next_line(one).startswith("begun")
        with greeter(gateway) as other:
            assert next_line(other) == "attached greeter"
            one.send_signal(signal.SIGKILL)
            killed_at = time.monotonic()
            assert next_line(other).startswith("begun")
            assert time.monotonic() - killed_at < 5, "long before its lease would have ended"
            file.touch()
            assert asked.answer() == f"{other.pid}: wait"


def test_a_process_that_is_told_to_stop_finishes_what_it_has(gateway: Served, tmp_path: Path) -> None:
    file = tmp_path / "go"
    with greeter(gateway) as process:
        assert next_line(process) == "attached greeter"
        asked = Asked(gateway, f"wait {file}")
        assert next_line(process).startswith("begun")
        process.terminate()
        file.touch()
        assert asked.answer() == f"{process.pid}: wait"
        _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (0, "")


def test_a_process_that_is_told_to_stop_hands_back_what_takes_too_long(gateway: Served, tmp_path: Path) -> None:
    file = tmp_path / "go"
    with greeter(gateway, grace=0.1) as one:
        assert next_line(one) == "attached greeter"
        asked = Asked(gateway, f"wait {file}")
        assert next_line(one).startswith("begun")
        with greeter(gateway) as other:
            assert next_line(other) == "attached greeter"
            one.terminate()
            assert next_line(other).startswith("begun")
            file.touch()
            assert asked.answer() == f"{other.pid}: wait"
            assert one.wait(30) == 0


def test_turns_wait_for_an_agent_that_is_away(gateway: Served) -> None:
    asked = Asked(gateway, "hello")
    with greeter(gateway) as process:
        assert next_line(process) == "attached greeter"
        assert asked.answer() == f"{process.pid}: hello"


def test_a_client_that_is_another_agents_ends_the_process_with_the_reason(gateway: Served) -> None:
    with greeter(gateway, client="loner-client") as process:
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert errors.endswith("This credential is agent loner's, and the manifest is about greeter.\n")
