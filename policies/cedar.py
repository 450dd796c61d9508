"""The one place that touches the Cedar engine, and it fails closed.

Cedar skips a policy that errs, so an erring `forbid` would allow; and it treats an entity it was not given as one
without attributes. Hence: the schema is always passed, any error in the diagnostics is a deny, so is `NoDecision`, an
entity that is not at hand is a deny before the engine is asked, and nothing that the engine throws gets past `ask`.
Policy text comes here only through `policies.nesting`, which keeps out what would kill the process.
"""

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple, cast

import cedarpy
import orjson

from registry.model import JsonObject, JsonValue

# cedarpy's signatures say `dict` without saying of what: hence the narrow ignores below.
Schema = cedarpy.Schema
PolicyHandle = cedarpy.PolicySet


class CedarError(ValueError):
    """The engine refused policies, entities or a schema; the message is its own sentence."""


class Uid(NamedTuple):
    """An entity's type and id. Never rendered as Cedar text, so no id can break out of its quotes."""

    type: str
    id: str

    def reference(self) -> JsonObject:
        """As the value of an attribute or of the context."""
        return {"__entity": {"type": self.type, "id": self.id}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity:
    """What Cedar is told of one entity: attributes as Cedar's JSON, and direct parents."""

    uid: Uid
    attributes: JsonObject
    parents: tuple[Uid, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Entities:
    """A parsed set of entities, checked against the schema, and the ids in it."""

    handle: cedarpy.Entities
    uids: frozenset[Uid]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """May this principal do this to that resource?"""

    principal: Uid
    action: str
    resource: Uid
    context: JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """`reasons` are the positions of the determining policies in their set. With errors, `allowed` is False."""

    allowed: bool
    reasons: tuple[int, ...] = ()
    errors: tuple[str, ...] = ()


def read_schema(text: str) -> Schema:
    """Parse a schema in Cedar's own syntax.

    Raises:
        CedarError: it does not parse.
    """
    with _engine():
        return cedarpy.Schema.from_str(text)


def read_policies(texts: Sequence[str]) -> PolicyHandle:
    """Parse policies, whose positions are what `Answer.reasons` counts.

    Raises:
        CedarError: one does not parse.
    """
    with _engine():
        return cedarpy.PolicySet.from_str("\n".join(texts))


def read_trees(text: str) -> tuple[JsonObject, ...]:
    """The policies of a text in its order, in Cedar's JSON format; one with slots (a template) has `"template": true`.

    Raises:
        CedarError: it does not parse.
    """
    with _engine():
        found = cast(dict[str, dict[str, JsonObject]], orjson.loads(cedarpy.policies_to_json_str(text)))
    trees = dict(found["staticPolicies"])
    trees.update({name: {**tree, "template": True} for name, tree in found["templates"].items()})
    return tuple(tree for _, tree in sorted(trees.items(), key=lambda item: _position(item[0])))


def validate(texts: Sequence[str], schema: Schema) -> tuple[tuple[int, str], ...]:
    """Everything the strict validator has against the policies: (position, sentence)."""
    with _engine():
        result = cedarpy.validate_policies("\n".join(texts), schema, release_gil=True)  # pyright: ignore[reportUnknownMemberType]
    found = [(_position(error.policy_id), _sentence(error.error)) for error in result.errors]
    return tuple(found) if found or result.validation_passed else ((0, "the policies do not validate"),)


def read_entities(entities: Sequence[Entity], schema: Schema, *, beside: Entities | None = None) -> Entities:
    """Parse entities and hold them to the schema, together with those parsed already.

    Raises:
        CedarError: one does not fit the schema, or two have one id.
    """
    with _engine():
        text = orjson.dumps([_written(entity) for entity in entities]).decode()
        if beside is None:
            handle = cedarpy.Entities.from_json_str(text, schema)  # pyright: ignore[reportUnknownMemberType]
        else:
            handle = beside.handle.with_added_json_str(text, schema)  # pyright: ignore[reportUnknownMemberType]
    known = frozenset(entity.uid for entity in entities)
    return Entities(handle=handle, uids=known | beside.uids if beside else known)


def ask(question: Question, *, policies: PolicyHandle, entities: Entities, schema: Schema) -> Answer:
    """Decide one question; never raises, and whatever goes wrong is a deny that says so in `errors`."""
    return ask_all((question,), policies=policies, entities=entities, schema=schema)[0]


def ask_all(
    questions: Sequence[Question], *, policies: PolicyHandle, entities: Entities, schema: Schema
) -> tuple[Answer, ...]:
    """Decide many questions over the same policies and entities, each by itself; never raises."""
    for question in questions:
        if missing := _missing(question, entities.uids):
            return (Answer(allowed=False, errors=(f"{missing.type} {missing.id!r} is not at hand",)),) * len(questions)
    try:
        requests = [_request(question) for question in questions]
        results = cedarpy.is_authorized_batch(requests, policies, entities.handle, schema)  # pyright: ignore[reportUnknownMemberType]
        return tuple([_answer(result) for result in results])
    except BaseException as error:
        _pass_on_what_is_not_the_engines(error)
        return (Answer(allowed=False, errors=(_complaint(error),)),) * len(questions)


@contextmanager
def _engine() -> Generator[None]:
    """Turn all that the engine throws into CedarError."""
    try:
        yield
    except BaseException as error:
        _pass_on_what_is_not_the_engines(error)
        raise CedarError(_complaint(error)) from error


def _pass_on_what_is_not_the_engines(error: BaseException) -> None:
    """A panic of the Rust side is a BaseException, though not one to stop the process: deny, and go on."""
    if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
        raise error


def _complaint(error: BaseException) -> str:
    return str(error) or type(error).__name__


def _missing(question: Question, at_hand: frozenset[Uid]) -> Uid | None:
    """An entity the question names without our having it; the engine would take it for one without attributes."""
    for uid in (question.principal, question.resource):
        if uid not in at_hand:
            return uid
    for value in question.context.values():
        if isinstance(value, dict) and "__entity" in value and (uid := _uid(value["__entity"])) not in at_hand:
            return uid
    return None


def _uid(reference: JsonValue) -> Uid:
    fields = cast(Mapping[str, str], reference)
    return Uid(fields["type"], fields["id"])


def _request(question: Question) -> dict[str, object]:
    return {
        "principal": {"type": question.principal.type, "id": question.principal.id},
        "action": {"type": "Action", "id": question.action},
        "resource": {"type": question.resource.type, "id": question.resource.id},
        "context": orjson.dumps(question.context).decode(),
    }


def _answer(result: cedarpy.AuthzResult) -> Answer:
    errors, decision = tuple(result.diagnostics.errors), result.decision
    if not errors and decision is cedarpy.Decision.NoDecision:
        errors = ("the engine came to no decision",)
    reasons = tuple(sorted([_position(reason) for reason in result.diagnostics.reasons]))
    return Answer(allowed=decision is cedarpy.Decision.Allow and not errors, reasons=reasons, errors=errors)


def _written(entity: Entity) -> JsonObject:
    return {
        "uid": {"type": entity.uid.type, "id": entity.uid.id},
        "attrs": entity.attributes,
        "parents": [{"type": parent.type, "id": parent.id} for parent in entity.parents],
    }


def _position(policy_id: str) -> int:
    """The engine names policies `policy0`, `policy1`, … in the order of the text."""
    return int(policy_id[6:] or 0)


def _sentence(error: str) -> str:
    """The validator's message without the position it begins with: the caller knows the line."""
    return error.split("`, ", 1)[1] if error.startswith("for policy `") else error
