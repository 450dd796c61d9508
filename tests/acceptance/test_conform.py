"""`interchange conform`: the command, on the demo and on mistakes of whoever types it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.demo import Demo

NEEDED = {"mcp.call.structured", "mcp.auth.altered-token", "mcp.listen.acknowledged", "mcp.headers.name-mismatch"}


def conform(*words: str, token: str = "") -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "gateway.cli", "conform", *words]
    environment = {**os.environ, "INTERCHANGE_TOKEN": token}
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=environment)


def test_the_demo_holds_everything_that_it_offers_over_mcp(demo: Demo, tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    token = demo.tokens["recruiter"]
    outcome = conform(demo.mcp_url, "--protocol", "mcp", "--strict", "--json", str(file), token=token)
    assert outcome.returncode == 0, outcome.stdout
    report = json.loads(file.read_text())
    held = {one["id"] for one in report["findings"] if one["outcome"] == "held"}
    assert report["counts"]["broke"] == report["counts"]["unexamined"] == 0
    assert held >= NEEDED
    assert len(held) >= 75
    assert "failure" not in outcome.stdout
    assert token not in outcome.stdout + file.read_text()


def test_the_endpoint_is_found_from_the_base_and_the_token_from_a_file(demo: Demo, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(demo.tokens["recruiter"] + "\n")
    base = demo.mcp_url.removesuffix("/mcp")
    outcome = conform(base, "--only", "mcp.tools.list", "--token-file", str(tmp_path / "token"), "--json", "-")
    assert outcome.returncode == 0
    assert [one["outcome"] for one in json.loads(outcome.stdout)["findings"]] == ["held"]


def test_without_a_token_the_report_says_how_to_give_one(demo: Demo) -> None:
    outcome = conform(demo.mcp_url.removesuffix("/mcp"))
    assert outcome.returncode == 0, outcome.stdout
    assert "BROKE" not in outcome.stdout
    assert "The server wants a token: give one by --token, --token-file or INTERCHANGE_TOKEN" in outcome.stdout
    assert outcome.stdout.count("wants a token: give a token by --token, --token-file or INTERCHANGE_TOKEN") == 1


def test_where_nobody_answers_nothing_is_passed() -> None:
    outcome = conform("http://127.0.0.1:1", "--only", "mcp.tools.list")
    assert outcome.returncode == 1
    assert "could not be" in outcome.stdout or "unexamined" in outcome.stdout


def test_that_nobody_answers_is_said_once() -> None:
    outcome = conform("127.0.0.1:1")
    assert outcome.returncode == 1
    assert outcome.stdout.startswith("Examined: http://127.0.0.1:1\n")
    assert outcome.stdout.count("All connection attempts failed") == 1


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["ftp://server.example"], "is not a URL of a server"),
        (["http://alice:secret@127.0.0.1:1"], "a name and a password is not taken"),
        (["http://server.example", "--token", "t"], "would travel in the clear"),
        (["http://127.0.0.1:1", "--token", "t", "--token-file", "f"], "give one of them"),
        (["http://127.0.0.1:1", "--token", "two words"], "not one word of ASCII"),
        (["http://127.0.0.1:1", "--token-file", "/nonexistent/token"], "/nonexistent/token: No such file"),
        (["http://127.0.0.1:1", "--arguments", "{}"], "name it by --tool"),
        (["http://127.0.0.1:1", "--tool", "t", "--arguments", "[]"], "--arguments takes a JSON object"),
        (["http://127.0.0.1:1", "--data", "[]"], "--data takes a JSON object"),
        (["http://127.0.0.1:1", "--only", "mcp.no.such"], "no requirement mcp.no.such"),
    ],
)
def test_a_mistake_on_the_command_line_is_one_sentence(words: list[str], complaint: str) -> None:
    outcome = conform(*words)
    assert outcome.returncode == 1
    assert complaint in outcome.stderr
    assert outcome.stderr.count("\n") == 1
    assert "secret" not in outcome.stderr
