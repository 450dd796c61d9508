"""`python -m interchange_client serve …`: the command that serves a graph, without anything of the gateway's."""

from pathlib import Path

import pytest
from interchange_client.__main__ import main

AS = ("--agent", "scout", "--domain", "hiring", "--gateway", "127.0.0.1:1")


@pytest.fixture(autouse=True)
def somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("INTERCHANGE_CLIENT_ID", "scout")
    monkeypatch.setenv("INTERCHANGE_CLIENT_SECRET", "a-secret")
    monkeypatch.delenv("INTERCHANGE_URL", raising=False)


def told(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """The one line that a command ends with."""
    assert main(["serve", *words]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    return said.removeprefix("interchange_client: ").rstrip("\n")


def test_a_graph_that_is_nowhere_is_told_of_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, "nowhere.py:graph", *AS).startswith("There is no file ")


def test_a_name_that_is_none_is_refused_first(capsys: pytest.CaptureFixture[str]) -> None:
    said = told(capsys, "nowhere.py:graph", "--agent", "Scout", *AS[2:])
    assert said == "an agent's name is 1 to 40 of a-z, 0-9 and _, which 'Scout' is not"


def test_the_gateway_must_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    said = told(capsys, "nowhere.py:graph", *AS[:4])
    assert said == "Which gateway? Name its URL with --gateway, or in INTERCHANGE_URL."


def test_help_tells_of_both_commands(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["serve", "--help"])
    assert ended.value.code == 0
    assert "python -m interchange_client serve" in " ".join(capsys.readouterr().out.split())
