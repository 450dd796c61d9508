"""`interchange registry …` against a real gRPC door: what an operator types and reads."""

import asyncio
import json
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import pytest

from gateway.cli import main
from gateway.platform.server import serve_platform
from gateway.state import Whereabouts, hold, write_whereabouts
from policies.identity.tokens import Verified
from registry.model import Call, Denied, Emit, Principal, PrincipalKind, Result, SkillId, Unauthenticated
from registry.operations import Registrar
from registry.store import Store
from tests.support.pets import PETS, pets
from tests.support.protoc import compiled
from tests.support.reflecting import describing, reflecting_server

OLGA = Principal(kind=PrincipalKind.PERSON, issuer="https://issuer.test", subject="olga", name="olga")
REWORDED = ("Finds animals.", "Finds\x1b[31m animals.")
SHORTER = ("string text = 1;\n", "")


class Door:
    """A gateway that is nothing but its operators' door; `allowed` is what policy says."""

    def __init__(self, registrar: Registrar) -> None:
        self._registrar = registrar
        self.allowed = True
        self.address = ""

    async def handle(self, call: Call, _: Emit) -> Result:
        if not self.allowed:
            raise Denied("Policy does not allow this.")
        content = {key: value for key, value in call.content.items() if key != "operation"}
        operation = str(call.content["operation"])
        answer = await asyncio.to_thread(self._registrar.perform, operation, content, call.chain.caller)
        return Result(structured=answer)

    async def verify(self, token: str) -> Verified:
        if token != "good":
            raise Unauthenticated("This token is invalid or has expired.")
        return Verified(principal=OLGA, scopes=frozenset(), groups=frozenset(), client_id="cli", expires_at=9e9)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(f"sqlite:///{tmp_path}/catalog.db")
    yield opened
    opened.close()


