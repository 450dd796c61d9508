"""Loading: what is accepted, and that every mistake is named with its place."""

import errno
import os
from pathlib import Path

import pytest

from policies.load import PolicyProblems, PolicySource, baseline, build_judge, load_policies
from registry.model import Action, Param
from tests.support.policies import catalog, decide, judge, skill, standing

AMOUNT = Param(name="amount", policy_visible=True, type="Long", default=0)
SEND = skill("outreach.send", params=(AMOUNT, Param(name="note", policy_visible=True, type="String")))


def problems(text: str, name: str = "p.cedar") -> tuple[str, ...]:
    with pytest.raises(PolicyProblems) as caught:
        build_judge([PolicySource(name, text)], catalog([SEND, skill("outreach.draft")]))
    return caught.value.problems


def test_every_mistake_of_every_file_is_reported_together() -> None:
    with pytest.raises(PolicyProblems) as caught:
        build_judge(
            [
                PolicySource(
                    "a.cedar", "permit (principal, action, resource);\n\npermit (principal action, resource);"
                ),
                PolicySource("b.cedar", '\n@id("x") @id("y") permit (principal, action, resource);'),
                PolicySource("c.cedar", 'permit (principal, action == Action::"lisst", resource);'),
            ],
            catalog(),
        )
    assert caught.value.problems == (
        "a.cedar:3: unexpected token `action`",
        "b.cedar:2: duplicate annotation: @id",
        'c.cedar:1: unrecognized action `Action::"lisst"`',
        "c.cedar:1: unable to find an applicable action given the policy scope constraints",
    )
    assert caught.value.message == "\n".join(caught.value.problems)


@pytest.mark.parametrize(
    ("annotation", "sentence"),
    [
        ('@remdey("approval") forbid', "unknown annotation @remdey; there are @id, @obligation, @remedy, @says"),
        ('@remedy("prayer") forbid', '@remedy("prayer") is unknown; there are approval, consent, step_up'),
        ('@remedy("approval") permit', "@remedy belongs on a forbid"),
        ('@says("no") permit', "@says belongs on a forbid"),
        ("@says forbid", "@says needs a sentence"),
        ('@obligation("redact:ssn") forbid', "@obligation belongs on a permit"),
        ('@obligation("shred:ssn") permit', '@obligation("shred:ssn") is unknown'),
        ('@obligation("redact:a, limit:0/day") permit', '@obligation("limit:0/day") is unknown'),
        ('@id("a b") permit', '@id("a b") is not an id'),
    ],
)
def test_the_annotations_are_a_closed_vocabulary(annotation: str, sentence: str) -> None:
    assert problems(f"{annotation} (principal, action, resource);")[0].startswith(f"p.cedar:1: {sentence}")


@pytest.mark.parametrize(
    ("condition", "sentence"),
    [
        ("context.hour > 3", 'attribute `hour` in context for Action::"list" not found'),
        ("context.args has outreach_send", "attribute `args` in context"),
        ("context has aprovedBy", "nothing has an attribute `aprovedBy`"),
        ("resource.agent has colour", "nothing has an attribute `colour`, so `resource.agent has colour` is always"),
        ("resource.readOnlyy", "attribute `readOnlyy` on entity type `Skill` not found"),
        ('Person::"bob".clearance > 2', 'Person::"bob" is not part of a call'),
        ('Person::"bob" in Group::"staff"', 'Person::"bob" is not part of a call'),
        ('resource.agent in Group::"bots"', "only of principal, context.person and context.approvedBy is it known"),
    ],
)
def test_a_listing_policy_may_read_only_what_a_listing_knows(condition: str, sentence: str) -> None:
    found = problems(f'permit (principal, action == Action::"list", resource is Skill) when {{ {condition} }};')
    assert f"p.cedar:1: {sentence}" in found[0]


def test_nothing_is_known_of_a_resource_being_in_a_group() -> None:
    assert 'Group::"x"' in problems('permit (principal, action, resource in Group::"x");')[0]


def test_templates_are_refused() -> None:
    assert "templates" in problems("permit (principal == ?principal, action, resource);")[0]


