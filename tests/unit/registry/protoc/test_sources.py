import pytest

from registry.protoc.sources import clean_comment


@pytest.mark.parametrize(
    ("comment", "prose"),
    [
        (" One line.\n", "One line."),
        (" Wrapped\n over two.\n", "Wrapped over two."),
        (" First.\n\n Second\n goes on.\n", "First.\n\nSecond goes on."),
        (" Either:\n - one\n   and more\n - two\n", "Either:\n- one and more\n- two"),
        (" buf:lint:ignore RPC_NO_STREAMING\n Real.\n", "Real."),
        (" (-- api-linter: core::0131=disabled --)\n Real.\n", "Real."),
        (" protolint:disable:next ENUM\n", ""),
        ("", ""),
    ],
)
def test_a_comment_becomes_prose_without_directives(comment: str, prose: str) -> None:
    assert clean_comment(comment) == prose
