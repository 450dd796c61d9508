"""Attacks on the operators' door by somebody who may only look: what is above their clearance, what is not live, where
agents are bound and who published them stays with those who keep the catalog."""

import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

import grpc
import pytest
from interchange.v1 import registry_pb2 as pb
from interchange.v1 import registry_pb2_grpc

from tests.support.pets import pets
from tests.support.served import Served, served_gateway

PEOPLE = """
[persons.keeper]
groups = ["lookers", "publishers", "pinners"]
domain = "zoo"
clearance = "restricted"
[persons.publisher]
groups = ["lookers", "publishers"]
domain = "zoo"
[persons.pinner]
groups = ["lookers", "pinners"]
domain = "zoo"
[persons.intern]
groups = ["lookers"]
domain = "zoo"
[persons.user]
groups = ["users"]
domain = "zoo"
"""
POLICIES = """
@id("look") permit(principal in Group::"lookers", action == Action::"list", resource in Domain::"zoo");
@id("use") permit(principal in Group::"users", action == Action::"list", resource is Skill in Domain::"zoo");
@id("publish") permit(principal in Group::"publishers", action == Action::"publish", resource is Catalog);
@id("pin") permit(principal in Group::"pinners", action == Action::"pin", resource is Catalog);
"""
SECRET = "the missing crown"
RESTRICTED = (
    "{ read_only: true }",
    "{ read_only: true classification: CLASSIFICATION_RESTRICTED }",
)
HIDDEN = (("Finds animals.", f"Finds {SECRET}."), RESTRICTED)
HIDDEN_AGENT = (
    ('{ domain: "zoo" }', f'{{ domain: "zoo" title: "Keeps {SECRET}" classification: CLASSIFICATION_RESTRICTED }}'),
    ("{ read_only: true }", "{ read_only: true classification: CLASSIFICATION_INTERNAL }"),
    ("(interchange.v1.skill) = {}", "(interchange.v1.skill) = { classification: CLASSIFICATION_INTERNAL }"),
)
TARGET = "127.0.0.1:5001"


class Desk:
    """The operators' door of a gateway, for anybody."""

    def __init__(self, served: Served) -> None:
        self._served = served
        self._channel: Any = grpc.insecure_channel(served.grpc_address)
        self._stub: Any = registry_pb2_grpc.RegistryStub(self._channel)

    def ask(self, persona: str, operation: str, request: Any) -> Any:
        metadata = (("authorization", f"Bearer {self._served.token(persona)}"),)
        return getattr(self._stub, operation)(request, metadata=metadata, timeout=20)

    def refusal(self, persona: str, operation: str, request: Any) -> tuple[grpc.StatusCode, str]:
        """The status and the sentence, without the name that was asked for."""
        with pytest.raises(grpc.RpcError) as caught:
            self.ask(persona, operation, request)
        error: Any = caught.value
        return error.code(), str(error.details()).replace(getattr(request, "name", "") or "?", "…")

    def publish(self, *changes: tuple[str, str], approved: bool = False) -> None:
        self.ask("keeper", "Publish", pb.PublishRequest(manifest=pets(*changes)))
        if approved:
            self.ask("keeper", "Approve", pb.ApproveRequest(name="pets"))

    def shown(self, persona: str, name: str, revision: int = 0) -> dict[str, Any]:
        return json.loads(self.ask(persona, "Show", pb.ShowRequest(name=name, revision=revision)).document)

    def names(self, persona: str, *, everything: bool = False) -> list[str]:
        items = self.ask(persona, "List", pb.ListRequest(all=everything)).items
        return [f"{item.name} {item.revision} {item.state}" for item in items]

    def close(self) -> None:
        self._channel.close()


@pytest.fixture
def desk(tmp_path: Path) -> Generator[Desk]:
    with served_gateway(tmp_path, people=PEOPLE, policies=POLICIES) as served:
        opened = Desk(served)
        yield opened
        opened.close()


NO_SUCH = (grpc.StatusCode.NOT_FOUND, "There is no agent or skill ….")


def test_a_waiting_revision_above_the_clearance_is_not_read(desk: Desk) -> None:
    desk.publish()
    desk.publish(*HIDDEN)
    assert SECRET in str(desk.ask("keeper", "Diff", pb.DiffRequest(name="pets")))

    for revision in (2, 9):
        said = desk.refusal("intern", "Show", pb.ShowRequest(name="pets.find", revision=revision))
        assert said == (grpc.StatusCode.NOT_FOUND, f"… has no revision {revision}.")
    refused = {desk.refusal("intern", "Diff", pb.DiffRequest(name=name)) for name in ("pets", "pets.find", "nobody")}
    assert [code for code, _ in refused] == [grpc.StatusCode.PERMISSION_DENIED]
    assert desk.names("intern", everything=True) == desk.names("intern")
    assert [name for name in desk.names("intern") if name.startswith("pets.find")] == ["pets.find 1 live"]
    assert "pets.find 2 waiting" in desk.names("keeper", everything=True)


