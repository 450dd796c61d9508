"""A house: two gateways that share a log, and agents behind both bindings, each a process that can be struck."""

import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from policies.identity.dev_issuer.secret import agent_credentials
from tests.crash.places import Place
from tests.support.replicas import (
    CALLED,
    FETCHING,
    PEOPLE,
    POLICIES,
    Process,
    Replica,
    free_port,
    knows,
    replica_in,
    share_keys,
    wait_until,
)

STEADY: Final = "steady"
"""Another agent that gateways call."""

AGENTS: Final = (CALLED, STEADY, FETCHING)
_FETCHERS: Final = 2
"""Processes of the agent that attaches."""

_MORE_PEOPLE: Final = f"""
[agents.{STEADY}]
client_ids = ["{STEADY}"]
groups = ["clerks"]
domain = "office"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """Who works here. `agents` are processes, by name and number; `servers` what can be killed and comes back."""

    folder: Path
    log: str
    gateways: tuple[Replica, Replica]
    agents: Mapping[str, Process]
    tokens: Mapping[str, str]
    servers: Mapping[str, Callable[[], None]]

    @property
    def journals(self) -> Mapping[str, Path]:
        """What each process of an agent notes."""
        return {name: _journal(self.folder, name) for name in self.agents}

    def has_fault(self, fault: str) -> None:
        """Have both gateways be wrong in one way from now on; in none, if it is empty."""
        _faults(self.folder).write_text(fault)


@contextmanager
def house(folder: Path, place: Place) -> Generator[House]:
    """Everybody, at work on the log of a place."""
    _faults(folder).write_text("")
    environment = {"MUTANT_FILE": str(_faults(folder))}
    program = "tests.crash.turns.gateway"
    a, b = (replica_in(folder / name, program=program, environment=environment) for name in "ab")
    with ExitStack() as opened:
        for replica, other in ((a, b), (b, a)):
            _configure(replica, other=other, public=a.url, place=place)
        if not place.url.startswith("sqlite:"):
            _upgrade(a)
        opened.callback(a.process.stop)
        a.process.start()
        opened.callback(b.process.stop)
        addresses = {name: f"127.0.0.1:{free_port()}" for name in (CALLED, STEADY)}
        agents = {name: _agent(name, name, ["--listen", at], folder=folder, a=a) for name, at in addresses.items()}
        for number in range(_FETCHERS):
            own = f"{FETCHING}-{number}"
            agents[own] = _agent(own, FETCHING, ["--gateway", b.url], folder=folder, a=a)
        for agent in agents.values():
            opened.callback(agent.stop)
            agent.begin()
        for name, process in agents.items():
            process.ready()
            if name in addresses:  # that it listens; and now that it is published
                process.ready()
        share_keys(a, b)
        _share_catalog(a, b)
        b.process.start()
        tokens = {name: a.served.token(name) for name in ("ada", "bob", "operator")}
        wait_until(lambda: all(knows(each, name, tokens["ada"]) for each in (a, b) for name in AGENTS))
        yield House(folder=folder, log=place.url, gateways=(a, b), agents=agents, tokens=tokens, servers=place.servers)


def _faults(folder: Path) -> Path:
    return folder / "fault"


def _journal(folder: Path, name: str) -> Path:
    return folder / f"{name}.journal"


def _configure(replica: Replica, *, other: Replica, public: str, place: Place) -> None:
    (replica.folder / "policies").mkdir()
    (replica.folder / "policies" / "tests.cedar").write_text(POLICIES)
    (replica.folder / "directory.toml").write_text(PEOPLE + _MORE_PEOPLE)
    hosts = [each.url.removeprefix("http://") for each in (replica, other)]
    lines = [
        'directory = "directory.toml"',
        'policies = "policies"',
        f'public_url = "{public}"',
        f'listen = {{ http = "{hosts[0]}", grpc = "{replica.grpc_address}" }}',
        f"web = {{ allowed_hosts = {json.dumps(hosts)} }}",
        f'log = {{ url = "{place.url}" }}',
        'push = { allowed_networks = ["127.0.0.0/8"] }',
        "limits = { calls_per_principal = 1000 }",
    ]
    if place.fabric:
        lines.append(f'fabric = {{ nats = "{place.fabric}" }}')
    (replica.folder / "interchange.toml").write_text("\n".join(lines) + "\n")


def _upgrade(replica: Replica) -> None:
    words = ["db", "upgrade", "--state", str(replica.folder / "state")]
    words += ["--config", str(replica.folder / "interchange.toml")]
    command = [sys.executable, "-m", "gateway.cli", *words]
    subprocess.run(command, check=True, capture_output=True, timeout=60)


def _share_catalog(a: Replica, b: Replica) -> None:
    """What was published at gateway `a` is known to gateway `b`, which has not been started."""
    names = [replica.folder / "state" / "catalog.db" for replica in (a, b)]
    with closing(sqlite3.connect(names[0])) as known, closing(sqlite3.connect(names[1])) as other:
        known.backup(other)


def _agent(own: str, name: str, where: list[str], *, folder: Path, a: Replica) -> Process:
    (folder / own).mkdir()
    command = ["tests.crash.turns.agent", name, "--journal", str(_journal(folder, own)), "--gateway", a.url, *where]
    return Process(command, folder / own, environment=agent_credentials(a.folder / "state", name))
