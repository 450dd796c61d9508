"""Names are resolved beside everything else, and look-ups that were left still count."""

import asyncio
import socket
import threading
from typing import Any

import pytest

from adapters.push.resolving import Resolver


async def test_names_of_this_machine_are_resolved_and_others_are_errors() -> None:
    resolver = Resolver()
    assert set(await resolver("localhost", 443)) <= {"127.0.0.1", "::1"}
    with pytest.raises(OSError):
        await resolver("no such name", 443)
    with pytest.raises(UnicodeError):
        await resolver("a" * 64 + ".example", 443)


async def test_a_look_up_that_was_left_keeps_its_place_until_it_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    let_go = threading.Event()

    def slow(host: str, port: int, **_: Any) -> list[Any]:
        asked.append(host)
        assert let_go.wait(10)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    resolver = Resolver(at_once=1)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await resolver("left.example", 443)
    async with asyncio.TaskGroup() as tasks:
        next_one = tasks.create_task(resolver("next.example", 443))
        await asyncio.sleep(0)
        assert asked == ["left.example"]
        let_go.set()
    assert next_one.result() == ["192.0.2.1"]
    assert asked == ["left.example", "next.example"]


async def test_a_zone_whose_name_server_is_slow_takes_no_place_from_others(monkeypatch: pytest.MonkeyPatch) -> None:
    let_go = threading.Event()

    def slow_for_one_zone(host: str, port: int, **_: Any) -> list[Any]:
        assert not host.endswith("slow.example") or let_go.wait(10)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", slow_for_one_zone)
    resolver = Resolver(at_once=4, of_one_zone=3)
    async with asyncio.TaskGroup() as tasks:
        slow = [tasks.create_task(resolver(f"{number}.slow.example", 443)) for number in range(20)]
        for number in range(20):
            assert await resolver(f"hooks{number}.quick.example", 443) == ["192.0.2.1"]
        assert not any(task.done() for task in slow)
        let_go.set()


async def test_what_has_no_thread_has_no_address_and_keeps_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    resolver = Resolver(at_once=1)
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", none_left)
        for _ in range(2):
            with pytest.raises(OSError, match="no thread"):
                await resolver("localhost", 443)
    assert await resolver("localhost", 443)
