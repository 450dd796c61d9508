"""`docs/service-owner.md` is executed: its files are written, its commands run in order, against the demo.

Only its `setup` block is not (it would download): the owner's project gets an environment with what `grpcio-tools`
brings and nothing of ours, linked from this one. The page's port is replaced by a free one.
"""

import importlib.util
import json
import os
import re
import socket
import subprocess
import sys
import venv
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import grpc
import pytest

from tests.support.demo import running_demo

PAGE = (Path(__file__).parents[2] / "docs" / "service-owner.md").read_text()
BLOCK = re.compile(r"^```(\w+)(?: (\w+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"(?://|#) (\S+\.(?:proto|py))\n")
PORT = "50051"
BROUGHT = ("grpc", "grpc_tools", "google", "typing_extensions")
"""What `pip install grpcio-tools` makes importable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Somebody with the page, an empty folder and a clone in which the demo runs."""

    folder: Path
    clone: Path
    port: str

    def runs(self, block: str, *, fails: bool = False) -> str:
        """Run one block of the page, or a command, and give back what is printed."""
        done = subprocess.run(
            ["bash", "-euc", commands().get(block, block).replace(PORT, self.port)],
            cwd=self.folder,
            env=self._environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == (1 if fails else 0), done.stdout + done.stderr
        return done.stderr if fails else done.stdout

    @contextmanager
    def serves(self) -> Generator[Path]:
        """Run the `serve` block in the background until the context ends; gives what the service prints."""
        command = f"exec {commands()['serve'].strip().removesuffix('&')}"
        printed = self.folder / "printed"
        with printed.open("w") as out:
            service = subprocess.Popen(["bash", "-c", command], cwd=self.folder, env=self._environment(), stdout=out)
        try:
            with grpc.insecure_channel(f"127.0.0.1:{self.port}") as channel:
                cast("Any", grpc).channel_ready_future(channel).result(20)
            yield printed
        finally:
            service.kill()
            service.wait()

    def _environment(self) -> dict[str, str]:
        """As the `setup` block leaves it."""
        path = [str(self.folder / ".venv" / "bin"), os.environ["PATH"], str(self.clone / ".venv" / "bin")]
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("INTERCHANGE_", "PYTHON"))}
        return {**kept, "PATH": os.pathsep.join(path), "CLONE": str(self.clone)}


def commands() -> dict[str, str]:
    """The page's shell blocks that have a name."""
    return {name: text for kind, name, text in BLOCK.findall(PAGE) if kind == "sh" and name}


def files() -> dict[str, str]:
    """The page's files: blocks that begin with a comment that is a path."""
    return {found[1]: text for _, _, text in BLOCK.findall(PAGE) if (found := FILE.match(text))}


@pytest.fixture
def owner(tmp_path: Path) -> Generator[Owner]:
    clone, folder = tmp_path / "clone", tmp_path / "notes"
    (clone / ".venv").mkdir(parents=True)
    (clone / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
    _own_environment(folder / ".venv")
    with running_demo(clone / "state" / "demo"):
        yield Owner(folder=folder, clone=clone, port=_free_port())


def _own_environment(folder: Path) -> None:
    """A virtual environment with protoc and gRPC, and nothing else."""
    venv.create(folder, symlinks=True)
    packages = next(folder.glob("lib/python*/site-packages"))
    for name in BROUGHT:
        spec = importlib.util.find_spec(name)
        assert spec is not None
        place = Path(spec.submodule_search_locations[0] if spec.submodule_search_locations else str(spec.origin))
        (packages / place.name).symlink_to(place)


def _free_port() -> str:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return str(taken.getsockname()[1])


def test_the_page_has_what_this_test_runs() -> None:
    assert list(commands()) == ["setup", "build", "generate", "serve", "publish", "call", "approve"]
    assert list(files()) == ["proto/notes/v1/notes.proto", "server.py"]
    assert "pip install grpcio-tools" in commands()["setup"]


def test_the_page_leads_from_an_empty_folder_to_a_call_and_to_a_changed_one(owner: Owner) -> None:
    owner.runs("! python -c 'import interchange'")  # or it would show nothing about a machine of its own
    for name, text in files().items():
        (owner.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (owner.folder / name).write_text(text.replace(PORT, owner.port))
    owner.runs("build")
    owner.runs("generate")
    with owner.serves() as printed:
        denied = commands()["publish"].replace("--as security", "--as recruiter")
        assert 'No policy permits person:recruiter to publish "catalog"' in owner.runs(denied, fails=True)
        shown = next(text for kind, _, text in BLOCK.findall(PAGE) if kind == "text")
        assert shown.replace(PORT, owner.port) in owner.runs("publish")
        assert json.loads(owner.runs("call")) == {"notes": ["Ada: strong in Rust"]}
        assert printed.read_text() == "manager looks for Rust\n"
        hidden = commands()["call"].replace("--as manager", "--as recruiter")
        assert "Unknown tool: notes.search" in owner.runs(hidden, fails=True)

        proto = owner.folder / "proto" / "notes" / "v1" / "notes.proto"
        proto.write_text(proto.read_text().replace("Find notes", "Search for notes"))
        owner.runs("build")
        assert "notes.search waits for approval; until then the live revision serves on." in owner.runs("publish")
        assert "Approved: notes.search." in owner.runs("approve")
        assert json.loads(owner.runs("call")) == {"notes": ["Ada: strong in Rust"]}

        registry = "interchange registry {} --state $CLONE/state/demo --as security"
        bound = owner.runs(registry.format(f"bind notes --target localhost:{PORT} --foreign"))
        assert f"to localhost:{owner.port}, foreign: sent no token and no ids" in bound
        hints = {row[0]: row[4] for line in owner.runs(registry.format("list")).splitlines() if (row := line.split())}
        assert (hints["notes.search"], hints["outreach.draft"]) == ("read-only,idempotent", "writes,idempotent")
        assert (hints["notes"], hints["outreach.send"]) == ("-", "destructive,approval-required")


def test_the_printed_line_makes_python_code_that_can_be_imported(owner: Owner) -> None:
    line = owner.runs("interchange protos third_party").split("it imports:\n\n")[1].splitlines()[0]
    proto = owner.folder / "proto" / "your" / "service.proto"
    proto.parent.mkdir(parents=True)
    proto.write_text(files()["proto/notes/v1/notes.proto"].replace("package notes.v1", "package your.v1"))
    owner.runs(line)
    assert "Notes" in owner.runs("python -c 'from your import service_pb2_grpc as made; print(made.NotesStub)'")
