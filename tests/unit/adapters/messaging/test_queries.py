"""SQL files: queries by name, and scripts."""

from pathlib import Path

import pytest

from adapters.messaging.queries import load_queries, load_script


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "some.sql"


def test_each_query_has_its_name_and_none_of_its_comments(file: Path) -> None:
    file.write_text(
        "-- What this file is about; it may say: so;\n"
        "\n"
        "-- first\n"
        "-- Why it is there.\n"
        "SELECT a\n"
        "\n"
        "FROM b WHERE c = ';';\n"
        "\n"
        "-- second_one\n"
        "  -- In between.\n"
        "UPDATE a SET b = 1;\n"
    )
    assert load_queries(file) == {"first": "SELECT a\nFROM b WHERE c = ';'", "second_one": "UPDATE a SET b = 1"}


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("SELECT 1;", "'SELECT 1;' should be the name"),
        ("-- Two words\nSELECT 1;", "'-- Two words' should be the name"),
        ("-- one\nSELECT 1;\n-- one\nSELECT 2;", "'-- one' should be the name of a query, and of no other one"),
        ("-- one\nSELECT 1", "The last statement has no end: 'SELECT 1'"),
    ],
)
def test_a_query_without_a_name_of_its_own_is_a_mistake(file: Path, text: str, wrong: str) -> None:
    file.write_text(text)
    with pytest.raises(ValueError, match=wrong):
        load_queries(file)


def test_a_script_has_its_statements_in_order(file: Path) -> None:
    file.write_text("-- About it.\nCREATE TABLE a (\n  b int\n);\n-- More.\nCREATE INDEX c ON a (b);\n-- The end.\n")
    assert load_script(file) == ("CREATE TABLE a (\n  b int\n)", "CREATE INDEX c ON a (b)")
