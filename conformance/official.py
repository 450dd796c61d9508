"""The official MCP conformance suite, run against one URL for one revision.

    python -m conformance.official --url http://127.0.0.1:8420/mcp --revision 2026-07-28 --expected-failures FILE

The token comes from the environment (INTERCHANGE_TOKEN) and is added by a loopback proxy. The suite is a Node program
from the packages of `--packages`; what it judges, and what its baseline means, is its own business: an unexpected
failure and an expected one that no longer happens both fail the run.
"""

import argparse
import asyncio
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from conformance.node import environment, install, node
from conformance.token_proxy import token_proxy

REVISIONS = ("2025-11-25", "2026-07-28")
SUITE = Path("@modelcontextprotocol") / "conformance" / "dist" / "index.js"
SUITE_SECONDS = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """One run of the suite. `packages` is a folder whose lock file has the suite in it."""

    url: str
    revision: str
    packages: Path
    expected_failures: Path | None = None
    output: Path | None = None
    scenario: str = ""


async def examine(examination: Examination) -> int:
    """Run the suite, its report on standard output, and return its exit code: 0 when all is as expected.

    Raises:
        TimeoutError: it did not end in time.
    """
    suite = install(examination.packages) / SUITE
    process = await asyncio.create_subprocess_exec(
        str(node()), str(suite), *_arguments(examination), env=environment(), stdin=subprocess.DEVNULL
    )
    try:
        return await asyncio.wait_for(process.wait(), SUITE_SECONDS)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def _arguments(examination: Examination) -> list[str]:
    arguments = ["server", "--url", examination.url, "--requirements", examination.revision]
    if examination.scenario:
        arguments = ["server", "--url", examination.url, "--scenario", examination.scenario]
        arguments += ["--spec-version", examination.revision]
    if examination.expected_failures is not None:
        arguments += ["--expected-failures", str(examination.expected_failures)]
    return [*arguments, "-o", str(examination.output)] if examination.output is not None else arguments


async def examine_with_token(examination: Examination, *, token: str) -> int:
    """The same through a proxy that adds a token."""
    parts = urlsplit(examination.url)
    async with token_proxy(host=parts.hostname or "127.0.0.1", port=parts.port or 80, token=token) as port:
        through = parts._replace(netloc=f"127.0.0.1:{port}").geturl()
        return await examine(replace(examination, url=through))


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="conformance.official", description="Runs the official MCP suite.")
    parser.add_argument("--url", required=True, help="the MCP endpoint")
    parser.add_argument("--revision", required=True, choices=REVISIONS)
    parser.add_argument("--expected-failures", type=Path, metavar="FILE", help="a baseline, as the suite defines it")
    parser.add_argument("--packages", type=Path, default=Path("tests/clients"), help="where npm's lock file is")
    parser.add_argument("--output", type=Path, metavar="DIR", help="keep every check as JSON here")
    parser.add_argument("--scenario", default="", help="only this one")
    options = parser.parse_args(words)
    examination = Examination(
        url=options.url,
        revision=options.revision,
        packages=options.packages,
        expected_failures=options.expected_failures,
        output=options.output,
        scenario=options.scenario,
    )
    token = os.environ.get("INTERCHANGE_TOKEN", "")
    return asyncio.run(examine_with_token(examination, token=token) if token else examine(examination))


if __name__ == "__main__":
    sys.exit(main())
