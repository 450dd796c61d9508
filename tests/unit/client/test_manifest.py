"""The manifest of a conversing agent is one that the registry takes."""

import json

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from interchange.v1 import agent_pb2
from interchange_client.manifest import About, write_manifest

from registry.manifest import read_manifest, write_agent
from registry.manifest import write_manifest as write_as_the_registry_does
from registry.model import Agent, AgentName, BadRequest, Classification, Domain, Extension, TurnRules, Visibility
from registry.model.agent import WhenBusy
from registry.protoc.descriptors import normalised

LEAST: About = {"name": "talent_scout", "domain": "hiring"}
MOST: About = {
    "name": "talent_scout",
    "domain": "hiring",
    "title": "Talent scout",
    "description": "Finds people — quickly.",
    "version": "1.2.0",
    "tags": ["people"],
    "examples": ["Find me a gardener"],
    "icon_url": "https://example.com/icon.png",
    "documentation_url": "https://example.com/docs",
    "provider": "Hiring",
    "classification": "confidential",
    "visibility": "public",
    "extensions": [{"uri": "https://example.com/ext/v1", "required": True}],
    "timeout": 60,
    "max_attempts": 2,
    "when_busy": "reject",
    "history": 3,
}


def test_what_is_left_out_takes_the_registrys_defaults() -> None:
    (agent,) = read_manifest(write_manifest(LEAST)).agents

    assert agent == Agent(
        name=AgentName("talent_scout"),
        title="Talent scout",
        description="",
        domain=Domain("hiring"),
        version="0.1.0",
        service="interchange.v1.ConversingAgent",
        skills=(),
        converse="/interchange.v1.ConversingAgent/Converse",
    )


def test_everything_that_is_said_arrives() -> None:
    (agent,) = read_manifest(write_manifest(MOST)).agents

    assert (agent.title, agent.description, agent.version) == ("Talent scout", "Finds people — quickly.", "1.2.0")
    assert (agent.tags, agent.examples) == (("people",), ("Find me a gardener",))
    assert (agent.icon_url, agent.documentation_url) == ("https://example.com/icon.png", "https://example.com/docs")
    assert (agent.provider, agent.classification) == ("Hiring", Classification.CONFIDENTIAL)
    assert agent.visibility is Visibility.PUBLIC
    assert agent.extensions == (Extension(uri="https://example.com/ext/v1", required=True),)
    assert agent.turns == TurnRules(timeout=60.0, max_attempts=2, when_busy=WhenBusy.REJECT, history=3)


@pytest.mark.parametrize("about", [LEAST, MOST])
def test_it_is_written_byte_for_byte_as_the_registry_writes_it(about: About) -> None:
    written = write_manifest(about)

    assert written == write_as_the_registry_does(read_manifest(written))
    assert set(json.loads(written)["agents"][0]) == set(write_agent(read_manifest(written).agents[0]))


def test_its_descriptors_are_those_that_a_compiled_manifest_has() -> None:
    names = ("google/protobuf/struct.proto", "google/protobuf/timestamp.proto")
    imports = [dependency for dependency in agent_pb2.DESCRIPTOR.dependencies if dependency.name in names]
    files = [FileDescriptorProto.FromString(file.serialized_pb) for file in (*imports, agent_pb2.DESCRIPTOR)]

    found = read_manifest(write_manifest(LEAST)).descriptor_set

    assert found == normalised(files, ["interchange/v1/agent.proto"])


def test_a_name_that_is_none_is_refused_by_the_registry() -> None:
    with pytest.raises(BadRequest, match="1 to 40"):
        read_manifest(write_manifest({"name": "Talent Scout", "domain": "hiring"}))
