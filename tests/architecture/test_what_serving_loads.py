"""What a gateway has in memory before the first call: nothing large that serving does not need."""

import subprocess
import sys

import pytest

LOADED = "import sys, gateway.cli.serve; print(*sys.modules)"


@pytest.fixture(scope="module")
def loaded() -> frozenset[str]:
    out = subprocess.run([sys.executable, "-c", LOADED], check=True, capture_output=True, text=True)
    return frozenset(out.stdout.split())


@pytest.mark.parametrize(
    "module",
    [
        "alembic",  # until there is something to migrate
        "asyncpg",  # until the log is in a PostgreSQL
        "fastmcp",
        "google.api_core",
        "langchain_core",  # until a graph is hosted
        "langgraph",
        "nats",  # until other gateways are to be woken
    ],
)
def test_serving_does_not_load(module: str, loaded: frozenset[str]) -> None:
    assert module not in loaded


def test_serving_loads_the_faces(loaded: frozenset[str]) -> None:
    assert {"a2a.server.routes", "gateway.a2a.face", "gateway.mcp.face"} <= loaded
