"""The crash test of turns by hand.

    python -m tests.crash.turns --engine sqlite --seconds 300
    python -m tests.crash.turns --engine sqlite --fault "leases are not extended"

Prints figures, and ends with 1 if a promise was broken.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from tests.crash.places import Place, postgres_place, sqlite_place, with_nats
from tests.crash.turns.gateway import FAULTS
from tests.crash.turns.house import house
from tests.crash.turns.run import Manner, weather


@contextmanager
def place_of(engine: str, folder: Path) -> Generator[Place]:
    """A SQLite file that both gateways open; or a PostgreSQL and a NATS, which can be killed as well."""
    if engine == "sqlite":
        with sqlite_place(folder) as place:
            yield place
        return
    with postgres_place() as place, with_nats(place) as reached:
        yield reached


def main() -> int:
    asked = _arguments()
    broken = False
    for engine in ("sqlite", "postgres") if asked.engine == "both" else (asked.engine,):
        print(f"\n== {engine}, seed {asked.seed}", flush=True)
        with tempfile.TemporaryDirectory(prefix="interchange-turns-") as folder:
            with place_of(engine, Path(folder)) as place, house(Path(folder), place) as opened:
                opened.has_fault(asked.fault)
                manner = Manner(lanes=asked.lanes, pace=asked.pace)
                report = asyncio.run(weather(opened, seconds=asked.seconds, seed=asked.seed, manner=manner))
            print(report, flush=True)
        broken = broken or bool(report.violations)
    return int(broken)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.crash.turns")
    parser.add_argument("--engine", choices=["sqlite", "postgres", "both"], default="both")
    parser.add_argument(
        "--seconds", type=float, default=60.0, help="on each engine, without what comes before and after"
    )
    parser.add_argument("--lanes", type=int, default=2, help="conversations of each person with each agent")
    parser.add_argument("--pace", type=float, default=0.3, help="seconds between two messages of one of them")
    parser.add_argument("--fault", choices=FAULTS, default="")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
