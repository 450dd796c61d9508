"""`make conform`: the official MCP suite, both revisions, against a gateway with the fixture service behind it.

Nothing is special here: the gateway is the ordinary one with its own folder of policies, the fixture an ordinary
service that is published like any other, and the suite comes with the token of a person of the directory.
"""

import argparse
import asyncio
import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path

import grpc
from interchange.v1 import registry_pb2, registry_pb2_grpc

from conformance.official import REVISIONS, Examination, examine_with_token

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
BASELINES = ROOT / "conformance" / "official"
PERSONA = "conformance"
INTERCHANGE = (sys.executable, "-m", "gateway.cli")


def main() -> int:
    parser = argparse.ArgumentParser(description="Runs the official MCP conformance suite against the gateway.")
    parser.add_argument("--revision", choices=REVISIONS, action="append", help="only this one; may be repeated")
    parser.add_argument("--scenario", default="", help="only this one, without a baseline")
    parser.add_argument("--output", type=Path, default=ROOT / "results" / "conformance", metavar="DIR")
    options = parser.parse_args()
    with _fixture_gateway() as (url, token):
        codes = {
            revision: asyncio.run(examine_with_token(_examination(url, revision, options), token=token))
            for revision in options.revision or REVISIONS
        }
    print("\nThe official MCP conformance suite:")
    for revision, code in codes.items():
        print(f"  {revision}  {'as expected' if code == 0 else f'NOT as expected (exit code {code})'}")
    return max(codes.values())


def _examination(url: str, revision: str, options: argparse.Namespace) -> Examination:
    return Examination(
        url=url,
        revision=revision,
        packages=ROOT / "tests" / "clients",
        expected_failures=None if options.scenario else BASELINES / f"{revision}.yml",
        output=options.output / revision,
        scenario=options.scenario,
    )


@contextlib.contextmanager
def _fixture_gateway() -> Generator[tuple[str, str]]:
    """A gateway with the fixture published: its MCP URL and a token."""
    with contextlib.ExitStack() as started:
        state = started.enter_context(tempfile.TemporaryDirectory(prefix="interchange-conformance-"))
        serve = (*INTERCHANGE, "serve", "--config", str(HERE / "interchange.toml"), "--state", state)
        where = json.loads(started.enter_context(_process([*serve, "--port", "0", "--json"])))
        token = _token(state)
        outside = {"INTERCHANGE_GATEWAY": where["grpc_address"], "INTERCHANGE_TOKEN": token}
        line = started.enter_context(_process([sys.executable, str(HERE / "server.py")], outside))
        _publish(where["grpc_address"], token, target=line.split()[1])
        yield where["mcp_url"], token


@contextlib.contextmanager
def _process(command: Sequence[str], more: Mapping[str, str] | None = None) -> Generator[str]:
    """A process, and the first line it prints; stopped by SIGTERM with the context."""
    environment = {**os.environ, **(more or {})}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:  # noqa: S603
        try:
            line = process.stdout.readline() if process.stdout else ""
            if not line:
                raise SystemExit(f"{' '.join(command[1:4])} did not start")
            yield line
        finally:
            process.terminate()
            try:
                process.wait(timeout=8)
            except subprocess.TimeoutExpired:
                process.kill()


def _token(state: str) -> str:
    command = [*INTERCHANGE, "token", "--as", PERSONA, "--state", state]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()  # noqa: S603


def _publish(gateway: str, token: str, *, target: str) -> None:
    request = registry_pb2.PublishRequest(
        manifest=(HERE / "interchange.manifest.json").read_text(),
        binding=registry_pb2.Binding(kind="grpc", targets=[target]),
    )
    with grpc.insecure_channel(gateway) as channel:
        registry = registry_pb2_grpc.RegistryStub(channel)
        registry.Publish(request, metadata=(("authorization", f"Bearer {token}"),), timeout=30)


if __name__ == "__main__":
    sys.exit(main())
