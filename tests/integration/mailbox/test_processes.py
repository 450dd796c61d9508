"""Agents without an address as processes of their own, before a real gateway: they come, answer, go and are killed."""

import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import httpx
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
    """What it says next; it does not say nothing for long."""
    timer = threading.Timer(30, process.kill)
    timer.start()
    line = process.stdout.readline() if process.stdout else ""
    timer.cancel()
    if not line:
        pytest.fail(process.communicate()[1])
    return line.rstrip("\n")


class Asked(threading.Thread):
    """Somebody who says something to the greeter over A2A, and waits for the answer."""

    def __init__(self, gateway: Served, text: str) -> None:
        super().__init__(daemon=True)
        self._url = f"{gateway.url}/agents/greeter/message:send"
        self._headers = {"authorization": f"Bearer {gateway.token('tester')}", "a2a-version": "1.0"}
        self._text = text
        self._answer = ""
        self.start()

    def run(self) -> None:
        message = {"messageId": str(uuid.uuid4()), "role": "ROLE_USER", "parts": [{"text": self._text}]}
        self._answer = httpx.post(self._url, json={"message": message}, headers=self._headers, timeout=60).text

    def answer(self) -> str:
        """What came of it, as it came."""
        self.join(60)
        assert not self.is_alive(), "no answer"
        return self._answer


def test_an_agent_needs_no_address(gateway: Served) -> None:
    with greeter(gateway) as process:
        assert next_line(process) == "attached greeter"
        assert f"{process.pid}: hello" in Asked(gateway, "hello").answer()
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
            assert f"{other.pid}: wait" in asked.answer()


def test_a_process_that_is_told_to_stop_finishes_what_it_has(gateway: Served, tmp_path: Path) -> None:
    file = tmp_path / "go"
    with greeter(gateway) as process:
        assert next_line(process) == "attached greeter"
        asked = Asked(gateway, f"wait {file}")
        assert next_line(process).startswith("begun")
        process.terminate()
        file.touch()
        assert f"{process.pid}: wait" in asked.answer()
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
            assert f"{other.pid}: wait" in asked.answer()
            assert one.wait(30) == 0


def test_turns_wait_for_an_agent_that_is_away(gateway: Served) -> None:
    asked = Asked(gateway, "hello")
    with greeter(gateway) as process:
        assert next_line(process) == "attached greeter"
        assert f"{process.pid}: hello" in asked.answer()


def test_a_client_that_is_another_agents_ends_the_process_with_the_reason(gateway: Served) -> None:
    with greeter(gateway, client="loner-client") as process:
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert errors.endswith("This credential is agent loner's, and the manifest is about greeter.\n")
