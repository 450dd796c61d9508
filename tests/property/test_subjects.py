"""Whoever policy is told a request is about is all that the registry then touches, whatever manifest is sent."""

import json
from typing import Any, cast

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from registry.manifest import read_manifest
from registry.model import BadRequest
from registry.received import read_corrected
from registry.subjects import about_of
from tests.support.pets import pets
from tests.support.policies import catalog

DOCUMENT: dict[str, Any] = json.loads(pets())
NAMES = st.sampled_from(("pets", "dogs", "Pets", "pets ", "", "pets.find", "interchange_result"))
DOMAINS = st.sampled_from(("zoo", "farm", "", "a b"))
ANYTHING = st.recursive(st.none() | st.booleans() | NAMES, lambda inner: st.lists(inner, max_size=2), max_leaves=4)


@st.composite
def manifests(draw: st.DrawFn) -> str:
    """A manifest of one or two agents, in which something may be changed, moved, doubled or left out."""
    document = json.loads(json.dumps(DOCUMENT))
    for _ in range(draw(st.integers(0, 3))):
        key = draw(st.sampled_from(("agents", "skills")))
        items = cast("list[Any]", document[key] if isinstance(document[key], list) else [])
        if not items:
            continue
        place = draw(st.integers(0, len(items) - 1))
        match draw(st.sampled_from(("name", "domain", "double", "drop", "odd", "whole"))):
            case "name" if isinstance(items[place], dict):
                items[place]["name" if key == "agents" else "agent"] = draw(NAMES | ANYTHING)
            case "domain" if isinstance(items[place], dict):
                items[place]["domain"] = draw(DOMAINS | ANYTHING)
            case "double":
                items.append(json.loads(json.dumps(items[place])))
            case "drop":
                del items[place]
            case "odd":
                items[place] = draw(ANYTHING)
            case "whole":
                document[key] = draw(ANYTHING)
            case _:
                pass
    text = json.dumps(document)
    if draw(st.booleans()) and '"name": "pets"' in text:  # a key that is written twice
        text = text.replace('"name": "pets"', f'"name": "{draw(st.sampled_from(("dogs", "pets")))}", "name": "pets"', 1)
    return text


OVERLAYS = st.sampled_from(("", "agents: {pets.v1.Pets: {domain: farm}}", "agents: {}"))


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(manifest=manifests(), overlay=OVERLAYS)
def test_what_is_about_one_agent_touches_no_other(manifest: str, overlay: str) -> None:
    content = {"manifest": manifest, "overlay": overlay}
    about = about_of("Publish", content, catalog())
    try:
        read = read_corrected(content)
    except BadRequest:
        return  # the registry takes none of it
    if about is not None:
        assert [(one.name, one.domain) for one in read.agents] == [about]
        assert all((one.agent, one.domain) == about for one in read.skills)
    elif not overlay:
        assert len(read.agents) != 1


@settings(max_examples=300, deadline=None)
@given(text=st.text(max_size=200) | st.binary(max_size=50).map(lambda data: data.decode("latin-1")))
def test_no_text_breaks_the_reading(text: str) -> None:
    assert about_of("Publish", {"manifest": text}, catalog()) is None


def test_the_manifest_that_all_this_begins_with_is_one() -> None:
    assert about_of("Publish", {"manifest": pets()}, catalog()) is not None
    assert read_manifest(pets()).agents[0].domain == "zoo"
