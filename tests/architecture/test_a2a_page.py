"""docs/a2a-user.md names the operations that there are, over each binding, and the numbers of the code."""

import re
from pathlib import Path

import pytest
from a2a.server.routes.jsonrpc_dispatcher import (
    JSONRPC03Adapter,  # pyright: ignore[reportPrivateImportUsage]  its own module cannot be imported first
    JsonRpcDispatcher,
)
from starlette.routing import Route

from gateway.a2a.bindings import Rest, operations
from gateway.a2a.pages import LARGEST_PAGE, PAGE
from gateway.a2a.tasks import ANSWER, QUESTION
from gateway.config import Limits

TEXT = (Path(__file__).parents[2] / "docs" / "a2a-user.md").read_text()
TABLE = [
    [cell.strip() for cell in row.strip("|").split("|")]
    for row in TEXT.partition("| in 0.3 |\n|---|---|---|\n")[2].partition("\n\n")[0].splitlines()
]


def test_the_table_has_every_operation_of_both_revisions() -> None:
    newer, older = {row[0].strip("`") for row in TABLE}, {row[2].strip("`") for row in TABLE}
    assert newer == set(JsonRpcDispatcher.METHOD_TO_MODEL)
    assert older - {"–"} == set(JSONRPC03Adapter.METHOD_TO_MODEL)


def test_the_table_has_every_path_of_rest() -> None:
    named = {(verb, path) for row in TABLE for verbs, path in [_shown(row[1])] for verb in verbs}
    assert named == {(verb, route.path) for route in _routes() for verb in (route.methods or set()) - {"HEAD"}}


def _routes() -> list[Route]:
    return list(operations(Rest.__new__(Rest)))


def _shown(cell: str) -> tuple[list[str], str]:
    words = cell.replace("`", "").replace(" or ", " ").split()
    return words[:-1], words[-1]


@pytest.mark.parametrize(
    "sentence",
    [
        f"those that changed last first: {PAGE}, or `pageSize`, at most {LARGEST_PAGE}",
        f"after {'five minutes' if Limits().call_seconds == 300.0 else '?'} (`[limits] call_seconds`)",
        f"the answer is its artifact `{ANSWER}`",
        f"as `{QUESTION}`",
    ],
)
def test_the_page_has_the_words_and_numbers_of_the_code(sentence: str) -> None:
    assert sentence in re.sub(r"\s+", " ", TEXT)
