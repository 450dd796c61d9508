"""Conditional requests, as a table: what a client sends, and whether it has the card already."""

import pytest

from gateway.a2a.conditions import is_unchanged

ETAG = '"5f3a"'
MODIFIED = 1_790_000_000
THEN = "Mon, 21 Sep 2026 14:13:20 GMT"
LATER = "Mon, 21 Sep 2026 14:13:21 GMT"
EARLIER = "Mon, 21 Sep 2026 14:13:19 GMT"


def headers(*pairs: tuple[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode("latin-1")) for name, value in pairs]


@pytest.mark.parametrize(
    ("sent", "unchanged"),
    [
        ([], False),
        ([("if-none-match", '"5f3a"')], True),
        ([("if-none-match", 'W/"5f3a"')], True),
        ([("if-none-match", '"5f3"')], False),
        ([("if-none-match", "5f3a")], False),
        ([("if-none-match", "*")], True),
        ([("if-none-match", " * ")], True),
        ([("if-none-match", '"a", W/"b","5f3a"')], True),
        ([("if-none-match", '"a,", ",5f3a,", "b"')], False),
        ([("if-none-match", '"a", W/"b"')], False),
        ([("if-none-match", '"a"'), ("if-none-match", '"5f3a"')], True),
        ([("if-none-match", "")], False),
        ([("if-none-match", '"\xff"')], False),
        ([("if-modified-since", THEN)], True),
        ([("if-modified-since", LATER)], False),
        ([("if-modified-since", EARLIER)], False),
        ([("if-modified-since", THEN), ("if-modified-since", THEN)], False),
        ([("if-modified-since", "yesterday")], False),
        ([("if-modified-since", "")], False),
        ([("if-modified-since", "Mon, 99 Sep 2026 14:13:20 GMT")], False),
        ([("if-modified-since", "Mon, 21 Sep 999999999 14:13:20 GMT")], False),
        ([("if-none-match", '"a"'), ("if-modified-since", THEN)], False),
        ([("if-none-match", '"5f3a"'), ("if-modified-since", EARLIER)], True),
        ([("if-none-match", ""), ("if-modified-since", THEN)], False),
    ],
)
def test_the_tag_decides_and_without_one_the_exact_date(sent: list[tuple[str, str]], unchanged: bool) -> None:
    assert is_unchanged(headers(*sent), etag=ETAG, modified=MODIFIED) is unchanged
