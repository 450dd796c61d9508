"""Blocking work in threads: bounded, and its place is taken until it has really ended."""

import asyncio
import subprocess
import sys
import threading

import pytest

from gateway.workers import Workers


async def test_what_the_work_returns_or_raises_comes_back() -> None:
    workers = Workers(2)
    assert await workers.run(lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        await workers.run(lambda: 1 // 0)


async def test_a_place_stays_taken_until_the_work_ends_though_nobody_waits() -> None:
    workers, release = Workers(1), threading.Event()
    first = asyncio.ensure_future(workers.run(release.wait))
    await asyncio.sleep(0)
    first.cancel()
    second = asyncio.ensure_future(workers.run(lambda: "second"))
    done, _ = await asyncio.wait([second], timeout=0.1)
    assert not done
    release.set()
    assert await second == "second"


def test_work_that_never_ends_does_not_keep_the_process() -> None:
    script = """
import asyncio, threading
from gateway.workers import Workers
async def main():
    asyncio.ensure_future(Workers(1).run(threading.Event().wait))
    await asyncio.sleep(0.05)
asyncio.run(main())
"""
    assert subprocess.run([sys.executable, "-c", script], timeout=10, check=False).returncode == 0
