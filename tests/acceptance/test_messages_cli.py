"""`interchange messages …` and `interchange db …`, as an operator types them, with a gateway and without."""

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from adapters.messaging.export import check_export
from adapters.messaging.migrate import HEAD
from policies.audit.segments import read_entries
from tests.support.conversations import PEOPLE, POLICIES, writing
from tests.support.postgres import shared_server
from tests.support.served import Served, served_gateway

ENVIRONMENT = {**os.environ, "TZ": "UTC"}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    with served_gateway(tmp_path_factory.mktemp("gateway"), people=PEOPLE, policies=POLICIES) as served:
        yield served


def typed(*words: str, fails: int = 0) -> str:
    """What a command prints; where it fails, what it says."""
    command = [sys.executable, "-m", "gateway.cli", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=ENVIRONMENT)
    assert done.returncode == fails, done.stderr
    if fails:
        assert done.stderr.startswith("interchange: ") or not done.stderr
        assert "Traceback" not in done.stderr
    return done.stderr if fails and not done.stdout else done.stdout


def as_(who: str, served: Served) -> tuple[str, ...]:
    return ("--gateway", served.grpc_address, "--token", served.token(who))


def written(log: Path, conversation: str, *texts: str) -> None:
    """Somebody says something, in a process of his own as far as the log can tell."""

    async def write() -> None:
        async with writing(log) as writer:
            await writer.say(conversation, *texts)

    asyncio.run(write())


def given_up(log: Path, *conversations: str) -> None:
    """The clerk is asked something in each, and never answers."""

    async def write() -> None:
        async with writing(log) as writer:
            for conversation in conversations:
                await writer.ask(conversation, f"Hello from {conversation}?")
            await writer.give_up("it never\x1b[2J answers")

    asyncio.run(write())


def answered(log: Path, text: str) -> None:
    async def write() -> None:
        async with writing(log) as writer:
            await writer.answer(text)

    asyncio.run(write())


# ---- through a gateway


def test_an_operator_looks_at_a_conversation(gateway: Served) -> None:
    written(gateway.state / "log.db", "c-look", "Hello \x1b[31mred\x1b[0m\u202e", "two\nlines")
    manager = as_("manager", gateway)

    out = typed("messages", "show", "c-look", *manager)
    assert out.splitlines()[0] == "conversation  c-look"
    assert "2 messages in hiring, started by person:alice" in out
    assert "    Hello \ufffd[31mred\ufffd[0m\ufffd\n" in out
    assert "    two\n    lines\n" in out

    shown = json.loads(typed("messages", "show", "c-look", "--json", *manager))
    assert shown["messages"][1]["body"] == {"parts": [{"text": "two\nlines"}]}
    assert "two" not in typed("messages", "show", "c-look", "--limit", "1", "--before", "2", *manager)
    [line] = typed("messages", "tail", "c-look", "-n", "1", "--json", *manager).splitlines()
    assert json.loads(line)["seq"] == "2"


def test_who_watches_the_log_reads_nobodys_words(gateway: Served) -> None:
    written(gateway.state / "log.db", "c-watch", "a secret")
    operator = as_("operator", gateway)
    out = typed("messages", "tail", "-n", "1", *operator)
    assert "c-watch #1  person:alice" in out
    assert "bytes" in out
    assert "secret" not in out
    assert "no conversation named 'c-watch'" in typed("messages", "show", "c-watch", *operator, fails=1)
    assert "conversations" in typed("messages", "status", *operator)
    assert "No policy permits" in typed("messages", "status", *as_("manager", gateway), fails=1)


