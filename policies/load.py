"""Loading policies: files → a set that was checked as a whole, or every mistake in it as `file:line: sentence`.

The baseline comes first and always: no configuration leaves it out. Each source passes the guard, then the parser, then
our own rules (closed annotations, unique ids, nothing that would be silently false), then Cedar's strict validator
against the schema of what is registered. Only what passed all of them is ever asked.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from policies.cedar import CedarError, validate
from policies.decide import Judge, PolicySet
from policies.reading import PolicySource, Problem, read_source
from policies.remarks import Known, remarks
from policies.rules import Rule
from policies.schema import Mentions, mentions, schema_with
from registry.catalog import Catalog
from registry.model import BadRequest

_NO_ACTION = "unable to find an applicable action"
_BASELINE = Path(__file__).parent / "baseline"


class PolicyProblems(BadRequest):
    """The policies cannot be put in force; `problems` are all that is wrong, each `file:line: sentence`."""

    code = "bad_policies"

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


def load_policies(folder: Path | None) -> tuple[PolicySource, ...]:
    """Read the baseline and every `*.cedar` below a folder, in the order of their names.

    Raises:
        PolicyProblems: the folder or a file in it cannot be read.
    """
    return (*baseline(), *_read_folder(folder)) if folder else baseline()


@lru_cache(maxsize=1)
def baseline() -> tuple[PolicySource, ...]:
    """The policies that hold in every installation."""
    return tuple(
        PolicySource(f"baseline/{path.name}", path.read_text(encoding="utf-8"))
        for path in sorted(_BASELINE.glob("*.cedar"))
    )


def build_judge(sources: Sequence[PolicySource], catalog: Catalog, *, known: Known | None = None) -> Judge:
    """Check policies against what is registered and make the judge of this catalog. Names that nothing registered,
    and nobody `known`, answers to are remarked on.

    Raises:
        PolicyProblems: they do not hold together; nothing of them is in force.
    """
    all_sources = (*baseline(), *(source for source in sources if source not in baseline()))
    registered = mentions((entry.skill for entry in catalog.skills.values()), (source.text for source in all_sources))
    policies = _checked(all_sources, registered)
    rules = (*policies.rules, *policies.obligations)
    found = remarks(rules, catalog, registered=registered, known=known)
    return Judge(replace(policies, remarks=found), catalog)


@lru_cache(maxsize=2)
def _checked(sources: tuple[PolicySource, ...], registered: Mentions) -> PolicySet:
    """Read and check a set. Kept, since a publish seldom changes what policies can read of the skills."""
    readings = [read_source(source) for source in sources]
    rules = [rule for reading in readings for rule in reading.rules]
    problems = [problem for reading in readings for problem in reading.problems]
    problems += _repeated(rules)
    problems += _invalid(rules, registered)
    if problems:
        raise PolicyProblems(_in_order(problems, sources))
    return PolicySet(
        version=_version(sources),
        rules=tuple(rule for rule in rules if not rule.obligations),
        obligations=tuple(rule for rule in rules if rule.obligations),
    )


def _in_order(problems: Iterable[Problem], sources: Sequence[PolicySource]) -> tuple[str, ...]:
    """Problems as one reads the files, each said once."""
    order = {source.name: number for number, source in enumerate(sources)}

    def place(problem: Problem) -> tuple[int, int]:
        file, _, line = problem.where.rpartition(":")
        return order.get(file, len(order)), int(line) if line.isdecimal() else 0

    return tuple(dict.fromkeys(str(problem) for problem in sorted(problems, key=place)))


def _repeated(rules: Sequence[Rule]) -> Iterator[Problem]:
    first: dict[str, Rule] = {}
    for rule in rules:
        if first.setdefault(rule.id, rule) is not rule:
            yield Problem(rule.where, f'@id("{rule.id}") is taken by the policy at {first[rule.id].where}')


def _invalid(rules: Sequence[Rule], registered: Mentions) -> Iterator[Problem]:
    """What the strict validator finds, obligations included; and arguments that it lets pass."""
    if not rules:
        return
    try:
        schema = schema_with(registered.records)
    except CedarError as error:
        names = ", ".join(name for name, _ in registered.records)
        yield Problem("schema", f"the arguments of {names} make no schema: {error}")
        return
    found = validate([rule.text for rule in rules], schema)
    for position, sentence in found:
        rule = rules[position]
        if rule.actions != frozenset({"use"}) or not sentence.startswith(
            _NO_ACTION
        ):  # `objections` has said what to write
            yield Problem(rule.where, sentence)
    complained = {position for position, _ in found}
    for position, rule in enumerate(rules):
        if position not in complained:
            yield from (Problem(rule.where, sentence) for sentence in _argument_faults(rule, registered))


def _argument_faults(rule: Rule, registered: Mentions) -> Iterator[str]:
    """To the validator, `has` of what no skill declares is merely false: a forbid on it would be a silent hole."""
    declared = {name: {param.name for param in params} for name, params in registered.records}
    shared = dict(registered.shared)
    for name, field in sorted(rule.reads.fields):
        if name in shared:
            yield f"context.args.{name} could be any of {', '.join(shared[name])}"
        elif name in registered.silent:
            yield f"context.args.{name}: this skill declares no policy-visible parameters"
        elif field and field not in declared.get(name, {field}):
            yield f"context.args.{name}.{field}: this skill declares no policy-visible parameter of that name"


def _files(folder: Path) -> Iterator[Path]:
    """Every policy file below a folder; a folder that cannot be read is an error, since it may hold what forbids."""

    def stop(error: OSError) -> None:
        raise error

    for parent, _, names in os.walk(folder, onerror=stop):
        yield from (Path(parent, name) for name in names if name.endswith(".cedar"))


def _read_folder(folder: Path) -> tuple[PolicySource, ...]:
    if not folder.is_dir():
        raise PolicyProblems([f"{folder}: there is no such folder of policies"])
    try:
        paths = sorted(_files(folder))
    except OSError as error:
        raise PolicyProblems([f"{error.filename}: this folder of policies cannot be read: {error.strerror}"]) from None
    found = [_read_file(path, folder) for path in paths]
    if problems := [one for one in found if isinstance(one, Problem)]:
        raise PolicyProblems([str(problem) for problem in problems])
    return tuple(one for one in found if isinstance(one, PolicySource))


def _read_file(path: Path, folder: Path) -> PolicySource | Problem:
    name = path.relative_to(folder).as_posix()
    if not path.resolve().is_relative_to(folder.resolve()):
        return Problem(f"{name}:1", "the file is a link that leads out of the folder")
    try:
        data = path.read_bytes()
    except OSError as error:
        return Problem(f"{name}:1", f"the file cannot be read: {error.strerror}")
    try:
        return PolicySource(name, data.decode())
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return Problem(f"{name}:{line}", "the file cannot be read: this is not UTF-8; save the file as UTF-8 text")


def _version(sources: Sequence[PolicySource]) -> str:
    """The digest of the set, whatever order its files came in."""
    digest = hashlib.sha256()
    for source in sorted(sources, key=lambda source: (source.name, source.text)):
        for part in (source.name.encode(), source.text.encode()):
            digest.update(len(part).to_bytes(8) + part)
    return f"sha256:{digest.hexdigest()}"
