"""Where a graph is, and what its author is told if it is not there."""

import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from interchange_client.agent import speak, text_of
from interchange_client.langgraph_loading import UnfitGraph, load_graph, open_answer

from tests.support.client_turns import in_hand, turn_of

GRAPH = """
from neighbour import WORDS
from langchain_core.messages import AIMessage
from langgraph.graph import START, MessagesState, StateGraph

builder = StateGraph(MessagesState)
builder.add_node("work", lambda state: {"messages": [AIMessage(WORDS)]})
builder.add_edge(START, "work")
graph = builder.compile()
closed = []

def made():
    return builder.compile()

async def made_later():
    return builder.compile()

from contextlib import asynccontextmanager

@asynccontextmanager
async def opened():
    yield builder.compile()
    closed.append(True)

def with_arguments(config):
    return graph
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Path]:
    """An empty folder, which is forgotten again with what was imported from it."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.fixture
def app(folder: Path) -> str:
    (folder / "neighbour.py").write_text('WORDS = "Hello."')
    (folder / "app_of_mine.py").write_text(GRAPH)
    return "app_of_mine"


async def answered(found: object) -> str:
    async with open_answer(found) as answer:
        events = [event async for event in speak(answer, in_hand(turn_of("hello")))]
    return text_of(events[-1].done.parts)


@pytest.mark.parametrize("attribute", ["graph", "made", "made_later", "opened"])
async def test_a_graph_and_what_makes_one_are_found_in_a_module_and_in_a_file(app: str, attribute: str) -> None:
    for where in (app, f"{app}.py", str(Path.cwd() / f"{app}.py")):
        assert await answered(load_graph(f"{where}:{attribute}")) == "Hello."


async def test_what_was_opened_for_a_graph_is_closed_after_it(app: str) -> None:
    await answered(load_graph(f"{app}:opened"))
    closed: Any = load_graph(f"{app}:closed")
    assert closed == [True]


def test_files_of_one_name_in_two_folders_are_two_modules(folder: Path) -> None:
    for name in ("one", "two"):
        (folder / name).mkdir()
        (folder / name / "agent_of_mine.py").write_text(f"graph = {name!r}")
    assert [load_graph(f"{name}/agent_of_mine.py:graph") for name in ("one", "two", "one")] == ["one", "two", "one"]


def test_a_graphs_neighbours_replace_nothing_that_is_installed(folder: Path) -> None:
    (folder / "tabnanny.py").write_text(
        "HERE = True"
    )  # a module of the standard library, which nobody has imported yet
    (folder / "agent_of_mine.py").write_text("import tabnanny\ngraph = hasattr(tabnanny, 'HERE')")
    assert load_graph("agent_of_mine.py:graph") is False


@pytest.mark.parametrize(
    ("reference", "sentence"),
    [
        ("graph", "'graph' names no graph: write MODULE:ATTRIBUTE or FILE.py:ATTRIBUTE, as in app:graph."),
        ("app:the graph", "'app:the graph' names no graph: write MODULE:ATTRIBUTE"),
        ("no_such_module:graph", "There is no module 'no_such_module', neither installed nor in /"),
        ("json.no_such:graph", "There is no module 'json.no_such'"),
        ("nowhere/app.py:graph", "There is no file /"),
        ("app_of_mine:grph", "app_of_mine has no 'grph'."),
    ],
)
def test_what_is_not_there_is_named(app: str, reference: str, sentence: str) -> None:
    with pytest.raises(UnfitGraph) as refused:
        load_graph(reference)
    assert str(refused.value).startswith(sentence)


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("import no_such_package_at_all", "ModuleNotFoundError: No module named 'no_such_package_at_all'"),
        ("\n\n1 / 0", "ZeroDivisionError: division by zero"),
        ("def", "SyntaxError: "),
        ("raise SystemExit(3)", "SystemExit: 3"),
    ],
)
@pytest.mark.parametrize("where", ["broken_of_mine", "broken_of_mine.py"])
def test_a_module_that_breaks_is_quoted_with_its_place(folder: Path, where: str, source: str, sentence: str) -> None:
    (folder / "broken_of_mine.py").write_text(source)
    with pytest.raises(UnfitGraph) as refused:
        load_graph(f"{where}:graph")
    assert sentence in str(refused.value)
    if "ZeroDivision" in sentence:
        assert str(refused.value).endswith("broken_of_mine.py, line 3)")


def test_an_error_of_syntax_names_its_place_once(folder: Path) -> None:
    (folder / "half.py").write_text("graph = (\n")
    with pytest.raises(UnfitGraph) as refused:
        load_graph("half.py:graph")
    said = str(refused.value)
    assert said.endswith("(half.py, line 1)")
    assert "langgraph_loading" not in said


def test_of_a_package_that_is_missing_it_is_said_where_it_was_looked_for(folder: Path) -> None:
    (folder / "wanting.py").write_text("import no_such_package_of_mine\n")
    for reference in ("wanting.py:graph", "no_such_module_of_mine:graph"):
        with pytest.raises(UnfitGraph) as refused:
            load_graph(reference)
        assert f"(looked in {sys.prefix}; install it there, or run python -m interchange_client" in str(refused.value)


@pytest.mark.parametrize(
    ("attribute", "sentence"),
    [
        ("builder", "The graph is not compiled: give what its compile() returns."),
        ("closed", "A compiled LangGraph graph is expected, not list."),
        ("with_arguments", "with_arguments is a function that needs arguments; a compiled graph is expected"),
    ],
)
async def test_what_is_no_graph_is_said_to_be_none(app: str, attribute: str, sentence: str) -> None:
    with pytest.raises(UnfitGraph) as refused:
        await answered(load_graph(f"{app}:{attribute}"))
    assert str(refused.value).startswith(sentence)


async def test_what_is_no_graph_is_called_by_its_name(app: str) -> None:
    with pytest.raises(UnfitGraph, match=r"^app:closed: A compiled LangGraph graph is expected, not list\.$"):
        async with open_answer(load_graph(f"{app}:closed"), named="app:closed"):
            pass