def test_ids_are_unique_across_files_and_obligations_and_the_baseline() -> None:
    text = 'permit (principal, action == Action::"invoke", resource);'
    found = problems(f'@id("one") {text}\n@obligation("redact:a") @id("one") {text}\n@id("baseline.depth") {text}')
    assert found[0] == 'p.cedar:2: @id("one") is taken by the policy at p.cedar:1'
    assert found[1].startswith('p.cedar:3: @id("baseline.depth") is taken by the policy at baseline/limits.cedar:')


@pytest.mark.parametrize(
    ("condition", "sentence"),
    [
        ("context.args.outreach_send.amount > 1", "optional attribute `args.outreach_send`"),
        ("context.args has outreach_send && context.args.outreach_send.colour == 1", "`args.outreach_send.colour`"),
        (
            "context.args has outreach_send && context.args.outreach_send has colour",
            "context.args.outreach_send.colour: ",
        ),
        ("context.args has outreach_draft", "context.args.outreach_draft: this skill declares no policy-visible"),
        (
            'context.args has outreach_send && context.args.outreach_send.note == "x"',
            "optional attribute `args.outreach_send.note`",
        ),
    ],
)
def test_arguments_are_checked_against_the_registered_skills(condition: str, sentence: str) -> None:
    found = problems(f'permit (principal, action == Action::"invoke", resource) when {{ {condition} }};')
    assert len(found) == 1
    assert found[0].startswith("p.cedar:1: ")
    assert sentence in found[0]


def test_arguments_of_a_skill_that_is_not_registered_yet_are_remarked_on() -> None:
    condition = "context.args has pay && context.args.pay.x > 1"
    text = f'permit (principal, action == Action::"invoke", resource) when {{ {condition} }};'
    assert judge(text, catalog([SEND])).remarks == ("test.cedar:1: context.args.pay is of no registered skill",)


def test_an_argument_with_a_default_needs_no_has() -> None:
    text = "context.args has outreach_send && context.args.outreach_send.amount > 500"
    assert judge(f'permit (principal, action == Action::"invoke", resource) when {{ {text} }};', catalog([SEND]))


def test_two_skills_of_one_argument_name_are_ambiguous() -> None:
    known = catalog([skill("a.b_c", params=(AMOUNT,)), skill("a_b.c", params=(AMOUNT,))])
    text = '\npermit (principal, action == Action::"invoke", resource) when { context.args has a_b_c };'
    with pytest.raises(PolicyProblems, match=r"p.cedar:2: context.args.a_b_c could be any of a.b_c, a_b.c"):
        build_judge([PolicySource("p.cedar", text)], known)


def test_the_baseline_holds_even_if_nobody_passes_it() -> None:
    known = catalog([skill("a.destroy", read_only=False, destructive=True)])
    bare = build_judge([PolicySource("p.cedar", "permit (principal, action, resource);")], known)
    assert decide(bare, known, standing("ann"), Action.INVOKE, "a.destroy").policies == ("baseline.approval",)


def test_the_version_is_of_the_set_whatever_its_order() -> None:
    one, two = PolicySource("1", "permit (principal, action, resource);"), PolicySource("2", "// nothing")
    known = catalog()
    version = build_judge([one, two], known).version
    assert version.startswith("sha256:")
    assert build_judge([*baseline(), two, one], known).version == version
    assert build_judge([one], known).version != version


def test_a_folder_is_read_with_the_baseline_first(tmp_path: Path) -> None:
    (tmp_path / "team").mkdir()
    (tmp_path / "team" / "b.cedar").write_text("// b")
    (tmp_path / "a.cedar").write_text("// a")
    (tmp_path / "notes.txt").write_text("not a policy")
    names = [source.name for source in load_policies(tmp_path)]
    assert names == [
        "baseline/agents.cedar",
        "baseline/conversations.cedar",
        "baseline/limits.cedar",
        "baseline/operator.cedar",
        "a.cedar",
        "team/b.cedar",
    ]
    assert load_policies(None) == baseline()