def test_an_old_revision_above_the_clearance_is_not_read(desk: Desk) -> None:
    desk.publish(*HIDDEN)
    assert desk.refusal("intern", "Show", pb.ShowRequest(name="pets.find")) == NO_SUCH
    desk.publish(approved=True)

    assert desk.shown("intern", "pets.find")["document"]["description"] == "Finds animals."
    said = desk.refusal("intern", "Show", pb.ShowRequest(name="pets.find", revision=1))
    assert said == (grpc.StatusCode.NOT_FOUND, "… has no revision 1.")
    assert SECRET in str(desk.shown("keeper", "pets.find", 1))


def test_an_agent_above_the_clearance_is_hidden_though_its_skills_are_not(desk: Desk) -> None:
    desk.publish()
    assert "pets 1 live" in desk.names("intern")
    desk.publish(*HIDDEN_AGENT, approved=True)

    assert SECRET in str(desk.shown("keeper", "pets"))
    for persona in ("intern", "publisher", "pinner"):
        assert [name.split()[0] for name in desk.names(persona)] == ["pets.feed", "pets.find"]
        assert not [name for name in desk.names(persona, everything=True) if name.startswith("pets ")]
        said = {
            desk.refusal(persona, "Show", pb.ShowRequest(name=name, revision=revision))
            for name in ("pets", "nobody")
            for revision in (0, 1, 2)
        }
        assert said == {NO_SUCH}
    assert desk.refusal("publisher", "Diff", pb.DiffRequest(name="pets")) == NO_SUCH


def test_an_agent_is_hidden_where_policy_speaks_of_its_skills_alone(desk: Desk) -> None:
    desk.publish()
    assert [name.split()[0] for name in desk.names("user")] == ["pets.feed", "pets.find"]
    assert desk.refusal("user", "Show", pb.ShowRequest(name="pets")) == NO_SUCH


def test_where_agents_are_bound_and_who_published_them_is_not_told(desk: Desk, tmp_path: Path) -> None:
    roots = tmp_path / "roots.pem"
    roots.write_text("")
    binding = pb.Binding(targets=[TARGET], tls=pb.Tls(ca=str(roots)))
    desk.ask("keeper", "Publish", pb.PublishRequest(manifest=pets(), binding=binding))
    private = (TARGET, str(roots), "keeper", '"descriptors"')

    def told(persona: str) -> str:
        items = [
            *desk.ask(persona, "List", pb.ListRequest(all=True)).items,
            *desk.ask(persona, "Search", pb.SearchRequest(text="finds")).items,
        ]
        return f"{items} {json.dumps([desk.shown(persona, name) for name in ('pets', 'pets.find')])}"

    assert [word for word in private if word not in told("keeper")] == []
    assert [word for word in private if word in told("intern")] == []
    assert "Finds animals." in told("intern")
    assert "read-only" in told("intern")


def test_who_may_publish_or_pin_sees_what_waits_but_nothing_of_a_live_name_that_is_hidden(desk: Desk) -> None:
    desk.publish()
    desk.publish(("Finds animals.", "Finds pets."))
    for persona in ("publisher", "pinner"):
        assert "pets.find 2 waiting" in desk.names(persona, everything=True)
        assert "Finds pets." in str(desk.ask(persona, "Diff", pb.DiffRequest(name="pets")))
        assert desk.shown(persona, "pets.find", 2)["state"] == "waiting"
    desk.publish(*HIDDEN, approved=True)
    desk.publish(("Finds animals.", "Finds pets."))
    for persona in ("publisher", "pinner"):
        assert not [name for name in desk.names(persona, everything=True) if name.startswith("pets.find")]
        asked = [pb.ShowRequest(name="pets.find", revision=revision) for revision in range(6)]
        assert {desk.refusal(persona, "Show", request) for request in asked} == {NO_SUCH}
        assert desk.refusal(persona, "Diff", pb.DiffRequest(name="pets.find")) == NO_SUCH


def test_trying_a_manifest_is_to_publish_it(desk: Desk) -> None:
    desk.publish()
    request = pb.DiffRequest(manifest=pets(("Finds animals.", "Finds pets.")))
    assert "Finds pets." in str(desk.ask("publisher", "Diff", request))
    for persona in ("pinner", "intern"):
        code, sentence = desk.refusal(persona, "Diff", request)
        assert code is grpc.StatusCode.PERMISSION_DENIED
        assert "publish" in sentence
