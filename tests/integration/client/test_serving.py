"""An agent as a process of its own in front of a real gateway: it makes itself known, answers, and ends in order."""

import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from interchange_client.agent import AgentCredentials, GatewayError, HttpGateway, PublishRefused
from interchange_client.manifest import About, write_manifest
from interchange_client.publish import publish, registry_mark

from policies.identity.dev_issuer.secret import agent_credentials
from tests.support.identity import read_claims
from tests.support.odd_service import Odd, odd_manifest, odd_service
from tests.support.served import PEOPLE, POLICIES, Served, interchange, published, served_gateway

AGENTS = """
[agents.greeter]
client_ids = ["greeter-client"]
domain = "tests"
[agents.loner]
client_ids = ["loner-client"]
domain = "tests"
"""
USES = """
@id("testers-talk-to-the-greeter")
permit(principal in Group::"testers", action == Action::"message", resource == Agent::"greeter");
@id("the-greeter-echoes-for-somebody")
permit(principal == Agent::"greeter", action == Action::"invoke", resource in Agent::"odd")
when { context.depth > 1 };
@id("the-loner-uses-everything")
permit(principal == Agent::"loner", action in Action::"use", resource in Domain::"tests");
@id("the-greeter-sees-what-there-is")
permit(principal == Agent::"greeter", action == Action::"list", resource in Agent::"odd");
"""
GREETER = Path(__file__).parent / "greeter.py"


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Generator[Odd]:
    with odd_service(tmp_path_factory.mktemp("odd")) as service:
        yield service


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, odd: Odd) -> Generator[Served]:
    folder = tmp_path_factory.mktemp("gateway")
    with served_gateway(folder, people=PEOPLE + AGENTS, policies=POLICIES + USES) as served:
        published(served, odd_manifest(folder), odd.target)
        yield served


@contextmanager
def process_of(
    gateway: Served, *, client: str = "greeter-client", title: str = "Greeter"
) -> Generator["subprocess.Popen[str]"]:
    command = [sys.executable, str(GREETER), gateway.url, title]
    environment = {**os.environ, **agent_credentials(gateway.state, client)}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def next_line(process: "subprocess.Popen[str]") -> str:
    line = process.stdout.readline() if process.stdout else ""
    if not line:
        pytest.fail(process.communicate()[1])
    return line.rstrip("\n")


@pytest.fixture
def greeter(gateway: Served) -> Generator["subprocess.Popen[str]"]:
    with process_of(gateway) as process:
        assert next_line(process).startswith("listening 127.0.0.1:")
        assert next_line(process) == "published greeter"
        yield process


def credentials(gateway: Served, client: str) -> AgentCredentials:
    known = agent_credentials(gateway.state, client)
    return AgentCredentials(gateway.url, known["INTERCHANGE_CLIENT_ID"], known["INTERCHANGE_CLIENT_SECRET"])


@pytest.mark.usefixtures("greeter")
def test_ten_lines_are_an_agent_that_works_for_whoever_asks(gateway: Served, odd: Odd) -> None:
    answer = gateway.call("greeter", {"message": "hello"}, token=gateway.token("tester")).json()

    assert answer["result"]["structuredContent"]["text"] == "You said hello."
    claims = read_claims(odd.tokens[-1])
    assert (claims["sub"], claims["act"]) == ("tester", {"sub": "agent:greeter"}), "the service knows for whom"


@pytest.mark.usefixtures("greeter")
async def test_an_agent_alone_sees_and_calls_what_it_may_alone(gateway: Served) -> None:
    async with HttpGateway(credentials(gateway, "greeter-client")) as alone:
        skills = await alone.skills()
        refused = await alone.call("odd.echo", {"text": "hello"})
        unknown = await alone.call("odd.nothing", {})

    assert "odd.echo" in {skill.id for skill in skills}
    assert (refused.is_error, refused.code) == (True, "denied")
    assert (unknown.is_error, unknown.code, unknown.text) == (True, "unknown", "Unknown tool: odd.nothing")


@pytest.mark.usefixtures("greeter")
async def test_one_agent_asks_another(gateway: Served, odd: Odd) -> None:
    async with HttpGateway(credentials(gateway, "loner-client")) as loner:
        answer = await loner.ask("greeter", "hello")
        again = await loner.ask("greeter", "hello again", conversation=answer.conversation)
        nobody = await loner.ask("nobody", "hello")

    assert (answer.text, answer.state) == ("You said hello.", "completed")
    assert again.conversation == answer.conversation != ""
    assert read_claims(odd.tokens[-1])["act"] == {"sub": "agent:greeter"}
    assert (nobody.is_error, nobody.code) == (True, "unknown")


