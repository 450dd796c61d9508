"""The engine's border: whatever goes wrong there is a deny."""

from policies.cedar import Entity, Question, Uid, ask, ask_all, read_entities, read_policies
from policies.schema import plain_schema
from registry.model import JsonObject

ANN, SEARCH = Uid("Person", "ann"), Uid("Agent", "search")
CONTEXT: JsonObject = {"scopes": [], "environment": "production", "depth": 1}


def person(uid: Uid, *, clearance: int = 2) -> Entity:
    domain = Uid("Domain", "d").reference()
    return Entity(uid=uid, attributes={"domain": domain, "clearance": clearance, "issuer": "i"})


def agent(uid: Uid) -> Entity:
    one = person(uid)
    return Entity(uid=uid, attributes={**one.attributes, "classification": 1, "tags": []})


def question(*, resource: Uid = SEARCH, context: JsonObject = CONTEXT) -> Question:
    return Question(principal=ANN, action="list", resource=resource, context=context)


PERMIT = "permit (principal, action, resource);"
KNOWN = read_entities([person(ANN), agent(SEARCH)], plain_schema())


def test_a_policy_that_errs_denies_even_though_a_permit_matches() -> None:
    erring = "forbid (principal, action, resource is Agent) when { principal.clearance + 9223372036854775807 > 1 };"
    answer = ask(question(), policies=read_policies([PERMIT, erring]), entities=KNOWN, schema=plain_schema())
    assert not answer.allowed
    assert "overflow" in answer.errors[0]


def test_a_missing_entity_denies_before_the_engine_is_asked() -> None:
    forbid = "forbid (principal, action, resource is Agent) when { resource has domain };"
    ghost = Uid("Agent", "ghost")
    answer = ask(
        question(resource=ghost), policies=read_policies([PERMIT, forbid]), entities=KNOWN, schema=plain_schema()
    )
    assert (answer.allowed, answer.errors) == (False, ("Agent 'ghost' is not at hand",))


def test_a_missing_person_in_the_context_denies() -> None:
    context: JsonObject = {**CONTEXT, "person": Uid("Person", "bob").reference()}
    answer = ask(question(context=context), policies=read_policies([PERMIT]), entities=KNOWN, schema=plain_schema())
    assert (answer.allowed, answer.errors) == (False, ("Person 'bob' is not at hand",))


def test_a_context_that_is_not_the_schemas_denies() -> None:
    changes: list[JsonObject] = [{"depth": "1"}, {"hour": 3}, {"scopes": "x"}, {"depth": 2**63}, {"person": None}]
    for change in changes:
        context: JsonObject = {**CONTEXT, **change}
        answer = ask(question(context=context), policies=read_policies([PERMIT]), entities=KNOWN, schema=plain_schema())
        assert not answer.allowed
        assert answer.errors


def test_what_cannot_be_written_as_json_denies() -> None:
    context: JsonObject = {**CONTEXT, "environment": "\ud800"}
    answer = ask(question(context=context), policies=read_policies([PERMIT]), entities=KNOWN, schema=plain_schema())
    assert not answer.allowed
    assert answer.errors


def test_many_questions_are_answered_in_their_order() -> None:
    ghost = Uid("Agent", "ghost")
    found = ask_all([question(), question()], policies=read_policies([PERMIT]), entities=KNOWN, schema=plain_schema())
    assert [answer.allowed for answer in found] == [True, True]
    found = ask_all(
        [question(), question(resource=ghost)], policies=read_policies([PERMIT]), entities=KNOWN, schema=plain_schema()
    )
    assert not any(answer.allowed for answer in found)
