import pytest

from registry.protoc.patterns import literal, portable_pattern


@pytest.mark.parametrize(
    ("re2", "everywhere"),
    [
        ("^[a-z]+$", "^[a-z]+$"),
        (r"^\d{4}-\w+\s$", r"^[0-9]{4}-[0-9A-Za-z_]+[\t\n\f\r ]$"),
        (r"\D\W", "[^0-9][^0-9A-Za-z_]"),
        (r"[\d\-x]", r"[0-9\-x]"),
        (r"a\-b\.c\/d", r"a-b\.c\/d"),
        ("(?:a|b)*?c{2,3}?", "(?:a|b)*?c{2,3}?"),
        ("(a)(b)", "(a)(b)"),
        ("", ""),
    ],
)
def test_what_all_dialects_share_is_kept(re2: str, everywhere: str) -> None:
    assert portable_pattern(re2) == everywhere


@pytest.mark.parametrize(
    "re2",
    [
        r"\pL",
        r"\p{Greek}",
        "[[:alpha:]]",
        r"\Aabc\z",
        "(?i)abc",
        "(?P<name>a)",
        r"\Qa.b\E",
        r"\x{10FFFF}",
        r"\x41",
        r"\101",
        r"\a",
        r"\C",
        r"\b",
        r"[^\D]",
        "[]a]",
        "[a--b]",
        "a{",
        "a]",
        "a**",
        "*a",
        "(",
        "\\",
        "[a",
        "a" * 1_001,
    ],
)
def test_what_another_dialect_would_read_differently_is_dropped(re2: str) -> None:
    assert portable_pattern(re2) is None


def test_a_literal_escapes_what_has_a_meaning_and_nothing_else() -> None:
    assert literal("a.b-c d$") == r"a\.b-c d\$"
