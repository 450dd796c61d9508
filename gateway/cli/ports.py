"""Ports of this machine: which there are, which are free, and one to take. Nothing here stays open."""

import random
import socket

from registry.model import BadRequest, Refused

SAFE = range(10_240, 32_768)
"""Ports that no outgoing connection is given by itself, so that one that is free now is still free in a moment."""


def free_port() -> int:
    """A port of loopback that nobody has at the moment."""
    for port in random.sample(SAFE, 50):
        with socket.socket() as door:
            try:
                door.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    with socket.create_server(("127.0.0.1", 0)) as door:
        found: int = door.getsockname()[1]
        return found


def checked_port(port: int) -> int:
    """The number, if it can be a port.

    Raises:
        BadRequest: it cannot.
    """
    if not 0 <= port <= 65535:
        raise BadRequest(f"{port} cannot be a port, which is a number from 0 to 65535: see --port and --grpc-port.")
    return port


def check_free(port: int, *, cure: str) -> None:
    """See that nobody listens on a port of loopback.

    Raises:
        BadRequest: the number cannot be a port.
        Refused: somebody does; `cure` says what to do then.
    """
    with socket.socket() as door:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # what has just closed is free
        try:
            door.bind(("127.0.0.1", checked_port(port)))
        except OSError as error:
            raise Refused(f"Cannot listen on 127.0.0.1:{port}: {error.strerror}. {cure}") from None
