"""A rule: one policy, read. What its scope names, which actions it is about, what it looks at, and its annotations.

Works on Cedar's JSON format of a policy, so that it needs nothing of the engine. Slicing and listing rest on what is
found here: where a policy could depend on a resource in a way this module does not recognise, it says so
(`Reads.identity`), and the resource is then decided by itself.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from policies.cedar import Uid
from policies.nesting import clauses
from policies.schema import ATTRIBUTES
from registry.model import JsonObject, JsonValue

USE = frozenset({"list", "invoke", "message"})
"""The actions in the group `use`."""

REMEDIES = frozenset({"approval", "step_up", "consent"})
ANNOTATIONS = frozenset({"id", "remedy", "obligation", "says"})

USE_IS_A_GROUP = (
    '`use` is a group of actions (list, invoke, message), never one itself: write `action in Action::"use"`'
)

_OBLIGATION = re.compile(r"redact:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*|limit:[1-9]\d{0,8}/(second|minute|hour|day)")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]{0,99}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What one place of a policy's head demands: to be or to be in `anchor`, to be of `type`. None: no demand."""

    anchor: Uid | None = None
    type: str | None = None

    def admits(self, entity_type: str) -> bool:
        return self.type is None or self.type == entity_type


@dataclass(frozen=True, slots=True, kw_only=True)
class Reads:
    """What the conditions of a policy depend on in a resource: these attributes, being or being in one of these
    entities, any of its ancestors (`ancestry`: `resource in principal.domain`), or more than we can say (`identity`).

    `arguments` says that the policy may look at `context.args`; `fields` which records and fields of it are named, as
    (record, field), the field empty where only the record is.
    """

    attributes: frozenset[str] = frozenset()
    literals: frozenset[Uid] = frozenset()
    ancestry: bool = False
    identity: bool = False
    arguments: bool = False
    fields: frozenset[tuple[str, str]] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rule:
    """One policy. `clauses` is its text after the head; `actions` is None for any action; `obligations` are set on
    those of the second set only."""

    id: str
    where: str
    text: str
    clauses: str
    permits: bool
    principal: Scope
    resource: Scope
    actions: frozenset[str] | None
    reads: Reads
    remedy: str = ""
    says: str = ""
    obligations: tuple[str, ...] = ()


def read_rule(tree: JsonObject, *, text: str, where: str, number: int = 1) -> Rule:
    """Read one policy that parsed. `where` is `file:line`, and its id too unless it has one; `number` tells policies of
    one line apart."""
    notes = _notes(tree)
    conditions = cast(Sequence[JsonObject], tree["conditions"])
    return Rule(
        id=notes.get("id") or (where if number == 1 else f"{where}#{number}"),
        where=where,
        text=text,
        clauses=clauses(text).strip(),
        permits=tree["effect"] == "permit",
        principal=_scope(tree["principal"]),
        resource=_scope(tree["resource"]),
        actions=_actions(cast(JsonObject, tree["action"])),
        reads=_reads([condition["body"] for condition in conditions]),
        remedy=notes.get("remedy", ""),
        says=notes.get("says", ""),
        obligations=tuple(part.strip() for part in notes["obligation"].split(",")) if "obligation" in notes else (),
    )


def objections(tree: JsonObject) -> Iterator[str]:
    """What is wrong with a policy that parsed, beyond what the validator will say."""
    if tree.get("template"):
        yield "templates (?principal, ?resource) are not supported: name the entity, or a group"
        return
    yield from _annotation_faults(_notes(tree), permits=tree["effect"] == "permit")
    action = cast(JsonObject, tree["action"])
    if action["op"] == "==" and _actions(action) == frozenset({"use"}):
        yield USE_IS_A_GROUP
    resource = _scope(tree["resource"])
    if resource.anchor and resource.anchor.type == "Group":
        yield f'nothing is known of a resource being in Group::"{resource.anchor.id}": groups are of those who ask'
    for condition in cast(Sequence[JsonObject], tree["conditions"]):
        for op, body in _nodes(condition["body"]):
            yield from _blind_spots(op, body)