@pytest.mark.usefixtures("greeter")
async def test_a_turn_that_nobody_has_in_hand_opens_no_door(gateway: Served) -> None:
    async with HttpGateway(credentials(gateway, "greeter-client")) as outward:
        with pytest.raises(GatewayError) as raised:
            await outward.call("odd.echo", {"text": "hello"}, turn_token="made.up.token")
    assert raised.value.code in {"unauthenticated", "denied"}


async def test_an_agent_publishes_nothing_but_itself(gateway: Served) -> None:
    loner = credentials(gateway, "loner-client")
    abouts: list[tuple[About, str]] = [
        ({"name": "stranger", "domain": "tests"}, "agent loner's, and the manifest is about stranger"),
        ({"name": "odd", "domain": "elsewhere"}, "agent loner's, and the manifest is about odd"),
        ({"name": "loner", "domain": "elsewhere"}, "has loner in the domain tests, and the manifest says elsewhere"),
        ({"name": "Not A Name", "domain": "tests"}, "No policy permits"),
    ]
    for about, why in abouts:
        with pytest.raises(PublishRefused, match=why) as raised:
            await publish(write_manifest(about), credentials=loner, target="127.0.0.1:1")
        assert not raised.value.retryable
    with pytest.raises(PublishRefused, match="allowed_targets"):
        await publish(write_manifest({"name": "loner", "domain": "tests"}), credentials=loner, target="10.9.8.7:1")


async def test_publishing_again_changes_nothing_and_a_change_waits(gateway: Served) -> None:
    loner = credentials(gateway, "loner-client")

    async def outcomes(**more: Any) -> list[str]:
        about: Any = {"name": "loner", "domain": "tests", **more}
        return [
            change.outcome for change in await publish(write_manifest(about), credentials=loner, target="127.0.0.1:9")
        ]

    assert await outcomes() == ["live", "bound"]
    assert await outcomes() == ["unchanged"]
    assert await outcomes(description="Says more.") == ["waiting"]


async def test_a_place_that_is_taken_is_left_alone_and_a_move_is_in_the_gateways_log(gateway: Served) -> None:
    loner, manifest = credentials(gateway, "loner-client"), write_manifest({"name": "loner", "domain": "tests"})

    async def told(target: str, **how: Any) -> list[tuple[str, list[str]]]:
        changes = await publish(manifest, credentials=loner, target=target, **how)
        return [(change.outcome, list(change.differences)) for change in changes]

    await told("127.0.0.1:9")
    before = await registry_mark(gateway.url)
    assert await told("127.0.0.1:10", if_vacant=True) == [("unchanged", []), ("elsewhere", ["127.0.0.1:9"])]
    assert await told("127.0.0.1:9", if_vacant=True) == [("unchanged", [])]
    assert await registry_mark(gateway.url) == before, "nothing changed"

    assert await told("127.0.0.1:10") == [("unchanged", []), ("bound", [])]
    assert await registry_mark(gateway.url) != before
    assert "loner moved from 127.0.0.1:9 to 127.0.0.1:10, published by agent:loner" in gateway.log()

    bound = interchange(gateway, "registry", "bind", "loner", "--target", "127.0.0.1:11")
    assert bound.returncode == 0, bound.stderr
    assert await told("127.0.0.1:10", if_vacant=True) == [("unchanged", []), ("elsewhere", [])], "an operator's choice"


def test_a_client_that_is_another_agents_ends_the_process_with_the_reason(gateway: Served) -> None:
    with process_of(gateway, client="loner-client") as process:
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert errors.count("\n") == 1, errors
    assert errors.endswith("This credential is agent loner's, and the manifest is about greeter.\n")


def test_a_wrong_secret_ends_the_process_and_names_the_variables(gateway: Served) -> None:
    environment = {**os.environ, "INTERCHANGE_CLIENT_ID": "greeter-client", "INTERCHANGE_CLIENT_SECRET": "guess"}
    ended = subprocess.run(
        [sys.executable, str(GREETER), gateway.url, "Greeter"],
        capture_output=True,
        text=True,
        env=environment,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 1
    assert "check INTERCHANGE_CLIENT_ID and INTERCHANGE_CLIENT_SECRET" in ended.stderr
    assert "guess" not in ended.stderr


def test_an_agent_stops_when_it_is_told_to(gateway: Served) -> None:
    with process_of(gateway) as process:
        assert next_line(process).startswith("listening")
        assert next_line(process) == "published greeter"
        process.terminate()
        _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (0, "")


def test_what_waits_for_approval_is_said_and_the_agent_goes_on_as_before(gateway: Served) -> None:
    with process_of(gateway, title="Great greeter") as process:
        assert next_line(process).startswith("listening")
        assert next_line(process) == "published greeter"
        process.terminate()
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "registry approve greeter" in errors
    assert errors.count("\n") == 1


def test_operators_see_where_it_is(gateway: Served, greeter: "subprocess.Popen[str]") -> None:
    shown = interchange(gateway, "registry", "show", "greeter")
    assert "127.0.0.1" in shown.stdout, shown.stderr