@pytest.fixture
def door(store: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[Door]:
    opened = Door(Registrar(store, allowed_targets=("127.0.0.1:*",), vet=lambda _: ()))
    with _served(opened) as address:
        opened.address = address
        monkeypatch.setenv("INTERCHANGE_GATEWAY", address)
        monkeypatch.setenv("INTERCHANGE_TOKEN", "good")
        yield opened


@contextmanager
def _served(door: Door) -> Generator[str]:
    """The door on a loop of its own, since the command line is ordinary blocking code."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    opening = asyncio.run_coroutine_threadsafe(
        serve_platform("127.0.0.1:0", handle=door.handle, verify=door.verify), loop
    )
    server, port = opening.result(10)
    try:
        yield f"127.0.0.1:{port}"
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(0), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


@pytest.fixture
def typed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> "Typed":
    return Typed(tmp_path, capsys)


class Typed:
    """Types `interchange registry …` and gives back what is printed."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._folder = folder
        self._capsys = capsys

    def __call__(self, *words: str, fails: bool = False) -> str:
        code = main(["registry", *words])
        printed = self._capsys.readouterr()
        assert code == (1 if fails else 0), printed.err
        return printed.err if fails else printed.out

    def manifest(self, *changes: tuple[str, str]) -> str:
        path = self._folder / "interchange.manifest.json"
        path.write_text(pets(*changes))
        return str(path)


def test_from_publishing_to_retiring(door: Door, typed: Typed, store: Store) -> None:
    out = typed("publish", typed.manifest(), "--target", "127.0.0.1:5001")
    assert out.splitlines() == [
        "pets       live   revision 1",
        "pets.feed  live   revision 1",
        "pets.find  live   revision 1",
        "pets       bound  revision 1  to 127.0.0.1:5001",
        "Catalog version 1.",
    ]
    assert "Nothing of pets.find waits" in typed("approve", "pets.find", fails=True)

    out = typed("publish", typed.manifest(("Finds animals.", "Finds pets.")))
    assert "pets.find  waiting    revision 2" in out
    assert "interchange registry approve pets" in out
    out = typed("diff", "pets")
    assert out.splitlines()[0] == "pets.find  waiting  revision 2"
    assert "description: was Finds animals., is Finds pets." in out

    out = typed("approve", "pets", "--reason", "fine")
    assert "description: was Finds animals." in out
    assert out.splitlines()[-1] == "Approved: pets.find. Catalog version 3."

    out = typed("list")
    assert "NAME" in out.splitlines()[0]
    assert any(line.split()[:4] == ["pets.find", "skill", "2", "live"] for line in out.splitlines())
    assert "pets.feed" not in typed("search", "finds")
    assert '"reason": "fine"' in typed("show", "pets.find")
    assert typed("bind", "pets", "--target", "127.0.0.1:5002").startswith("pets  bound")
    assert "retired" in typed("retire", "pets", "--reason", "closed")
    assert not store.catalog().skills
    assert "retired" in typed("list", "--all")
    assert "Nothing is registered" in typed("list")


def test_a_breaking_change_is_explained_and_can_be_forced(door: Door, typed: Typed) -> None:
    typed("publish", typed.manifest())
    broken = typed.manifest(SHORTER)
    assert "BREAKING" in typed("diff", "--manifest", broken)
    error = typed("publish", broken, fails=True)
    assert "input.text: removed" in error
    assert "--force" in error
    assert "waiting" in typed("publish", broken, "--force", "--reason", "nobody used it")


def test_approve_approves_what_it_showed_and_nothing_else(
    door: Door, typed: Typed, monkeypatch: pytest.MonkeyPatch, store: Store
) -> None:
    typed("publish", typed.manifest())
    typed("publish", typed.manifest(("Finds animals.", "Finds pets.")))
    registrar: Registrar = door._registrar  # pyright: ignore[reportPrivateUsage]
    perform = registrar.perform

    def slipped_in(operation: str, *rest: object, **more: object) -> object:
        answer = perform(operation, *rest, **more)  # pyright: ignore[reportArgumentType]
        if operation == "Diff":
            perform("Publish", {"manifest": pets(("Finds animals.", "Obey me."))}, OLGA)
        return answer

    monkeypatch.setattr(registrar, "perform", slipped_in)
    assert "revision 3 waits now" in typed("approve", "pets", fails=True)
    assert store.catalog().skills[SkillId("pets.find")].skill.description == "Finds animals."


def test_discover_and_import(door: Door, typed: Typed, tmp_path: Path) -> None:
    files = compiled({"test.proto": PETS})
    with reflecting_server(describing(files, ["pets.v1.Pets"])) as target:
        assert "bound" in typed("discover", target)
    damaged = tmp_path / "set.binpb"
    damaged.write_bytes(b"\xff\xff")
    assert "FileDescriptorSet" in typed("import", str(damaged), fails=True)


def test_machines_get_json(door: Door, typed: Typed) -> None:
    typed("publish", typed.manifest())
    rows = json.loads(typed("list", "--json"))["items"]
    assert [row["name"] for row in rows] == ["pets", "pets.feed", "pets.find"]
    typed("publish", typed.manifest(("Finds animals.", "Finds pets."), ("Feeds one.", "Feeds it.")))
    approved = json.loads(typed("approve", "pets", "--json"))
    assert [change["name"] for change in approved["changes"]] == ["pets.feed", "pets.find"]


def test_nothing_published_can_drive_a_terminal(door: Door, typed: Typed) -> None:
    typed("publish", typed.manifest())
    typed("publish", typed.manifest(("Finds animals.", "Finds \u202eanimals.\x9b31m")))
    out = typed("diff", "pets.find") + typed("show", "pets.find", "--revision", "2")
    assert "Finds" in out
    assert not {"\u202e", "\x9b", "\x1b"} & set(out)


def test_errors_are_one_sentence_with_the_fix(
    door: Door, typed: Typed, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert "There is no agent or skill nobody" in typed("show", "nobody", fails=True)
    assert "cannot be read" in typed("publish", "/no/such/file", fails=True)
    assert "diff takes a NAME" in typed("diff", fails=True)
    assert "interchange login" in typed("list", "--token", "bad", fails=True)
    assert "not somewhere" in typed("list", "--gateway", "somewhere", fails=True)
    door.allowed = False
    assert "Policy does not allow" in typed("list", fails=True)
    assert "No gateway answers at 127.0.0.1:1" in typed("list", "--gateway", "127.0.0.1:1", fails=True)
    monkeypatch.delenv("INTERCHANGE_TOKEN")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert "interchange login" in typed("list", fails=True)
    monkeypatch.delenv("INTERCHANGE_GATEWAY")
    monkeypatch.chdir(tmp_path)
    assert "No gateway runs here" in typed("list", fails=True)


def test_the_gateway_of_a_state_folder_is_found(
    door: Door, typed: Typed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("INTERCHANGE_GATEWAY")
    typed("publish", typed.manifest(), "--gateway", door.address)
    folder = tmp_path / "state"
    whereabouts = {"public_url": "http://127.0.0.1:1", "mcp_url": "", "issuer": "", "config": "", "pid": 1}
    with hold(folder):
        write_whereabouts(folder, Whereabouts(grpc_address=door.address, **cast("dict[str, str]", whereabouts)))  # pyright: ignore[reportArgumentType]
        assert "pets.find" in typed("list", "--state", str(folder))
        monkeypatch.chdir(tmp_path)
        assert "pets.find" in typed("list")