def _annotation_faults(notes: Mapping[str, str], *, permits: bool) -> Iterator[str]:
    for name in sorted(notes.keys() - ANNOTATIONS):
        yield f"unknown annotation @{name}; there are {', '.join('@' + known for known in sorted(ANNOTATIONS))}"
    if "id" in notes and not _ID.fullmatch(notes["id"]):
        yield f'@id("{notes["id"]}") is not an id: it is up to 100 of letters, digits and ._:/@-'
    if "remedy" in notes and notes["remedy"] not in REMEDIES:
        yield f'@remedy("{notes["remedy"]}") is unknown; there are {", ".join(sorted(REMEDIES))}'
    if permits and (misplaced := notes.keys() & {"remedy", "says"}):
        yield f"@{min(misplaced)} belongs on a forbid: it tells how, or why, a call is denied"
    if "says" in notes and not notes["says"].strip():
        yield "@says needs a sentence"
    if "obligation" in notes and not permits:
        yield "@obligation belongs on a permit: it matches calls that another policy allows"
    for obligation in notes["obligation"].split(",") if "obligation" in notes else ():
        if not _OBLIGATION.fullmatch(obligation.strip()):
            yield f'@obligation("{obligation.strip()}") is unknown; write redact:FIELD or limit:N/minute'


def _blind_spots(op: str, body: JsonValue) -> Iterator[str]:
    """Conditions that would be silently false, because a decision is given the entities of its call and no others."""
    if op in ("==", "!=") and _compares_use(op, body):
        yield USE_IS_A_GROUP
    if op not in (".", "has", "in", "hasTag", "getTag", "is"):
        return
    left = cast(JsonObject, body)["left"]
    if (literal := _literal(left)) and op != "is":
        yield f'{literal.type}::"{literal.id}" is not part of a call: only principal, resource and context are known'
    path = _path({op: body})
    if op == "has" and path and path[:2] != ("context", "args") and path[-1] not in ATTRIBUTES:
        yield f"nothing has an attribute `{path[-1]}`, so `{'.'.join(path[:-1])} has {path[-1]}` is always false"
    within = cast(JsonObject, body).get("right" if op == "in" else "in")
    groups = [uid for uid in _literals(within) if uid.type == "Group"] if op in ("in", "is") else []
    if groups and not _asks(left):
        yield f'only of principal, context.person and context.approvedBy is it known who is in Group::"{groups[0].id}"'


def _compares_use(op: str, body: JsonValue) -> bool:
    """Whether the action of a call, which is one of a group, is compared with the group."""
    operands = list(_children(op, body))
    return any(_variable(operand) == "action" for operand in operands) and any(
        _literal(operand) == Uid("Action", "use") for operand in operands
    )


def _asks(node: JsonValue) -> bool:
    """Whether an expression is one of those whose groups are known."""
    if _variable(node) == "principal":
        return True
    read = node.get(".") if isinstance(node, dict) else None
    if not isinstance(read, dict):
        return False
    return _variable(read["left"]) == "context" and read["attr"] in ("person", "approvedBy")


def _notes(tree: JsonObject) -> dict[str, str]:
    notes = cast(Mapping[str, str | None], tree.get("annotations") or {})
    return {name: value or "" for name, value in notes.items()}


def _scope(place: JsonValue) -> Scope:
    found = cast(Mapping[str, JsonValue], place)
    inner = found.get("in") if found["op"] == "is" else found
    entity = cast(Mapping[str, JsonValue], inner or {}).get("entity")
    anchor = _uid(entity) if entity else None
    kind = cast(str, found["entity_type"]) if found["op"] == "is" else None
    return Scope(anchor=anchor, type=anchor.type if anchor and found["op"] == "==" else kind)


def _actions(scope: JsonObject) -> frozenset[str] | None:
    if scope["op"] == "All":
        return None
    named = cast(Sequence[JsonValue], scope["entities"] if "entities" in scope else [scope["entity"]])
    ids = frozenset(_uid(entity).id for entity in named)
    return ids | USE if "use" in ids and scope["op"] == "in" else ids


