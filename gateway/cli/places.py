"""Which gateway a command line means: what its options say, else the environment, else what is found on this machine.

Every command that talks to a gateway asks here, so that they all find the same one. Without options and variables the
state folders `state/demo` and `state` are looked at in this order, those whose gateway runs now first.
"""

import argparse
import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from gateway.cli.credentials import gateway_of
from gateway.state import Whereabouts, hold, read_whereabouts
from policies.identity.urls import is_loopback, origin
from registry.model import BadRequest, Refused

DEFAULT_STATES = (Path("state/demo"), Path("state"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A state folder, and where its gateway is, or was last if it does not run now."""

    folder: Path
    where: Whereabouts
    runs: bool


def add_place(parser: argparse.ArgumentParser) -> None:
    """The options that say which gateway."""
    parser.add_argument("--url", help="the gateway's URL, with or without /mcp (or INTERCHANGE_URL)")
    parser.add_argument(
        "--state",
        type=Path,
        metavar="DIR",
        help="the gateway's state folder (or INTERCHANGE_STATE); default: state/demo or state, whichever runs",
    )


def named_state(state: Path | None) -> Path | None:
    """The state folder that the option names, or else the environment."""
    named = os.environ.get("INTERCHANGE_STATE")
    return state or (Path(named) if named else None)


def find_places(state: Path | None) -> list[Place]:
    """The gateway of a state folder (None: of each that is looked at); those that run come first."""
    named = named_state(state)
    found = [
        Place(folder=folder, where=where, runs=_is_held(folder))
        for folder in ((named,) if named else DEFAULT_STATES)
        if (where := read_whereabouts(folder)) is not None
    ]
    return sorted(found, key=lambda place: not place.runs)


def gateway_url(*, url: str | None, state: Path | None) -> str:
    """The gateway's own URL, of the one that is meant.

    Raises:
        BadRequest: none is known, what was named is not a URL, or a token would travel to it in the clear.
    """
    named = url or (None if state else os.environ.get("INTERCHANGE_URL"))
    if not named:
        found = find_places(state)
        if not found:
            where = named_state(state) or " or ".join(map(str, DEFAULT_STATES))
            raise BadRequest(
                f"Which gateway? None has run in {where} here: name its URL with --url, or its state folder with"
                " --state."
            )
        named = found[0].where.public_url
    named = with_scheme(named)
    if urlsplit(origin(named)).scheme not in {"http", "https"}:
        raise BadRequest(f"{named} is not a URL of a gateway, such as http://127.0.0.1:8420.")
    if not origin(named).startswith("https://") and not is_loopback(named):
        raise BadRequest(f"{named} is neither https nor this machine: a token would travel in the clear.")
    return gateway_of(named)


def with_scheme(named: str) -> str:
    """A URL as it is; of a bare `host:port`, with the scheme that a token may travel by."""
    if "://" in named:
        return named
    plain = f"http://{named}"
    return plain if is_loopback(plain) else f"https://{named}"


def folder_of(url: str, *, state: Path | None) -> Path:
    """The state folder of the gateway at a URL.

    Raises:
        BadRequest: none is named, and none that is looked at is that gateway's.
    """
    named = named_state(state)
    if named is not None:
        return named
    found = next((place for place in find_places(None) if is_same(place.where.public_url, url)), None)
    if found is None:
        raise BadRequest(
            f"Neither state/demo nor state here belongs to the gateway at {url}: name its folder by --state."
        )
    return found.folder


def is_same(url: str, other: str) -> bool:
    """Whether two URLs name one gateway; this machine has several names."""
    if gateway_of(url) == gateway_of(other):
        return True
    return is_loopback(url) and is_loopback(other) and urlsplit(url).port == urlsplit(other).port


def _is_held(folder: Path) -> bool:
    if not (folder / "lock").exists():
        return False
    try:
        with hold(folder):
            return False
    except Refused:
        return True
