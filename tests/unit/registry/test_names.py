import pytest

from registry.names import snake_case, words


@pytest.mark.parametrize(
    ("name", "snake"),
    [("Search", "search"), ("GetHTTPStatus", "get_http_status"), ("KV", "kv"), ("ListV2", "list_v2"), ("aB", "a_b"),
     ("already_snake", "already_snake")],
)  # fmt: skip
def test_names_become_snake_case(name: str, snake: str) -> None:
    assert snake_case(name) == snake


def test_a_name_reads_as_words() -> None:
    assert words("search_all_candidates") == "Search all candidates"
