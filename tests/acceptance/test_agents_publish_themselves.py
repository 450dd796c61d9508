"""An agent at the operators' door with its own token: it may bring itself along, and nobody and nothing else."""

from collections.abc import Generator
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from interchange_client.manifest import About, write_manifest

from gateway.cli.door import GrpcOperations
from gateway.cli.registry import SERVICE
from policies.identity.dev_issuer.secret import agent_credentials
from registry.model import Denied, JsonObject, JsonValue, Refused
from tests.support.pets import pets
from tests.support.served import PEOPLE, Served, served_gateway

AGENTS = """
[agents.greeter]
client_ids = ["greeter-client"]
domain = "tests"
[agents.pets]
client_ids = ["pets-client"]
domain = "zoo"
[agents.drifter]
client_ids = ["drifter-client"]
"""
HERE: JsonObject = {"kind": "grpc", "targets": ["127.0.0.1:9"]}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    folder: Path = tmp_path_factory.mktemp("gateway")
    with served_gateway(folder, people=PEOPLE + AGENTS) as served:
        yield served


def agent_token(gateway: Served, client: str) -> str:
    secret = agent_credentials(gateway.state, client)["INTERCHANGE_CLIENT_SECRET"]
    form = {"grant_type": "client_credentials", "resource": gateway.url}
    answer = httpx.post(f"{gateway.issuer}/token", data=form, auth=(client, secret)).raise_for_status()
    return str(answer.json()["access_token"])


def perform(gateway: Served, client: str, operation: str, **content: JsonValue) -> dict[str, str]:
    """What becomes of each name when an agent asks."""
    door = GrpcOperations(gateway.grpc_address, agent_token(gateway, client), service=SERVICE)
    changes = cast("list[dict[str, Any]]", door.perform(operation, content).get("changes", []))
    return {change["name"]: change["outcome"] for change in changes}


def manifest_of(name: str, domain: str = "tests") -> str:
    return write_manifest({"name": name, "domain": domain})


def test_an_agent_publishes_binds_and_retires_itself(gateway: Served) -> None:
    assert perform(gateway, "greeter-client", "Publish", manifest=manifest_of("greeter"), binding=HERE) == {
        "greeter": "bound"
    }
    assert perform(gateway, "greeter-client", "Bind", name="greeter", binding={"targets": ["127.0.0.1:10"]})
    assert perform(gateway, "greeter-client", "Retire", name="greeter", reason="I sleep") == {"greeter": "retired"}
    assert perform(gateway, "greeter-client", "Publish", manifest=manifest_of("greeter")) == {"greeter": "live"}


def test_methods_that_an_agent_describes_itself_wait_for_somebody_else(gateway: Served) -> None:
    """It could have the gateway call any service whose address it can name."""
    assert perform(gateway, "pets-client", "Publish", manifest=pets()) == {
        "pets": "live",
        "pets.find": "waiting",
        "pets.feed": "waiting",
    }
    with pytest.raises(Denied):
        perform(gateway, "pets-client", "Approve", name="pets.find")


@pytest.mark.parametrize(
    ("client", "manifest"),
    [
        ("greeter-client", manifest_of("pets", "zoo")),
        ("greeter-client", manifest_of("pets")),
        ("greeter-client", manifest_of("greeter", "hiring")),
        ("greeter-client", pets()),
        ("pets-client", manifest_of("greeter")),
        ("drifter-client", manifest_of("drifter")),
    ],
)
def test_an_agent_publishes_nobody_else_and_in_no_other_domain(gateway: Served, client: str, manifest: str) -> None:
    with pytest.raises(Denied):
        perform(gateway, client, "Publish", manifest=manifest)


def test_an_overlay_gives_an_agent_no_other_domain(gateway: Served) -> None:
    overlay = "agents: {interchange.v1.ConversingAgent: {domain: hiring}}"
    with pytest.raises(Denied):
        perform(gateway, "greeter-client", "Publish", manifest=manifest_of("greeter"), overlay=overlay)


def test_an_agent_touches_no_other_agent_and_keeps_no_catalog(gateway: Served) -> None:
    perform(gateway, "pets-client", "Publish", manifest=pets())
    for operation, content in (
        ("Bind", {"name": "pets", "binding": HERE}),
        ("Bind", {"name": "nobody", "binding": HERE}),
        ("Retire", {"name": "pets", "reason": "mine now"}),
        ("Retire", {"name": "pets.find", "reason": "mine now"}),
        ("Discover", {"target": "127.0.0.1:9"}),
        ("Import", {"descriptorSet": ""}),
        ("Diff", {"manifest": manifest_of("greeter")}),
        ("Diff", {"name": "greeter"}),
        ("Approve", {"name": "greeter"}),
    ):
        with pytest.raises(Denied):
            perform(gateway, "greeter-client", operation, **content)  # pyright: ignore[reportArgumentType]


def test_an_agent_is_bound_nowhere_that_nothing_may_be(gateway: Served) -> None:
    perform(gateway, "greeter-client", "Publish", manifest=manifest_of("greeter"))
    with pytest.raises(Refused, match="allowed_targets"):
        perform(gateway, "greeter-client", "Bind", name="greeter", binding={"targets": ["169.254.169.254:80"]})


def test_a_favour_for_itself_waits_for_somebody_else(gateway: Served) -> None:
    perform(gateway, "greeter-client", "Publish", manifest=manifest_of("greeter"))
    greeter: About = {"name": "greeter", "domain": "tests"}
    favours: list[About] = [
        {**greeter, "tags": ["trusted"]},
        {**greeter, "visibility": "public"},
        {**greeter, "classification": "public"},
    ]
    for favour in favours:
        waiting = perform(gateway, "greeter-client", "Publish", manifest=write_manifest(favour))
        assert waiting == {"greeter": "waiting"}
