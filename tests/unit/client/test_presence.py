"""An agent's process looks after its place at the gateway, and leaves it to an equal that answers there."""

import socket

import pytest
from interchange.v1 import registry_pb2
from interchange_client.agent import GatewayError, PublishRefused
from interchange_client.presence import Place, Presence, takes_connections

UNCHANGED = (registry_pb2.Change(name="greeter", outcome="unchanged"),)
FRESH = (registry_pb2.Change(name="greeter", outcome="live"), registry_pb2.Change(name="greeter", outcome="bound"))


def elsewhere(*targets: str) -> tuple[registry_pb2.Change, ...]:
    return (*UNCHANGED, registry_pb2.Change(name="greeter", outcome="elsewhere", differences=targets))


class Gateway:
    """Answers as told; remembers how often it was joined and taken."""

    def __init__(self) -> None:
        self.mark: str | Exception = "one"
        self.joining: tuple[registry_pb2.Change, ...] | Exception = UNCHANGED
        self.alive = True
        self.done: list[str] = []

    def presence(self) -> Presence:
        return Presence(Place(name="greeter", mark=self._mark, join=self._join, take=self._take, answers=self._answers))

    async def _mark(self) -> str:
        if isinstance(self.mark, Exception):
            raise self.mark
        return self.mark

    async def _join(self) -> tuple[registry_pb2.Change, ...]:
        self.done.append("join")
        if isinstance(self.joining, Exception):
            raise self.joining
        return self.joining

    async def _take(self) -> tuple[registry_pb2.Change, ...]:
        self.done.append("take")
        return FRESH

    async def _answers(self, address: str) -> bool:
        return self.alive


async def test_nothing_is_published_again_where_nothing_changed(capsys: pytest.CaptureFixture[str]) -> None:
    gateway = Gateway()
    presence = gateway.presence()
    for _ in range(5):
        await presence.look()
    assert gateway.done == ["join"]
    assert capsys.readouterr().err == ""


async def test_a_gateway_that_lost_its_registry_gets_the_agent_back(capsys: pytest.CaptureFixture[str]) -> None:
    gateway = Gateway()
    presence = gateway.presence()
    await presence.look()
    gateway.mark, gateway.joining = GatewayError("Away.", "unavailable"), FRESH
    await presence.look()
    gateway.mark = "two"
    await presence.look()
    assert gateway.done == ["join", "join"]
    assert capsys.readouterr().err == "greeter had lost its place at the gateway, and is published again.\n"


async def test_a_place_that_an_equal_answers_at_is_left_to_it_and_that_is_said_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    gateway = Gateway()
    gateway.joining = elsewhere("127.0.0.1:7")
    presence = gateway.presence()
    for _ in range(3):
        await presence.look()
    assert gateway.done == ["join"] * 3, "it looks again, for the other may end"
    said = capsys.readouterr().err
    assert said.startswith("greeter is answered for by another process, at 127.0.0.1:7: no turns come here any more.")
    assert said.count("\n") == 1

    gateway.alive = False
    await presence.look()
    assert gateway.done[-2:] == ["join", "take"]
    assert "published again" in capsys.readouterr().err


async def test_a_place_that_somebody_else_chose_is_never_taken_back(capsys: pytest.CaptureFixture[str]) -> None:
    gateway = Gateway()
    gateway.joining, gateway.alive = elsewhere(), False
    presence = gateway.presence()
    await presence.look()
    await presence.look()
    assert "take" not in gateway.done
    assert capsys.readouterr().err == (
        "greeter was bound elsewhere by somebody else, so no turns come here any more.\n"
    )


async def test_a_refusal_is_said_once_and_the_agent_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    gateway = Gateway()
    gateway.joining = PublishRefused("Not yours.", "denied")
    presence = gateway.presence()
    await presence.look()
    await presence.look()
    assert capsys.readouterr().err == "greeter cannot be published again: Not yours.\n"


async def test_looking_goes_on_at_a_steady_pace() -> None:
    gateway = Gateway()
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            raise GeneratorExit

    with pytest.raises(GeneratorExit):
        await gateway.presence().keep(pause=pause)
    assert pauses == [20.0] * 3


async def test_whether_anybody_is_there_shows_by_a_connection() -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        address = f"127.0.0.1:{listening.getsockname()[1]}"
        assert await takes_connections(address)
    assert not await takes_connections(address)
    assert not await takes_connections("nowhere")