def _reads(bodies: Sequence[JsonValue]) -> Reads:
    attributes: set[str] = set()
    literals: set[Uid] = set()
    fields: set[tuple[str, str]] = set()
    ancestry = identity = arguments = False
    for body in bodies:
        for op, node in _nodes(body):
            literals.update(_literals({op: node}) if op == "Value" else ())
            resource, use = _resource_use(op, node)
            attributes.update(resource)
            ancestry |= use == "ancestry"
            identity |= use == "identity"
            arguments |= _reads_arguments(op, node)
            fields.update(_argument_fields(op, node))
    return Reads(
        attributes=frozenset(attributes),
        literals=frozenset(literals),
        ancestry=ancestry,
        identity=identity,
        arguments=arguments,
        fields=frozenset(fields),
    )


def _resource_use(op: str, node: JsonValue) -> tuple[tuple[str, ...], str]:
    """How this operation uses `resource` as a direct operand: attributes it reads, and how else it depends on it."""
    operands = list(_children(op, node))
    if not any(_variable(operand) == "resource" for operand in operands):
        return (), ""
    fields = cast(JsonObject, node)
    match op:
        case "." | "has":
            return (cast(str, fields["attr"]),), ""
        case "in" | "is" if _variable(fields["left"]) == "resource":
            within = fields.get("right" if op == "in" else "in")
            return (), "" if within is None or _is_literal(within) else "ancestry"
        case "==" | "!=" | "contains" if all(_variable(o) == "resource" or _is_literal(o) for o in operands):
            return (), ""
        case _:
            return (), "identity"


def _reads_arguments(op: str, node: JsonValue) -> bool:
    """Whether `context` is used otherwise than for one of its attributes that is not `args`."""
    if not any(_variable(operand) == "context" for operand in _children(op, node)):
        return False
    return op not in (".", "has") or cast(JsonObject, node)["attr"] == "args"


def _argument_fields(op: str, node: JsonValue) -> Iterator[tuple[str, str]]:
    """(record, field) where this operation reads, or asks for, one of them."""
    path = _path({op: node})
    if path[:2] == ("context", "args") and len(path) > 2:
        yield path[2], path[3] if len(path) > 3 else ""


def _path(node: JsonValue) -> tuple[str, ...]:
    """`context.args.x has y` as its four names; empty for whatever does not begin with a variable."""
    if name := _variable(node):
        return (name,)
    for op in (".", "has"):
        read = node.get(op) if isinstance(node, dict) else None
        if isinstance(read, dict) and (left := _path(read["left"])):
            return (*left, cast(str, read["attr"]))
    return ()


def _nodes(root: JsonValue) -> Iterator[tuple[str, JsonValue]]:
    """Every operation of an expression, as (name, operands)."""
    todo = [root]
    while todo:
        for op, node in cast(JsonObject, todo.pop()).items():
            yield op, node
            todo.extend(_children(op, node))


def _children(op: str, node: JsonValue) -> Iterator[JsonValue]:
    """The expressions an operation is made of: everything in it that is an object or a list of objects."""
    if op in ("Value", "Var", "Slot"):
        return
    values = node.values() if isinstance(node, dict) else cast(Sequence[JsonValue], node)
    yield from (value for value in values if isinstance(value, dict))


def _variable(node: JsonValue) -> str:
    return cast(str, node.get("Var", "")) if isinstance(node, dict) else ""


def _is_literal(node: JsonValue) -> bool:
    """Whether an expression is an entity, or a set of entities, written out."""
    if isinstance(node, dict) and "Set" in node:
        return all(_literal(element) for element in cast(Sequence[JsonValue], node["Set"]))
    return _literal(node) is not None


def _literal(node: JsonValue) -> Uid | None:
    value = node.get("Value") if isinstance(node, dict) else None
    return _uid(value["__entity"]) if isinstance(value, dict) and "__entity" in value else None


def _literals(root: JsonValue) -> Iterator[Uid]:
    if root is not None:
        found = (_literal({op: node}) for op, node in _nodes(root))
        yield from (uid for uid in found if uid)


def _uid(entity: JsonValue) -> Uid:
    fields = cast(Mapping[str, str], entity)
    return Uid(fields["type"], fields["id"])
