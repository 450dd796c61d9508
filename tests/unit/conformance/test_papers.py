"""Every requirement has a check, and every check a requirement."""

import pytest

from conformance.papers import PAPERS
from conformance.requirement import load_requirements


@pytest.mark.parametrize("protocol", PAPERS)
def test_each_requirement_has_a_check_and_each_check_a_requirement(protocol: str) -> None:
    assert sorted(PAPERS[protocol].checks) == sorted(one.id for one in load_requirements(protocol))


def test_no_check_of_mcp_judges_two_requirements() -> None:
    checks = list(PAPERS["mcp"].checks.values())
    assert len(set(checks)) == len(checks) >= 45


@pytest.mark.parametrize("protocol", PAPERS)
def test_requirements_of_a_feature_stand_together(protocol: str) -> None:
    features = [one.id.split(".")[1] for one in load_requirements(protocol)]
    headings = [name for at, name in enumerate(features) if at == 0 or features[at - 1] != name]
    assert len(headings) == len(set(headings))
