"""`interchange agents serve …`: what somebody is told who mistyped it."""

import sys
from pathlib import Path

import pytest

from gateway.cli import main

AS = ["--agent", "scout", "--domain", "hiring"]
HERE = ["--gateway", "127.0.0.1:1"]


@pytest.fixture(autouse=True)
def somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty folder, the credential of an agent, and no gateway but the one that is named."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setenv("INTERCHANGE_CLIENT_ID", "scout")
    monkeypatch.setenv("INTERCHANGE_CLIENT_SECRET", "a-secret")
    monkeypatch.delenv("INTERCHANGE_URL", raising=False)


def told(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """The sentence that a command ends with."""
    assert main(["agents", "serve", *words]) == 1
    said = capsys.readouterr().err.splitlines()
    assert said[-1].startswith("interchange: ")
    return said[-1].removeprefix("interchange: ")


def test_the_gateway_must_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, "app:graph", *AS) == "Which gateway? Name its URL with --gateway, or in INTERCHANGE_URL."


@pytest.mark.parametrize("missing", ["INTERCHANGE_CLIENT_ID", "INTERCHANGE_CLIENT_SECRET"])
def test_an_agent_needs_a_credential(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.delenv(missing)
    said = told(capsys, "app:graph", *AS, *HERE)
    assert said.startswith("an agent needs a credential of its own: set INTERCHANGE_CLIENT_ID and INTERCHANGE_CLIENT_S")
    assert said.endswith('eval "$(interchange agents credentials NAME)"')


def test_a_credential_travels_only_encrypted(capsys: pytest.CaptureFixture[str]) -> None:
    said = told(capsys, "app:graph", *AS, "--gateway", "http://gateway.example.com")
    assert said.startswith("http://gateway.example.com must be https")


def test_a_host_that_is_not_this_machine_is_meant_by_https(capsys: pytest.CaptureFixture[str]) -> None:
    said = told(capsys, "no_such_module:graph", *AS, "--gateway", "gateway.example.com:8420")
    assert said.startswith("There is no module 'no_such_module'")


def test_the_gateway_may_stand_in_the_environment(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INTERCHANGE_URL", "127.0.0.1:1")
    assert told(capsys, "no_such_module:graph", *AS).startswith("There is no module 'no_such_module'")


@pytest.mark.parametrize(
    ("graph", "sentence"),
    [
        ("app", "'app' names no graph: write MODULE:ATTRIBUTE or FILE.py:ATTRIBUTE, as in app:graph."),
        ("nowhere.py:graph", "There is no file "),
        ("broken.py:graph", "/"),
        ("json:no_graph", "json has no 'no_graph'."),
        ("json:dumps", "dumps is a function that needs arguments; a compiled graph is expected"),
        ("json:__name__", "json:__name__: A compiled LangGraph graph is expected, not str."),
        (
            "langgraph.graph:MessagesState",
            "langgraph.graph:MessagesState: A compiled LangGraph graph is expected, not ",
        ),
    ],
)
def test_what_is_no_graph_is_said_to_be_none(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, graph: str, sentence: str
) -> None:
    (tmp_path / "broken.py").write_text("import no_such_package")
    assert told(capsys, graph, *AS, *HERE).startswith(sentence)


def test_an_address_that_is_none_is_said_to_be(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "silent.py").write_text(
        "from langgraph.graph import START, MessagesState, StateGraph\n"
        "builder = StateGraph(MessagesState)\n"
        "builder.add_node('n', lambda state: {})\n"
        "builder.add_edge(START, 'n')\n"
        "graph = builder.compile()\n"
    )
    assert "is not host:port" in told(capsys, "silent.py:graph", *AS, *HERE, "--listen", "nowhere")
