"""Room for a demo: one at a time on a state folder and on its ports, which is seen before anything is started.

A second demo on the folder of the first would give its agent the same credential, and so take the place of the first
one's agent. Therefore a demo has the folder from its first moment, long before its gateway can take it.
"""

import fcntl
import os
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from gateway.cli.ports import check_free
from gateway.state import hold, read_whereabouts
from registry.model import Refused

CURE = 'use it, stop it, or make demo ARGS="--port 8430 --state state/demo2".'


@contextmanager
def room(state: Path, *, ports: Sequence[int]) -> Generator[None]:
    """Have the state folder for one demo until the context ends, if the ports are free too.

    Raises:
        BadRequest: a number cannot be a port.
        Refused: another demo has the folder, a gateway has it, or a port is taken.
    """
    os.umask(0o077)
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (state / "demo.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Refused(f"A demo already runs here ({_holder(lock, state)}): {CURE}") from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        with hold(state):  # until the gateway itself does
            pass
        for port in ports:
            check_free(port, cure=f"If another demo or gateway listens there, {CURE}")
        yield


def _holder(lock: TextIO, state: Path) -> str:
    """The process that has the folder, and where its gateway is, as soon as it is somewhere."""
    lock.seek(0)
    pid, where = lock.read().strip(), read_whereabouts(state)
    if where is None or str(where.pid) != pid:
        return f"process {pid}"
    return f"process {pid}, {where.public_url}"
