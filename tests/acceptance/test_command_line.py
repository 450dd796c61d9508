"""The command line as a newcomer types it: the right gateway is found, and a mistake is one sentence with its fix."""

import os
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from gateway import cli
from gateway.cli import main
from registry.model import Refused
from tests.support.demo import Demo, running_demo
from tests.support.served import served_gateway

ROOT = Path(__file__).parents[2]
SEARCH = ("call", "candidates.search", "--json", '{"query": "rust", "limit": 1}')


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder to type commands in, with no login kept and a demo's state folder in its usual place."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def demo(home: Path) -> Generator[Demo]:
    with running_demo(home / "state" / "demo") as running:
        yield running


class Typed:
    """Types `interchange …` in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, *words: str, given: bytes = b"", **environment: str) -> "subprocess.CompletedProcess[bytes]":
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("INTERCHANGE_")}
        return subprocess.run(
            [sys.executable, "-m", "gateway.cli", *words],
            cwd=self._folder,
            env={**inherited, "PYTHONPATH": str(ROOT), "XDG_CONFIG_HOME": str(self._folder / "config"), **environment},
            input=given,
            capture_output=True,
            timeout=60,
            check=False,
        )

    def told(self, *words: str, code: int = 1, **more: Any) -> str:
        """The one sentence that a mistake is answered with."""
        outcome = self(*words, **more)
        error = outcome.stderr.decode()
        assert (outcome.returncode, outcome.stdout) == (code, b""), error
        assert error.startswith("interchange: ")
        assert error.count("\n") == 1
        return error

    def done(self, *words: str, **more: Any) -> str:
        outcome = self(*words, **more)
        assert outcome.returncode == 0, outcome.stderr.decode()
        return outcome.stdout.decode()


@pytest.fixture
def typed(home: Path) -> Typed:
    return Typed(home)


@pytest.fixture
def elsewhere(tmp_path: Path) -> Typed:
    """In a folder where no gateway ever ran."""
    return Typed(tmp_path)


# ---- which gateway


def test_every_command_finds_the_gateway_that_runs_here(demo: Demo, typed: Typed) -> None:
    assert "candidates" in typed.done(*SEARCH, "--as", "recruiter")
    assert typed.done("token", "--as", "intern").count(".") == 2
    assert "Logged in" in typed.done("login", "--as", "recruiter")
    assert "candidates.search" in typed.done("registry", "list", "--as", "security")


def test_a_gateway_is_named_by_its_url_with_or_without_mcp(demo: Demo, typed: Typed) -> None:
    base = demo.mcp_url.removesuffix("/mcp")
    for url in (base, f"{base}/", demo.mcp_url, base.replace("127.0.0.1", "localhost")):
        assert "candidates" in typed.done(*SEARCH, "--as", "recruiter", "--url", url), url
    assert "candidates" in typed.done(*SEARCH, "--as", "recruiter", INTERCHANGE_URL=base)


def test_the_environment_names_a_gateway_after_the_options(demo: Demo, elsewhere: Typed) -> None:
    assert "Which gateway?" in elsewhere.told(*SEARCH, "--as", "recruiter")
    assert "candidates" in elsewhere.done(*SEARCH, "--as", "recruiter", INTERCHANGE_STATE=str(demo.state))
    told = elsewhere.told(
        *SEARCH, "--as", "recruiter", "--url", "http://127.0.0.1:9", INTERCHANGE_STATE=str(demo.state)
    )
    assert "127.0.0.1:9" in told


def test_a_gateway_in_state_is_found_and_one_that_runs_is_preferred(tmp_path: Path) -> None:
    left = tmp_path / "state" / "demo"
    left.mkdir(parents=True)
    (left / "gateway.json").write_text(
        '{"public_url": "http://127.0.0.1:9", "mcp_url": "", "grpc_address": "127.0.0.1:9", "issuer": "", "config": "",'
        ' "pid": 1}'
    )
    (left / "lock").touch()
    typed = Typed(tmp_path)
    assert "127.0.0.1:9" in typed.told("call", "x", "--token", "t")
    with served_gateway(tmp_path):
        assert typed.done("token", "--as", "tester")
        assert "Nothing is registered" in typed.done("registry", "list", "--as", "operator")


def test_a_url_that_is_none_is_said(elsewhere: Typed) -> None:
    assert "is not a URL" in elsewhere.told("call", "x", "--token", "t", "--url", "ftp://127.0.0.1:8420")
    assert "No gateway answers at http://127.0.0.1:9/mcp" in elsewhere.told(
        "call", "x", "--token", "t", "--url", "127.0.0.1:9"
    )
    assert "in the clear" in elsewhere.told("call", "x", "--token", "t", "--url", "http://gw.example.com")


# ---- as whom


def test_a_persona_is_never_passed_over(demo: Demo, typed: Typed, elsewhere: Typed) -> None:
    typed.done("login", "--as", "security")
    base = demo.mcp_url.removesuffix("/mcp")
    far = ("registry", "list", "--gateway", demo.grpc_address)
    assert "--state or --url" in elsewhere.told(*far, "--as", "security")
    assert "belongs to the gateway" in elsewhere.told(*far, "--as", "security", "--url", base)
    assert "candidates" in elsewhere.done(*far, "--as", "security", "--url", base, "--state", str(demo.state))
    for words in (("registry", "list"), SEARCH):
        assert "known are" in typed.told(*words, "--as", "nobody")
        assert "no such person" in typed.told(*words, "--as", "")
        assert "no such person" in typed.told(*words, "--as", "nobody", INTERCHANGE_TOKEN=demo.tokens["security"])
        assert "one of them" in typed.told(*words, "--as", "security", "--token", demo.tokens["security"])
        assert "--token holds no token" in typed.told(*words, "--token", "")


def test_a_command_means_the_gateway_at_its_url_and_no_other(demo: Demo, typed: Typed) -> None:
    told = typed.told("registry", "list", "--as", "security", "--url", "http://127.0.0.1:9")
    assert "not at http://127.0.0.1:9" in told
    assert "--gateway" in told


def test_offline_is_nobody_elses_work(elsewhere: Typed, tmp_path: Path) -> None:
    state = str(tmp_path / "state")
    assert "operator@local" in elsewhere.told("registry", "list", "--state", state, "--as", "security")
    assert "operator@local" in elsewhere.told("registry", "list", "--state", state, "--token", "t")
    assert not (tmp_path / "state").exists()


def test_a_token_that_does_not_hold_is_explained(demo: Demo, typed: Typed) -> None:
    told = typed.told(*SEARCH, "--token", "garbage")
    assert "The access token is invalid or has expired." in told
    assert "interchange login" in told


def test_an_unknown_persona_is_told_who_there_is(demo: Demo, typed: Typed) -> None:
    told = typed.told("token", "--as", "recruter")
    assert "intern" in told
    assert "recruiter" in told
    assert "operator@local" not in told


def test_an_empty_secret_proves_nothing(demo: Demo, typed: Typed, tmp_path: Path) -> None:
    secret = tmp_path / "dev-secret"
    for content in (b"", b"\n", b"\xff"):
        secret.write_bytes(content)
        secret.chmod(0o600)
        told = typed.told("token", "--as", "intern", "--url", demo.mcp_url, "--state", str(tmp_path))
        assert "holds no secret" in told


# ---- arguments of a call


def test_arguments_come_from_a_file_or_standard_input(demo: Demo, typed: Typed, tmp_path: Path) -> None:
    text = b'{"query": "rust", "limit": 1}'
    (tmp_path / "arguments.json").write_bytes(text)
    call = ("call", "candidates.search", "--as", "recruiter", "--json")
    assert typed.done(*call, f"@{tmp_path}/arguments.json") == typed.done(*call, "-", given=text)


def test_arguments_with_two_meanings_are_refused(elsewhere: Typed) -> None:
    assert "'query' occurs twice" in elsewhere.told("call", "x", "--json", '{"query": "a", "query": "b"}')
    assert "takes an object" in elsewhere.told("call", "x", "--json", "[]")
    assert "--json is not a JSON object: it is not JSON" in elsewhere.told("call", "x", "--json", "bad")
    assert "no/such cannot be read" in elsewhere.told("call", "x", "--json", "@no/such")
    assert "no skill's name" in elsewhere.told("call", "é", "--token", "t")


# ---- commands


def test_a_command_that_is_missing_or_mistyped_is_answered_by_one_sentence(elsewhere: Typed) -> None:
    assert "`interchange --help`" in elsewhere.told(code=2)
    assert "`interchange registry --help`" in elsewhere.told("registry", code=2)
    assert "did you mean `interchange registry`?" in elsewhere.told("regisrty", "list", code=2)
    assert "did you mean `interchange registry approve`?" in elsewhere.told("registry", "aprove", "x", code=2)
    assert "`interchange --help`" in elsewhere.told("xyzzy", code=2)


def test_help_and_version_are_shown(elsewhere: Typed) -> None:
    shown = elsewhere.done("--help")
    for name, (_, summary) in cli.COMMANDS.items():
        assert name in shown
        assert summary in shown
    assert elsewhere.done("--version").startswith("interchange ")


def test_a_second_gateway_on_a_state_folder_is_told_of_the_first(demo: Demo, typed: Typed) -> None:
    for command in ("demo", "serve"):
        told = typed.told(command, "--port", "0", "--state", str(demo.state))
        assert str(demo.process.pid) in told
        assert demo.mcp_url.removesuffix("/mcp") in told
        assert "--state" in told


def test_a_second_demo_leaves_the_first_as_it_was(demo: Demo, typed: Typed, tmp_path: Path) -> None:
    port = demo.mcp_url.removesuffix("/mcp").rpartition(":")[2]
    assert "A demo already runs here" in typed.told("demo", "--port", port, "--state", str(demo.state))
    assert f"Cannot listen on 127.0.0.1:{port}" in typed.told("demo", "--port", port, "--state", str(tmp_path))
    said = typed.done(
        "call", "assistant", "--json", '{"message": "Find Rust engineers in Dublin"}', "--as", "recruiter"
    )
    assert "Dublin" in said


# ---- the last line of defence


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ExceptionGroup("", [ExceptionGroup("", [Refused("No.")])]), "interchange: No.\n"),
        (PermissionError(13, "Permission denied", "some/path"), "interchange: some/path: Permission denied.\n"),
        (ExceptionGroup("", [FileNotFoundError(2, "Gone", "x")]), "interchange: x: Gone.\n"),
        (OSError("odd"), "interchange: odd.\n"),
    ],
)
def test_no_error_of_ours_reaches_anybody_as_a_traceback(
    error: Exception, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("gateway.cli.protos.run_protos", _raising(error))
    assert main(["protos", "somewhere"]) == 1
    assert capsys.readouterr().err == said


def test_several_errors_at_once_are_a_defect_and_shown_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    several = ExceptionGroup("", [Refused("One."), Refused("Two.")])
    monkeypatch.setattr("gateway.cli.protos.run_protos", _raising(several))
    with pytest.raises(ExceptionGroup):
        main(["protos", "somewhere"])


def test_ctrl_c_ends_a_command_without_a_word(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("gateway.cli.protos.run_protos", _raising(KeyboardInterrupt()))
    assert main(["protos", "somewhere"]) == 130
    assert capsys.readouterr().err == ""


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "gateway.cli", "protos", str(tmp_path)]
    process = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, cwd=ROOT, timeout=60, check=False)
    os.close(writer)
    assert process.stderr == b""


def _raising(error: BaseException) -> Any:
    def command(*_: object) -> int:
        raise error

    return command
