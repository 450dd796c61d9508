"""The crash test by hand.

    python -m tests.crash run --engine sqlite --seconds 60     kill, stop and mislead
    python -m tests.crash cut --engine postgres --cuts 20      cut the power

Prints figures, and ends with 1 if a promise was broken.
"""

import argparse
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from tests.crash.mutants import FORGETFUL, MUTANTS
from tests.crash.places import postgres_place, sqlite_place, with_nats
from tests.crash.power import CUTS
from tests.crash.report import Report
from tests.crash.run import run
from tests.crash.setting import Setting


def main() -> int:
    asked = _arguments()
    engines = ("sqlite", "postgres") if asked.engine == "both" else (asked.engine,)
    acknowledged, broken = 0, False
    for engine in engines:
        print(f"\n== {engine}, seed {asked.seed}", flush=True)
        with tempfile.TemporaryDirectory(prefix="interchange-crash-") as folder:
            setting = _setting(asked, Path(folder))
            if asked.what == "cut":
                report = CUTS[engine](setting, cuts=asked.cuts, apart=300)
            else:
                report = _run(asked, engine, setting, asked.seconds / len(engines))
        print(report, flush=True)
        acknowledged += report.figures["acknowledged"]
        broken = broken or bool(report.violations)
    print(
        f"\n{acknowledged:,} acknowledged messages; {'VIOLATIONS' if broken else 'nothing lost, repeated or reordered'}"
    )
    return 1 if broken or acknowledged < asked.at_least else 0


def _run(asked: argparse.Namespace, engine: str, setting: Setting, seconds: float) -> Report:
    with ExitStack() as opened:
        place = opened.enter_context(sqlite_place(setting.folder) if engine == "sqlite" else postgres_place())
        if asked.fabric == "nats":
            place = opened.enter_context(with_nats(place))
        return run(setting, place, seconds=seconds)


def _setting(asked: argparse.Namespace, folder: Path) -> Setting:
    """A mutant is looked for with short leases, and many who stay too long."""
    if asked.mutant:
        return Setting(url="", folder=folder, seed=asked.seed, mutant=asked.mutant, lease=0.3, overstay=0.1)
    return Setting(url="", folder=folder, seed=asked.seed, conversations=24)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.crash")
    parser.add_argument("what", choices=["run", "cut"])
    parser.add_argument("--engine", choices=["sqlite", "postgres", "both"], default="both")
    parser.add_argument("--seconds", type=float, default=60.0, help="of a run in all, without draining and checking")
    parser.add_argument("--cuts", type=int, default=10, help="of the power, on each engine")
    parser.add_argument("--at-least", type=int, default=0, help="acknowledged messages, in all")
    parser.add_argument("--fabric", choices=["nats"], help="between the processes; none without it")
    parser.add_argument("--mutant", choices=sorted(MUTANTS | FORGETFUL), default="")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
