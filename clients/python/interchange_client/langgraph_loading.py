"""Where a graph is: `module:attribute` or `folder/file.py:attribute`, and what may stand there.

An attribute is a compiled graph, or a function without arguments that makes one: plain, `async`, or an async context
manager for what must be closed again, such as the database of a checkpointer.

    @asynccontextmanager
    async def graph():
        async with AsyncSqliteSaver.from_conn_string("memory.db") as saver:
            yield builder.compile(checkpointer=saver)
"""

import importlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, Final, cast

from interchange_client.turns import Answer

_CURE: Final = "; install it there, or run python -m interchange_client serve … with the Python that has it"


class UnfitGraph(Exception):
    """There is no such graph, or it cannot answer messages; the text says what is expected."""


def load_graph(reference: str) -> object:
    """Import the module that is named, one that is installed or in this folder, or the file, and take the attribute.

    Raises:
        UnfitGraph: there is no such module or attribute, or the module cannot be imported.
    """
    where, colon, attribute = reference.rpartition(":")
    if not colon or not where or not attribute.isidentifier():
        raise UnfitGraph(f"{reference!r} names no graph: write MODULE:ATTRIBUTE or FILE.py:ATTRIBUTE, as in app:graph.")
    module = _import_file(Path(where)) if where.endswith(".py") else _import_module(where)
    try:
        return getattr(module, attribute)
    except AttributeError:
        raise UnfitGraph(f"{where} has no {attribute!r}.") from None


@asynccontextmanager
async def open_answer(found: object, *, named: str = "") -> AsyncGenerator[Answer]:
    """An `Answer` by the graph that was found, which is made first where it must be. `named` is how it is spoken of.

    Raises:
        UnfitGraph: it is no graph that can answer messages, or makes none.
    """
    try:
        # Only now: LangGraph takes a second to load, and a wrong name should be told of at once.
        langgraph: Any = importlib.import_module("interchange_client.langgraph")
    except ModuleNotFoundError as error:
        raise UnfitGraph(f"LangGraph is not installed here ({error.name}): pip install langgraph") from None
    made = _called(found) if inspect.isroutine(found) else found
    if isinstance(made, AbstractAsyncContextManager):
        async with cast("AbstractAsyncContextManager[object]", made) as graph:
            yield _answer(langgraph.answer_with, graph, named)
    else:
        yield _answer(langgraph.answer_with, await made if inspect.isawaitable(made) else made, named)


def _answer(answer_with: Callable[[Any], Answer], graph: object, named: str) -> Answer:
    try:
        return answer_with(graph)
    except UnfitGraph as error:
        raise UnfitGraph(f"{named}: {error}" if named else f"{error}") from None


def _called(factory: Callable[..., Any]) -> Any:
    try:
        inspect.signature(factory).bind()
    except TypeError:
        raise UnfitGraph(
            f"{factory.__name__} is a function that needs arguments; a compiled graph is expected, or a function"
            " without arguments that makes one."
        ) from None
    return factory()


def _import_module(name: str) -> ModuleType:
    _look_in(Path.cwd())
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(f"{error.name}.")):
            raise UnfitGraph(
                f"There is no module {name!r}, neither installed nor in {Path.cwd()} (looked in {sys.prefix}{_CURE})."
            ) from None
        raise _broken(name, error) from error
    except (Exception, SystemExit) as error:
        raise _broken(name, error) from error


def _import_file(path: Path) -> ModuleType:
    """A file as a module of its name."""
    path = path.resolve()
    if not path.is_file():
        raise UnfitGraph(f"There is no file {path}.")
    _look_in(path.parent)
    before = sys.modules.get(path.stem)
    if before is not None and getattr(before, "__file__", None) == str(path):
        return before
    name = path.stem if before is None else f"{path.stem}_in_{path.parent.name}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UnfitGraph(f"{path} is no Python file.")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise _broken(str(path), error) from error
    return module


def _look_in(folder: Path) -> None:
    """Find the modules of a folder, behind everything that is installed: a graph's neighbours replace nothing."""
    if str(folder) not in sys.path:
        sys.path.append(str(folder))


def _broken(name: str, error: BaseException) -> UnfitGraph:
    """What its author needs to know: which error, and where."""
    if isinstance(error, ModuleNotFoundError):
        place = f"{_place(error.__traceback__)} (looked in {sys.prefix}{_CURE})"
    else:  # a SyntaxError names its place itself, and the frames are those that were to read it
        place = "" if isinstance(error, SyntaxError) else _place(error.__traceback__)
    return UnfitGraph(f"{name} cannot be imported: {type(error).__name__}: {error}{place}")


def _place(trace: TracebackType | None) -> str:
    frames = [frame for frame in traceback.extract_tb(trace) if not frame.filename.startswith("<frozen ")]
    return f" ({frames[-1].filename}, line {frames[-1].lineno})" if frames else ""
