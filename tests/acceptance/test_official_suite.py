"""The official MCP conformance suite, both revisions, against the fixture service behind a real gateway."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("revision", ["2026-07-28", "2025-11-25"])
def test_every_scenario_passes_but_those_the_baseline_gives_a_reason_for(revision: str) -> None:
    outcome = subprocess.run(
        [sys.executable, "examples/conformance/run.py", "--revision", revision],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stdout[-4000:] + outcome.stderr[-2000:]
