"""Remarks: names in policies that nobody and nothing answers to."""

from pathlib import Path

import pytest

from policies.identity.directory import load_directory
from policies.load import PolicySource, build_judge, load_policies
from policies.remarks import Known, known_to
from registry.catalog import Catalog
from tests.support.policies import agent, catalog, skill

ROOT = Path(__file__).parents[3]
REGISTERED = catalog(
    [skill("candidates.search"), skill("outreach.send"), skill("ledger.show", domain="finance")],
    [agent("concierge", domain="front")],
)
KNOWN = Known(
    groups=frozenset({"managers", "recruiters"}),
    persons=frozenset({"ann"}),
    agents=frozenset({"scheduler"}),
    domains=frozenset({"hiring", "partner"}),
)


def remarks(policy: str, known: Known | None = KNOWN, registered: Catalog = REGISTERED) -> tuple[str, ...]:
    return build_judge([PolicySource("p.cedar", f"\n{policy};")], registered, known=known).remarks


@pytest.mark.parametrize(
    ("head", "remark"),
    [
        (
            'principal, action, resource == Skill::"candidates.serach"',
            'Skill::"candidates.serach" names nothing that is registered; do you mean Skill::"candidates.search"?',
        ),
        (
            'principal, action, resource in Agent::"outreech"',
            'Agent::"outreech" names nothing that is registered or in the directory; do you mean Agent::"outreach"?',
        ),
        (
            'principal, action, resource is Skill in Domain::"finanse"',
            'Domain::"finanse" names nothing that is registered; do you mean Domain::"finance"?',
        ),
        ('principal, action, resource in Domain::"partner"', 'Domain::"partner" names nothing that is registered'),
        (
            'principal in Group::"manager", action, resource',
            'Group::"manager" names nothing in the directory; do you mean Group::"managers"?',
        ),
        ('principal == Person::"zoe", action, resource', 'Person::"zoe" names nothing in the directory'),
        ('principal == Service::"cron", action, resource', 'Service::"cron" names nothing in the directory'),
        ('principal in Domain::"finance", action, resource', 'Domain::"finance" names nothing in the directory'),
    ],
)
def test_a_name_in_a_head_that_nobody_answers_to_is_remarked_on(head: str, remark: str) -> None:
    assert remarks(f"forbid ({head})") == (f"p.cedar:2: {remark}",)


@pytest.mark.parametrize(
    ("condition", "remark"),
    [
        ('[Skill::"outreach.snd"].contains(resource)', 'Skill::"outreach.snd" names nothing that is registered; do'),
        ('principal in Group::"recruiter"', 'Group::"recruiter" names nothing in the directory; do you mean'),
        ('principal == Agent::"skeduler"', 'Agent::"skeduler" names nothing that is registered or in the directory'),
        ('principal.domain == Domain::"hirng"', 'Domain::"hirng" names nothing that is registered or in the directory'),
    ],
)
def test_a_name_in_a_condition_that_nobody_answers_to_is_remarked_on(condition: str, remark: str) -> None:
    (found,) = remarks(f"forbid (principal, action, resource is Skill) when {{ {condition} }}")
    assert found.startswith(f"p.cedar:2: {remark}")


@pytest.mark.parametrize(
    "policy",
    [
        'forbid (principal == Agent::"scheduler", action, resource == Agent::"concierge")',
        'permit (principal in Domain::"partner", action, resource in Domain::"front")',
        'permit (principal, action, resource is Skill) when { principal.domain == Domain::"" }',
        'permit (principal == Service::"operator@local", action, resource == Catalog::"catalog")',
        'permit (principal == Person::"ann", action, resource) when { principal in [Group::"managers"] }',
    ],
)
def test_names_that_somebody_answers_to_are_not_remarked_on(policy: str) -> None:
    assert remarks(policy) == ()


@pytest.mark.parametrize("known", [None, Known()])
def test_without_a_directory_nothing_is_said_of_those_who_ask(known: Known | None) -> None:
    policy = """forbid (principal in Group::"manager", action, resource in Agent::"outreech")
        when { principal.domain == Domain::"hirng" || principal == Agent::"skeduler" || principal == Person::"zoe" }"""
    (found,) = remarks(policy, known)
    assert found.startswith('p.cedar:2: Agent::"outreech"')


def test_before_anything_is_registered_nothing_is_said_of_what_should_be() -> None:
    policy = """forbid (principal in Group::"manager", action == Action::"invoke", resource == Skill::"a.b")
        when { context.args has a_b && principal.domain == Domain::"x" }"""
    assert remarks(policy, registered=catalog()) == (
        'p.cedar:2: Group::"manager" names nothing in the directory; do you mean Group::"managers"?',
    )


def test_an_agent_that_the_directory_lists_is_known_before_it_has_registered_itself() -> None:
    policy = 'permit (principal, action == Action::"message", resource == Agent::"scheduler")'
    assert remarks(policy) == ()
    assert remarks(policy, known=None) != ()


def test_a_remark_goes_when_what_it_misses_is_registered() -> None:
    policy = 'permit (principal, action, resource == Skill::"outreach.draft")'
    assert len(remarks(policy)) == 1
    assert remarks(policy, registered=catalog([skill("outreach.draft")])) == ()


def test_a_hostile_name_stays_on_its_line() -> None:
    (found,) = remarks('permit (principal, action, resource == Skill::"a\\nERROR b")')
    assert "\n" not in found


def test_the_demo_policies_leave_nothing_to_remark_on() -> None:
    known = known_to(load_directory(ROOT / "examples" / "hiring" / "directory.toml"))
    registered = catalog([skill("candidates.search"), skill("outreach.send", read_only=False)], [agent("assistant")])
    sources = load_policies(ROOT / "examples" / "policies")
    assert build_judge(sources, registered, known=known).remarks == ()
    before_the_assistant_came = catalog(registered.skills.values())
    assert build_judge(sources, before_the_assistant_came, known=known).remarks == ()
    assert build_judge(sources, catalog(), known=known).remarks == ()


def test_the_directory_knows_nested_groups_and_domains(tmp_path: Path) -> None:
    path = tmp_path / "directory.toml"
    path.write_text("""
        [groups.leads]
        in = ["staff"]
        [persons.ann]
        groups = ["leads", "choir"]
        domain = "hiring"
        [services.cron]
        [agents.scheduler]
        groups = ["bots"]
    """)
    assert known_to(load_directory(path)) == Known(
        groups=frozenset({"leads", "staff", "choir", "bots"}),
        persons=frozenset({"ann"}),
        services=frozenset({"cron"}),
        agents=frozenset({"scheduler"}),
        domains=frozenset({"hiring"}),
    )