def test_a_folder_is_not_left_by_a_link_and_must_exist(tmp_path: Path) -> None:
    inside = tmp_path / "policies"
    inside.mkdir()
    (tmp_path / "elsewhere.cedar").write_text("permit (principal, action, resource);")
    (inside / "link.cedar").symlink_to(tmp_path / "elsewhere.cedar")
    with pytest.raises(PolicyProblems, match=r"link.cedar:1: .* leads out of the folder"):
        load_policies(inside)
    with pytest.raises(PolicyProblems, match="no such folder"):
        load_policies(tmp_path / "none")


def test_a_file_that_is_not_utf8_or_cannot_be_read_is_named_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "x.cedar").write_bytes(b"// one\n// \xff\xfe")
    (tmp_path / "y.cedar").symlink_to(tmp_path / "gone.cedar")
    with pytest.raises(PolicyProblems) as caught:
        load_policies(tmp_path)
    assert caught.value.problems == (
        "x.cedar:2: the file cannot be read: this is not UTF-8; save the file as UTF-8 text",
        "y.cedar:1: the file cannot be read: No such file or directory",
    )


def test_a_folder_that_cannot_be_read_is_never_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shut = tmp_path / "shut"
    shut.mkdir()
    real = os.scandir

    def refuse(path: str) -> object:  # these tests may run as root, whom no mode keeps out
        if str(path) == str(shut):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(PolicyProblems) as caught:
        load_policies(tmp_path)
    assert caught.value.problems == (f"{shut}: this folder of policies cannot be read: Permission denied",)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "permit (principal, action, resource)\nwhen { true }\n\nforbid (principal, action, resource);",
            "4: unexpected token `(`; is a `;` missing before `forbid`? (in the policy that begins at line 1)",
        ),
        (
            'permit (principal, action, resource)\n\n// why\n@id("x")\nforbid (principal, action, resource);',
            "4: unexpected token `@`; is a `;` missing before `@`? (in the policy that begins at line 1)",
        ),
        (
            "// head\n\npermit (principal, action,\n resource)\n",
            "4: unexpected end of input; is its `;` missing? (in the policy that begins at line 3)",
        ),
        (
            'permit (principal, action, resource)\nwhen { "a;b" == "c" &&\n// ;\n};',
            "4: unexpected token `}` (in the policy that begins at line 1)",
        ),
        (
            "permit (principal, action, resource)\nwhne { true };",
            "2: invalid policy condition: whne (in the policy that begins at line 1)",
        ),
        ("permit (principal, action, resource) when { principal.a().a() };", "1: `a` is not a valid method"),
    ],
)
def test_a_mistake_of_form_is_reported_where_the_parser_stopped(text: str, problem: str) -> None:
    assert problems(text) == (f"p.cedar:{problem}",)


def test_no_mistake_hides_another_of_its_file() -> None:
    deep = "(" * 80 + "true" + ")" * 80
    text = f"""@colour("red") permit (principal, action, resource == Catalog::"catalog") when {{ resource.readOnly }};
permit (principal, action == Action::"lisst", resource);
permit (principal action, resource);
permit (principal, action, resource) when {{ {deep} }};
@id("one") permit (principal, action, resource);
@id("one") permit (principal, action, resource);"""
    found = [problem.partition(": ")[0] for problem in problems(text)]
    assert sorted(set(found)) == [f"p.cedar:{line}" for line in (1, 2, 3, 4, 6)]
    assert "@colour" in problems(text)[0]
    assert "readOnly" in problems(text)[1]


def test_the_same_problem_is_said_once() -> None:
    faulty = "context.hour > 3 && context.hour < 5 && context.hour != 4"
    found = problems(f'permit (principal, action == Action::"list", resource) when {{ {faulty} }};')
    assert len(found) == len(set(found))
    twice = "@colour permit (principal, action, resource); @colour permit (principal, action, resource);"
    assert len(problems(twice)) == 1


@pytest.mark.parametrize(
    "text",
    [
        'permit (principal, action == Action::"use", resource);',
        'permit (principal, action, resource) when { action == Action::"use" };',
        'forbid (principal, action, resource) unless { Action::"use" != action };',
    ],
)
def test_use_is_a_group_and_no_action(text: str) -> None:
    (found,) = problems(text)
    assert found.startswith("p.cedar:1: `use` is a group of actions")
    assert found.endswith('write `action in Action::"use"`')
