"""The guard in front of the Cedar parser."""

import subprocess
import sys

import pytest

from policies.load import PolicyProblems, PolicySource, build_judge
from policies.nesting import MAX_DEPTH, statements
from tests.support.policies import catalog

HEAD = "permit (principal, action, resource) when { "

CRASHERS = {
    "parentheses": HEAD + "(" * 700 + "true" + ")" * 700 + " };",
    "sets": HEAD + "[" * 700 + "1" + "]" * 700 + " == 1 };",
    "records": HEAD + "{a: " * 700 + "1" + "}" * 700 + " == 1 };",
    "nested ifs": HEAD + "if true then (" * 700 + "true" + ") else true" * 700 + " };",
    "else ifs": HEAD + "if true then true else " * 3000 + "true };",
    "ors": HEAD + " || ".join(["true"] * 3000) + " };",
    "sums": HEAD + " + ".join(["1"] * 3000) + " == 1 };",
    "attributes": HEAD + "principal" + ".a" * 3000 + " };",
    "has path": HEAD + "principal has " + ".".join(["a"] * 3000) + " };",
    "calls": HEAD + "[1]" + ".contains(1)" * 3000 + " };",
    "unfinished": HEAD + "(" * 700,
}


@pytest.mark.parametrize("text", CRASHERS.values(), ids=CRASHERS)
def test_text_that_would_kill_the_engine_is_a_load_error(text: str) -> None:
    with pytest.raises(PolicyProblems) as caught:
        build_judge([PolicySource("deep.cedar", "\n\n" + text)], catalog())
    assert caught.value.problems[0].startswith("deep.cedar:3: the policy ")


@pytest.mark.parametrize("name", ["parentheses", "ors"])
def test_the_engine_itself_would_die_of_it(name: str) -> None:
    """If this fails, the engine has been mended and the guard may go."""
    code = "import sys, cedarpy; cedarpy.PolicySet.from_str(sys.stdin.read()).to_pst()"
    died = subprocess.run([sys.executable, "-c", code], input=CRASHERS[name].encode(), check=False, capture_output=True)
    assert died.returncode < 0


def test_brackets_in_strings_and_comments_do_not_count() -> None:
    text = f'// {"(" * 100}\npermit (principal, action, resource) when {{ "\\"{"[" * 100};" == "x" }}; // {"{" * 100}\n'
    found, misshapen = statements(text)
    assert not misshapen
    assert [(statement.line, statement.text[:6], statement.text[-1]) for statement in found] == [(2, "permit", ";")]


def test_as_deep_as_allowed_is_allowed_and_one_more_is_not() -> None:
    for depth, wrong in ((MAX_DEPTH - 1, 0), (MAX_DEPTH, 1)):
        _, misshapen = statements(HEAD + "(" * depth + "true" + ")" * depth + " };")
        assert len(misshapen) == wrong


def test_every_policy_is_found_at_the_line_of_its_first_annotation() -> None:
    one = '// one\n\n@id("a")\npermit (principal, action, resource);'
    text = one + '\n  @id("b") // two\n\nforbid (principal,\naction, resource);'
    found, _ = statements(text)
    assert [statement.line for statement in found] == [3, 5]


def test_a_string_that_never_ends_is_named_at_once() -> None:
    _, misshapen = statements(HEAD + '"' + '\\"' * 200_000)
    assert "never closed" in misshapen[0].sentence
