"""Around an agent's process: waiting for a gateway, where it says it is, and what it refuses to begin with."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import grpc.aio
import interchange_client
import pytest
import respx
from interchange.v1 import agent_pb2
from interchange_client.agent import AgentCredentials, GatewayError, PublishRefused, TurnInHand, serve
from interchange_client.publish import find_door
from interchange_client.serving import publish_when_possible

GATEWAY = "http://127.0.0.1:8420"
DOORS = f"{GATEWAY}/.well-known/interchange.json"


class Attempts:
    """Fails as told, in this order, and then gives the rest."""

    def __init__(self, *outcomes: Exception | str) -> None:
        self._outcomes = list(outcomes)
        self.pauses: list[float] = []

    async def __call__(self) -> str:
        outcome = self._outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)


AWAY = GatewayError("It cannot be reached.", "unavailable")


async def test_a_gateway_that_is_not_up_yet_is_waited_for_and_that_is_said_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    attempts = Attempts(*[AWAY] * 9, GatewayError("Busy.", "overloaded"), "there")

    assert await publish_when_possible(attempts, gateway=GATEWAY, pause=attempts.pause) == "there"

    assert capsys.readouterr().err == f"waiting for the gateway at {GATEWAY}: It cannot be reached.\n"
    assert len(attempts.pauses) == 10
    assert attempts.pauses[0] < attempts.pauses[2] < attempts.pauses[4]
    assert max(attempts.pauses) <= 12


@pytest.mark.parametrize(
    "refusal", [PublishRefused("Not yours.", "denied"), GatewayError("Wrong secret.", "unauthenticated")]
)
async def test_a_refusal_that_waiting_does_not_heal_ends_it(
    refusal: GatewayError, capsys: pytest.CaptureFixture[str]
) -> None:
    attempts = Attempts(refusal)
    with pytest.raises(GatewayError) as raised:
        await publish_when_possible(attempts, gateway=GATEWAY, pause=attempts.pause)
    assert raised.value is refusal
    assert (attempts.pauses, capsys.readouterr().err) == ([], "")


@pytest.mark.parametrize(
    ("said", "gateway", "found"),
    [
        ("10.0.0.7:8421", GATEWAY, "10.0.0.7:8421"),
        ("0.0.0.0:8421", "https://gateway.example.com:444", "gateway.example.com:8421"),
        ("[::]:8421", "http://[::1]:8420", "[::1]:8421"),
        ("[::1]:8421", GATEWAY, "[::1]:8421"),
    ],
)
async def test_the_gateway_says_where_its_grpc_door_is(said: str, gateway: str, found: str) -> None:
    with respx.mock() as net:
        net.get(f"{gateway}/.well-known/interchange.json").respond(json={"grpc": said})
        assert await find_door(gateway) == found


@pytest.mark.parametrize("said", [{}, {"grpc": 8421}, {"grpc": "8421"}, {"grpc": "host:"}, {"grpc": "host:0"}])
async def test_a_door_that_is_none_is_not_knocked_at(said: object) -> None:
    with respx.mock() as net:
        net.get(DOORS).respond(json=said)
        with pytest.raises(GatewayError, match="does not say where"):
            await find_door(GATEWAY)


async def answer(turn: TurnInHand) -> AsyncIterator[str | agent_pb2.TurnEvent]:
    yield turn.text


CREDENTIALS = AgentCredentials(GATEWAY, "greeter-client", "secret")


@pytest.mark.parametrize("listen", ["0.0.0.0:0", "[::]:0", ":0"])
async def test_an_agent_that_nobody_could_call_is_not_begun(listen: str) -> None:
    with pytest.raises(ValueError, match="advertise="):
        await serve(answer, name="greeter", domain="tests", listen=listen, gateway=GATEWAY, credentials=CREDENTIALS)


@pytest.mark.parametrize("listen", ["", "127.0.0.1", "127.0.0.1:http", "8420"])
async def test_an_address_that_is_none_is_said_to_be(listen: str) -> None:
    with pytest.raises(ValueError, match="host:port"):
        await serve(answer, name="greeter", domain="tests", listen=listen, gateway=GATEWAY, credentials=CREDENTIALS)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"gateway": []}, "at least one gateway"),
        ({"gateway": [GATEWAY, GATEWAY], "door": "127.0.0.1:1"}, "a door= only where there is one"),
        ({"seats": 0}, "too few"),
        ({"answer": None}, "answers turns, or has skills"),
        ({"answer": None, "skills": {"/a.B/C": None}}, "give it as manifest="),
        ({"gateway": "gateway.example.com"}, "not the URL of a gateway"),
        ({"listen": "127.0.0.1:0", "gateway": [GATEWAY, GATEWAY]}, "one gateway"),
        ({"listen": "127.0.0.1:0", "answer": None}, "has an answer"),
    ],
)
async def test_what_cannot_be_served_is_not_begun(options: dict[str, Any], words: str) -> None:
    given: dict[str, Any] = {"answer": answer, "gateway": GATEWAY, "credentials": CREDENTIALS, **options}
    with pytest.raises(ValueError, match=words):
        await serve(given.pop("answer"), name="greeter", domain="tests", **given)


@pytest.mark.parametrize("name", ["", "Greeter", "my-agent", "a" * 41, "grüße"])
async def test_a_name_that_is_none_is_refused_before_anything_listens(name: str) -> None:
    with pytest.raises(ValueError, match="an agent's name is 1 to 40 of a-z, 0-9 and _"):
        await serve(answer, name=name, domain="tests", listen="nowhere", gateway=GATEWAY, credentials=CREDENTIALS)


def test_what_its_author_did_wrong_ends_a_process_with_one_line(tmp_path: Path) -> None:
    agent = tmp_path / "greeter.py"
    agent.write_text(
        "import asyncio\n"
        "from interchange_client.agent import serve\n"
        "async def answer(turn):\n"
        "    yield 'hello'\n"
        "asyncio.run(serve(answer, name='greeter', domain='tests', listen='127.0.0.1:0',"
        f" gateway='{GATEWAY}'))\n"
    )
    known = {key: value for key, value in os.environ.items() if not key.startswith("INTERCHANGE_")}
    ended = subprocess.run([sys.executable, agent], env=known, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert ended.stderr.startswith("interchange_client: an agent needs a credential of its own")
    assert ended.stderr.endswith('eval "$(interchange agents credentials NAME)"\n')
    assert ended.stderr.count("\n") == 1


async def test_a_port_that_is_taken_is_said_to_be_in_our_words_only(capfd: pytest.CaptureFixture[str]) -> None:
    other = cast("Any", grpc.aio).server(options=(("grpc.so_reuseport", 0),))
    port = other.add_insecure_port("127.0.0.1:0")
    await other.start()
    try:
        with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1:{port}"):
            await serve(
                answer,
                name="greeter",
                domain="tests",
                listen=f"127.0.0.1:{port}",
                gateway=GATEWAY,
                credentials=CREDENTIALS,
            )
        assert capfd.readouterr().err == ""
    finally:
        await other.stop(None)


def test_the_library_imports_nothing_of_the_application() -> None:
    for file in Path(interchange_client.__file__).parent.glob("*.py"):
        for line in file.read_text().splitlines():
            first = line.split()[1:2] if line.startswith(("import ", "from ")) else []
            assert not first or first[0].partition(".")[0] not in {
                "gateway", "adapters", "policies", "registry", "conformance", "starlette", "orjson", "opentelemetry",
            }, f"{file.name}: {line}"  # fmt: skip
