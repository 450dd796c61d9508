"""`docs/agent-builder.md` is executed: its files are written, its commands run in order, in a folder of their own.

Only what installs is not (it would download): this environment has what that brings. The page's ports are replaced
by free ones.
"""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.demo import free_port

PAGE = (Path(__file__).parents[2] / "docs" / "agent-builder.md").read_text()
BLOCK = re.compile(r"^```(\w+)(?: (\w+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"(?://|#) (\S+\.(?:toml|cedar|py))\n")
LEADING = ("setup", "gateway", "credentials", "agent", "mcp", "card", "send")
SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Builder:
    """Somebody with the page and an empty folder."""

    folder: Path
    ports: tuple[str, str]

    def runs(self, block: str, *, fails: bool = False) -> str:
        """Run one block of the page, or a command, with the credentials that it exports; gives what is printed."""
        script = f"{self._credentials()}\n{commands().get(block, block)}"
        done = subprocess.run(
            ["bash", "-euc", script], cwd=self.folder, env=environment(), capture_output=True, text=True, check=False
        )
        assert done.returncode == (1 if fails else 0), done.stdout + done.stderr
        return done.stderr if fails else done.stdout

    @contextmanager
    def serves(self, block: str, *, until: str) -> Generator[list[str]]:
        """Run a block that goes on in the background, ended with the context; gives the lines up to the one with
        `until`."""
        command = f"{self._credentials(block)}\nexec {commands()[block].strip().removesuffix('&')}"
        errors = (self.folder / f"{block}.errors").open("w+")
        process = subprocess.Popen(
            ["bash", "-euc", command],
            cwd=self.folder,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        try:
            yield self._lines(process, until, errors.name)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=SECONDS)
            errors.close()

    def _lines(self, process: "subprocess.Popen[str]", until: str, errors: str) -> list[str]:
        lines: list[str] = []
        for line in process.stdout or ():
            lines.append(line.strip())
            if line.startswith(until):
                return lines
        pytest.fail(f"it ended: {lines}\n{Path(errors).read_text()}")

    def _credentials(self, block: str = "") -> str:
        return "" if block == "gateway" else commands()["credentials"]

    def writes(self) -> None:
        """Write the page's files, with ports that are free here."""
        http, grpc = self.ports
        for name, text in files().items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text.replace("8520", http).replace("8521", grpc))


def environment() -> dict[str, str]:
    """As the `setup` block leaves it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("INTERCHANGE_", "PYTHON"))}
    return {**kept, "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])}


def commands() -> dict[str, str]:
    """The page's shell blocks that have a name."""
    return {name: text for kind, name, text in BLOCK.findall(PAGE) if kind == "sh" and name}


def files() -> dict[str, str]:
    """The page's files: blocks that begin with a comment that is a path."""
    return {found[1]: text for _, _, text in BLOCK.findall(PAGE) if (found := FILE.match(text))}


@pytest.fixture
def builder(tmp_path: Path) -> Builder:
    return Builder(folder=tmp_path, ports=(str(free_port()), str(free_port())))


def test_the_page_has_what_this_test_runs() -> None:
    assert list(commands()) == [*LEADING, "extra", "graph", "titled", "waits", "approve"]
    assert list(files()) == ["interchange.toml", "directory.toml", "policies/office.cedar", "greeter.py", "graph.py"]


def test_the_page_leads_from_an_empty_folder_to_an_agent_that_answers(builder: Builder) -> None:
    builder.writes()
    with builder.serves("gateway", until="issuer"):
        with builder.serves("agent", until="attached") as lines:
            assert lines[-1] == "attached greeter"
            told = json.loads(builder.runs("mcp"))
            assert told["text"] == "Hello, ada! You said: Good morning"
            card = json.loads(builder.runs("card"))
            assert [skill["id"] for skill in card["skills"]] == ["converse"]
            assert card["signatures"]
            answer = json.loads(builder.runs("send"))
            assert answer["task"]["artifacts"][0]["parts"] == [{"text": "Hello, ada! You said: Good morning"}]
        with builder.serves("graph", until="published"):
            assert json.loads(builder.runs("mcp"))["text"] == "Good day! You said: Good morning"
        with builder.serves("titled", until="published"):
            assert "title: was Greeter, is The greeter" in builder.runs("waits")
            assert json.loads(builder.runs("card"))["name"] == "Greeter"
            by_ada = commands()["approve"].replace("grace", "ada")
            assert "may publish in the catalog or pin" in builder.runs(by_ada, fails=True)
            assert "Approved: greeter." in builder.runs("approve")
            assert json.loads(builder.runs("card"))["name"] == "The greeter"


def test_the_graph_of_the_page_runs_inside_the_gateway_too(builder: Builder) -> None:
    builder.writes()
    table = next(text for kind, _, text in BLOCK.findall(PAGE) if kind == "toml" and text.startswith("[graphs."))
    settings = builder.folder / "interchange.toml"
    settings.write_text(f"{settings.read_text()}\n{table}")
    with builder.serves("gateway", until="issuer"):
        assert json.loads(builder.runs("mcp"))["text"] == "Good day! You said: Good morning"


def test_the_graph_of_the_page_that_calls_skills_is_a_graph() -> None:
    code = next(text for kind, _, text in BLOCK.findall(PAGE) if kind == "python" and "ToolNode" in text)
    lines = [line for line in code.splitlines() if "init_chat_model" not in line]  # its package is not installed here
    assert len(lines) == len(code.splitlines()) - 2
    names: dict[str, Any] = {}
    exec("\n".join(lines), names)
    assert set(names["graph"].get_graph().nodes) == {"__start__", "think", "tools", "__end__"}
