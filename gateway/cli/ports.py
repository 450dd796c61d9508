"""Ports of this machine: which there are, which are free, and one to take. Nothing here stays open."""

import socket

from registry.model import BadRequest, Refused


def free_port() -> int:
    """A port of loopback that nobody has at the moment."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        port: int = door.getsockname()[1]
        return port


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
