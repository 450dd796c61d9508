"""The demo's processes, and the room it must have: nothing is started twice, and what breaks down comes back."""

import os
import signal
import socket
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from gateway.cli.demo_processes import agent_process
from gateway.cli.demo_room import room
from gateway.cli.ports import check_free, free_port
from registry.model import BadRequest, Refused

AGENT = """
import os, socket, sys
print("published agent", flush=True)
line = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
line.sendall(str(os.getpid()).encode())
line.recv(1)
"""


@pytest.fixture
def ear() -> Generator[socket.socket]:
    """Where an agent's process says who it is."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(30)
        yield listening


def heard(ear: socket.socket) -> int:
    """The next process that came."""
    line, _ = ear.accept()
    with line:
        line.settimeout(30)
        pid = int(line.recv(20))
        line.setblocking(True)
        os.kill(pid, signal.SIGKILL)
    return pid


def test_an_agent_that_is_killed_is_told_of_and_started_again(
    ear: socket.socket, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [sys.executable, "-c", AGENT, str(ear.getsockname()[1])]
    with agent_process("greeter", command, environment=os.environ, log=tmp_path / "log", pause=0.01) as agent:
        assert agent.is_published()
        assert heard(ear) != heard(ear)
    assert "greeter ended (signal 9), starting it again\n" in capsys.readouterr().err


def test_an_agent_that_never_was_published_is_not_tried_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [sys.executable, "-c", "import sys; sys.exit('no credential')"]
    with agent_process("greeter", command, environment=os.environ, log=tmp_path / "log", pause=0.01) as agent:
        assert not agent.is_published()
    assert (tmp_path / "log").read_text() == "no credential\n"
    assert capsys.readouterr().err == ""


def test_what_the_demo_stops_is_not_started_again(
    ear: socket.socket, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [sys.executable, "-c", AGENT, str(ear.getsockname()[1])]
    with agent_process("greeter", command, environment=os.environ, log=tmp_path / "log", pause=0.01) as agent:
        assert agent.is_published()
    assert capsys.readouterr().err == ""


def test_a_folder_has_room_for_one_demo(tmp_path: Path) -> None:
    with room(tmp_path, ports=()):
        with pytest.raises(Refused, match=rf"A demo already runs here \(process {os.getpid()}\): use it") as refused:
            room(tmp_path, ports=()).__enter__()
        assert "--state state/demo2" in refused.value.message
    with room(tmp_path, ports=()):
        pass


def test_a_port_has_room_for_one_demo(ear: socket.socket, tmp_path: Path) -> None:
    taken = ear.getsockname()[1]
    with pytest.raises(Refused, match=f"Cannot listen on 127.0.0.1:{taken}: .*--port 8430"):
        room(tmp_path, ports=(free_port(), taken)).__enter__()


def test_a_number_that_cannot_be_a_port_is_said() -> None:
    with pytest.raises(BadRequest, match="65536 cannot be a port"):
        check_free(65536, cure="")
