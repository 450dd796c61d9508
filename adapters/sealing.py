"""Sealing: what the databases of the adapters keep unreadable. `gateway.seal` does it with the gateway's keys."""

from typing import Protocol


class Seal(Protocol):
    """Makes bytes unreadable and unforgeable for whoever can read and write the database. A purpose is part of it."""

    def seal(self, data: bytes, *, purpose: str) -> bytes:
        """The sealed bytes."""
        ...

    def open(self, sealed: bytes, *, purpose: str) -> bytes:
        """The bytes that were sealed; raises where these are not ours, or were sealed for something else."""
        ...
