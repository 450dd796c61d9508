"""Loading policies: files → a set that was checked as a whole, or every mistake in it as `file:line: sentence`.

The baseline comes first and always: no configuration leaves it out. Each source passes the guard, then the parser, then
our own rules (closed annotations, unique ids, nothing that would be silently false), then Cedar's strict validator
against the schema of what is registered. Only what passed all of them is ever asked.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from policies.cedar import CedarError, read_trees, validate
from policies.decide import Judge, PolicySet
from policies.nesting import Statement, statements
from policies.rules import Rule, objections, read_rule
from policies.schema import Mentions, mentions, schema_with
from registry.catalog import Catalog
from registry.model import BadRequest

MAX_SOURCE = 4 * 1024 * 1024

_BASELINE = Path(__file__).parent / "baseline"


@dataclass(frozen=True, slots=True)
class PolicySource:
    """One file of policies: the name that problems are reported under, and its text."""

    name: str
    text: str


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


def build_judge(sources: Sequence[PolicySource], catalog: Catalog) -> Judge:
    """Check policies against what is registered and make the judge of this catalog.

    Raises:
        PolicyProblems: they do not hold together; nothing of them is in force.
    """
    all_sources = (*baseline(), *(source for source in sources if source not in baseline()))
    skills = (entry.skill for entry in catalog.skills.values())
    return Judge(_checked(all_sources, mentions(skills, (source.text for source in all_sources))), catalog)


@lru_cache(maxsize=2)
def _checked(sources: tuple[PolicySource, ...], registered: Mentions) -> PolicySet:
    """Read and check a set. Kept, since a publish seldom changes what policies can read of the skills."""
    problems: list[str] = []
    rules: list[Rule] = []
    for source in sources:
        try:
            rules += _read(source)
        except PolicyProblems as error:
            problems += error.problems
    problems += _repeated(rules)
    problems += _invalid(rules, registered)
    if problems:
        raise PolicyProblems(problems)
    return PolicySet(
        version=_version(sources),
        rules=tuple(rule for rule in rules if not rule.obligations),
        obligations=tuple(rule for rule in rules if rule.obligations),
        remarks=tuple(_remarks(rules, registered)),
    )


def _read(source: PolicySource) -> list[Rule]:
    """The rules of one source, or everything wrong with its form."""
    if len(source.text) > MAX_SOURCE:
        raise PolicyProblems([f"{source.name}:1: the file is over {MAX_SOURCE} characters"])
    found, misshapen = statements(source.text)
    if misshapen:
        raise PolicyProblems([f"{source.name}:{fault.line}: {fault.sentence}" for fault in misshapen])
    try:
        trees = read_trees(source.text)
    except CedarError as error:
        raise PolicyProblems(list(_unparsed(source, found)) or [f"{source.name}:1: {error}"]) from error
    if len(trees) != len(found):
        raise PolicyProblems([f"{source.name}:1: {len(found)} policies were written, {len(trees)} were read"])
    placed = [
        (f"{source.name}:{statement.line}", statement, tree) for statement, tree in zip(found, trees, strict=True)
    ]
    if wrong := [f"{where}: {sentence}" for where, _, tree in placed for sentence in objections(tree)]:
        raise PolicyProblems(wrong)
    lines: Counter[str] = Counter()
    rules: list[Rule] = []
    for where, statement, tree in placed:
        lines[where] += 1
        rules.append(read_rule(tree, text=statement.text, where=where, number=lines[where]))
    return rules


def _unparsed(source: PolicySource, found: Sequence[Statement]) -> Iterator[str]:
    """The engine's errors carry no position: parse each policy by itself to say where."""
    for statement in found:
        try:
            read_trees(statement.text)
        except CedarError as error:
            yield f"{source.name}:{statement.line}: {error}"


def _repeated(rules: Sequence[Rule]) -> Iterator[str]:
    first: dict[str, Rule] = {}
    for rule in rules:
        if first.setdefault(rule.id, rule) is not rule:
            yield f'{rule.where}: @id("{rule.id}") is taken by the policy at {first[rule.id].where}'


def _invalid(rules: Sequence[Rule], registered: Mentions) -> Iterator[str]:
    """What the strict validator finds, obligations included; and arguments that it lets pass."""
    if not rules:
        return
    try:
        schema = schema_with(registered.records)
    except CedarError as error:
        yield f"schema: the arguments of {', '.join(name for name, _ in registered.records)} make no schema: {error}"
        return
    found = validate([rule.text for rule in rules], schema)
    for position, sentence in found:
        yield f"{rules[position].where}: {sentence}"
    complained = {position for position, _ in found}
    for position, rule in enumerate(rules):
        if position not in complained:
            yield from (f"{rule.where}: {sentence}" for sentence in _argument_faults(rule, registered))


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


def _remarks(rules: Sequence[Rule], registered: Mentions) -> Iterator[str]:
    """Arguments of skills that are not registered: no mistake, since policies come before skills, unless misspelt."""
    known = {name for name, _ in registered.records}
    for rule in rules:
        for name in sorted({name for name, _ in rule.reads.fields} - known):
            yield f"{rule.where}: context.args.{name} is of no registered skill"


def _read_folder(folder: Path) -> Iterator[PolicySource]:
    if not folder.is_dir():
        raise PolicyProblems([f"{folder}: there is no such folder of policies"])
    root = folder.resolve()
    for path in sorted(folder.rglob("*.cedar")):
        name = path.relative_to(folder).as_posix()
        if not path.resolve().is_relative_to(root):
            raise PolicyProblems([f"{name}:1: the file is a link that leads out of the folder"])
        try:
            yield PolicySource(name, path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise PolicyProblems([f"{name}:1: the file cannot be read: {error}"]) from error


def _version(sources: Sequence[PolicySource]) -> str:
    """The digest of the set, whatever order its files came in."""
    digest = hashlib.sha256()
    for source in sorted(sources, key=lambda source: (source.name, source.text)):
        for part in (source.name.encode(), source.text.encode()):
            digest.update(len(part).to_bytes(8) + part)
    return f"sha256:{digest.hexdigest()}"