def test_a_tail_follows_until_ctrl_c(gateway: Served) -> None:
    log = gateway.state / "log.db"
    written(log, "c-tail", "one", "two")
    command = [sys.executable, "-m", "gateway.cli", "messages", "tail", "c-tail", "-n", "1", "--follow"]
    process = subprocess.Popen(
        [*command, *as_("manager", gateway)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        assert "#2" in process.stdout.readline()
        assert process.stdout.readline() == "    two\n"
        written(log, "c-tail", "three")
        assert "#3" in process.stdout.readline()
        assert process.stdout.readline() == "    three\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130
        assert process.stderr.read() == ""
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()


def test_what_was_given_up_is_driven_anew(gateway: Served) -> None:
    log = gateway.state / "log.db"
    given_up(log, "c-dead/1", "c-dead/2", "c-dead/3")
    operator = as_("operator", gateway)

    out = typed("messages", "dead", *operator)
    assert out.splitlines()[0].split() == ["LETTER", "AT", "ATTEMPTS", "ERROR"]
    assert "it never\ufffd[2J answers" in out
    first, *_ = [line.split()[0] for line in out.splitlines()[1:]]
    assert first == "c-dead/1/clerk/1"
    assert "redriven as #3" in typed("messages", "redrive", first, *operator)
    assert "failed: This dead letter was redriven before" in typed("messages", "redrive", first, *operator, fails=1)
    mixed = typed("messages", "redrive", "c-dead/2/clerk/1", "c-0/clerk/1", *operator, fails=1)
    assert "c-dead/2/clerk/1  redriven" in mixed
    assert "c-0/clerk/1  failed: There is no conversation named 'c-0'." in mixed

    everything = json.loads(typed("messages", "redrive", "--agent", "clerk", "--json", *operator))
    assert [each["conversation"] for each in everything["letters"]] == ["c-dead/3"]
    assert typed("messages", "dead", "c-dead/3", *as_("manager", gateway)) == "There are no dead letters.\n"
    assert "redriven as #3" in typed("messages", "dead", "--redriven", "--limit", "1", *operator)
    answered(log, "Here I am.")
    assert "Here I am." in typed("messages", "show", "c-dead/3", *as_("manager", gateway))


def test_a_hold_an_erasure_and_an_export(gateway: Served, tmp_path: Path) -> None:
    log, operator, manager = gateway.state / "log.db", as_("operator", gateway), as_("manager", gateway)
    written(log, "c-keep", "a secret", "another")
    assert "under legal hold: case 7" in typed("messages", "hold", "c-keep", "--reason", "case 7", *operator)
    assert "case 7" in typed("messages", "erase", "c-keep", "--reason", "asked for", *operator, fails=1)
    assert "under no legal hold" in typed("messages", "release", "c-keep", *operator)

    file = tmp_path / "c-keep.jsonl"
    assert "2 messages, complete" in typed("messages", "export", "c-keep", "--out", str(file), *manager)
    assert "a secret" in file.read_text()
    erased = typed("messages", "erase", "c-keep", "--reason", "asked for", "--up-to", "1", *operator)
    assert erased == "Erased; message #3 says so.\n"
    out = typed("messages", "export", "c-keep", *manager)
    assert check_export(line.encode() for line in out.splitlines(keepends=True))["messages"] == 3
    assert "a secret" not in out
    assert "another" in out
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("show",), 1, "Which conversation?"),
        (("show", "c-0"), 1, "There is no conversation named 'c-0'."),
        (("show", "c-0", "--after", "99999999999999999999"), 2, "no message has the number"),
        (("show", "c-0", "--limit", "1001"), 2, "is not a number up to 1000"),
        (("tail", "-n", "-1"), 2, "-n"),
        (("erase", "c-0"), 2, "--reason"),
        (("erase", "c-0", "--reason", " "), 1, "c-0"),
        (("hold", "c-0"), 2, "--reason"),
        (("redrive",), 1, "Which dead letters?"),
        (("redrive", "c-0"), 1, "CONVERSATION/AGENT/N"),
        (("redrive", "c-0/clerk/x"), 1, "CONVERSATION/AGENT/N"),
        (("redrive", "c-0/clerk/1", "--agent", "clerk"), 1, "Which dead letters?"),
        (("export", "c-0", "--out", "/nowhere/x"), 1, "/nowhere"),
        (("show", "\udcff"), 1, "interchange: "),
        (("tali",), 2, "did you mean `interchange messages tail`"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_cannot_be_done_is_one_sentence(gateway: Served, words: tuple[str, ...], code: int, said: str) -> None:
    command = [sys.executable, "-m", "gateway.cli", "messages", *words, *as_("manager", gateway)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, said in done.stderr) == (code, True), done.stderr
    assert "Traceback" not in done.stderr


# ---- without one


def test_a_folder_without_a_gateway_is_kept_by_the_operator_at_the_machine(tmp_path: Path) -> None:
    with served_gateway(tmp_path, people=PEOPLE, policies=POLICIES) as served:
        state = ("--state", str(served.state))
        log = served.state / "log.db"
        assert "process" in typed("db", "upgrade", *state, fails=1)
    given_up(log, "c-1")
    assert "#1  person:alice → clerk" in typed("messages", "show", "c-1", *state)
    assert "redriven as #3" in typed("messages", "redrive", "c-1/clerk/1", *state)
    assert "there is nothing to follow" in typed("messages", "tail", "-f", *state, fails=1)
    assert "no conversation named 'c-0'" in typed("messages", "show", "c-0", *state, fails=1)
    assert "leave out --as" in typed("messages", "status", "--as", "operator", *state, fails=1)
    assert f"revision {HEAD}, as it should be" in typed("db", "status", *state)
    assert json.loads(typed("db", "upgrade", "--json", *state))["log"]["before"] == HEAD
    assert "is not the state folder of a gateway" in typed("messages", "status", "--state", str(tmp_path), fails=1)

    decisions = [entry for entry in read_entries(served.state / "audit") if entry["kind"] == "decision"]
    found = [
        (entry["action"], entry["target"], entry["declared"]["operation"]) for entry in decisions if "declared" in entry
    ]
    assert found == [
        ("read_conversation", "conversation:c-1", "Show"),
        ("keep_conversation", "conversation:c-1", "Redrive"),
        ("read_conversation", "messagelog:messages", "Tables"),
        ("keep_conversation", "messagelog:messages", "Upgrade"),
    ]
    assert {entry["chain"][-1]["name"] for entry in decisions} == {"operator@local"}


def test_a_backup_as_the_page_says_is_whole_although_the_gateway_runs(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "operator.md").read_text()
    script = page[page.index("python3 -c 'import sqlite3") :].split("'", 2)[1]
    with served_gateway(tmp_path, people=PEOPLE, policies=POLICIES) as served:
        written(served.state / "log.db", "c-1", *(f"message {number}" for number in range(1, 51)))
        backup = tmp_path / "backup"
        backup.mkdir()
        done = subprocess.run([sys.executable, "-c", script, str(served.state), str(backup)], timeout=60, check=False)
        assert done.returncode == 0
        written(served.state / "log.db", "c-1", "after the backup")
    shown = typed("messages", "show", "c-1", "--state", str(backup))
    assert "50 messages" in shown
    assert "message 50" in shown


def test_a_log_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    with served_gateway(tmp_path, people=PEOPLE, policies=POLICIES) as served:
        pass
    connection = sqlite3.connect(served.state / "log.db")
    connection.execute("UPDATE log_version SET version_num = '9999'")
    connection.commit()
    connection.close()
    state = ("--state", str(served.state))
    for words in (("messages", "status"), ("db", "upgrade")):
        assert "newer version of Interchange" in typed(*words, *state, fails=1)
    assert f"revision 9999; this version's is {HEAD}" in typed("db", "status", *state)
    config = str(tmp_path / "interchange.toml")
    assert "newer version" in typed("serve", "--port", "0", *state, "--config", config, fails=1)


# ---- PostgreSQL


@pytest.fixture
def database() -> Generator[str]:
    url = asyncio.run(shared_server().create_empty_database())
    yield url
    asyncio.run(shared_server().drop_database(url))


def test_a_postgres_log_is_made_upgraded_and_used(tmp_path: Path, database: str) -> None:
    config, state = tmp_path / "interchange.toml", tmp_path / "state"
    here = ("--config", str(config), "--state", str(state))
    settings = f'[log]\nurl = "{database}"\n'
    config.write_text(settings)

    assert "run `interchange db upgrade`" in typed("serve", "--port", "0", *here, fails=1)
    assert "no tables yet" in typed("db", "status", *here)
    assert f"made, revision {HEAD}" in typed("db", "upgrade", *here)
    assert f"revision {HEAD}, as it should be" in typed("db", "upgrade", *here)
    with served_gateway(tmp_path, people=PEOPLE, policies=POLICIES, settings=settings) as served:
        status: Any = json.loads(typed("messages", "status", "--json", *as_("operator", served)))
        assert (status["engine"], status["revision"]) == ("postgresql", HEAD)
        assert "no conversation named" in typed("messages", "show", "c-0", *as_("manager", served), fails=1)
        assert not (served.state / "log.db").exists()


def test_a_database_that_does_not_answer_is_named_without_its_password(tmp_path: Path) -> None:
    config = tmp_path / "interchange.toml"
    config.write_text('[log]\nurl = "postgresql://me:swordfish@127.0.0.1:1/conversations"\n')
    here = ("--config", str(config), "--state", str(tmp_path / "state"))
    for words in (("serve", "--port", "0"), ("db", "upgrade"), ("db", "status")):
        said = typed(*words, *here, fails=1)
        assert "conversations at 127.0.0.1:1" in said
        assert "swordfish" not in said
