"""Files of requirements: what is read, and that each mistake is an error that says where."""

from pathlib import Path

import pytest

from conformance.requirement import Level, RequirementsError, load_requirements

GOOD = """
[[requirement]]
id = "mcp.tools.list"
level = "MUST"
revision = "2026-07-28"
source = "https://example.com/tools"
section = "Listing"
sentence = "Tools are listed."
"""


def test_a_requirement_is_read_as_it_stands(tmp_path: Path) -> None:
    (tmp_path / "mcp.toml").write_text(GOOD)
    (requirement,) = load_requirements("mcp", tmp_path)
    assert (requirement.id, requirement.level, requirement.section) == ("mcp.tools.list", Level.MUST, "Listing")


def test_files_of_one_protocol_belong_together(tmp_path: Path) -> None:
    (tmp_path / "mcp.toml").write_text(GOOD)
    (tmp_path / "mcp_more.toml").write_text(GOOD.replace("tools.list", "tools.call"))
    (tmp_path / "other.toml").write_text("nonsense = 1")
    assert [one.id for one in load_requirements("mcp", tmp_path)] == ["mcp.tools.list", "mcp.tools.call"]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("", "has no [[requirement]]"),
        ("requirement = 5", "has no [[requirement]]"),
        ("requirement = [5]", "is no table"),
        ("[[requirement", "mcp.toml: "),
        ("colour = 1\n" + GOOD, "nobody knows colour"),
        (GOOD + 'colour = "red"', "mcp.tools.list: nobody knows colour"),
        (GOOD + GOOD, "mcp.tools.list more than once"),
        (GOOD.replace("MUST", "OUGHT"), "mcp.tools.list: level is 'OUGHT'"),
        (GOOD.replace('"MUST"', "1"), "level is missing or not a text"),
        (GOOD.replace("section", "#"), "mcp.tools.list: section is missing"),
        (GOOD.replace("mcp.tools", "a2a.tools"), "an id is mcp.feature.what"),
        (GOOD.replace("tools.list", "tools"), "an id is mcp.feature.what"),
        (GOOD.replace("https:", "http:"), "source is not the https address"),
        (GOOD.replace("listed.", "listed"), "does not end with a full stop"),
    ],
)
def test_a_mistake_is_an_error_that_names_file_and_id(tmp_path: Path, content: str, complaint: str) -> None:
    (tmp_path / "mcp.toml").write_text(content)
    with pytest.raises(RequirementsError) as caught:
        load_requirements("mcp", tmp_path)
    assert complaint in str(caught.value)
    assert "mcp" in str(caught.value)


def test_a_protocol_without_requirements_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RequirementsError, match="no requirements of mcp"):
        load_requirements("mcp", tmp_path)
