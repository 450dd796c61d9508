"""What must hold of decisions whatever the policies are: random policy sets, chains and skills, against the engine
asked about the whole set at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cedarpy
import orjson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from policies.cedar import Entity, Uid
from policies.decision import Verdict
from policies.facts import OpenedConversation, Standing
from policies.load import PolicySource, baseline, build_judge
from policies.nesting import statements
from policies.project import (
    MESSAGE_LOG,
    agent_entity,
    conversation_resource,
    principal_entity,
    principal_uid,
    skill_entity,
)
from policies.schema import plain_schema
from registry.catalog import Catalog, SkillEntry
from registry.model import MESSAGE_LOG as MESSAGES
from registry.model import (
    Action,
    Approval,
    Classification,
    ConversationId,
    Domain,
    PrincipalKind,
    SkillId,
    Target,
    TargetKind,
)
from tests.support.policies import agent, catalog, decide, skill, standing

SKILLS = ("a1.s1", "a1.s2", "a2.s1", "a2.s2", "a3.s1", "a3.s2")
GROUPS = ("g1", "g2", "g3")
DOMAINS = ("d1", "d2", "")
SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large)
SCOPES = frozenset({"read"})
# Policies of skills may speak of attributes that agents do not have, and a listing knows less than a call.
OF_SKILLS = (
    "resource is Skill",
    'resource is Skill in Agent::"a1"',
    'resource is Skill in Domain::"d1"',
    'resource == Skill::"a1.s1"',
    'resource == Skill::"a2.s2"',
)
OF_ALL = ("resource", 'resource in Agent::"a2"', 'resource in Domain::"d2"', 'resource in Agent::"a1"')
WHO = (
    "principal",
    "principal is Person",
    "principal is Agent",
    'principal in Group::"g1"',
    'principal is Person in Group::"g2"',
    'principal in Group::"g3"',
    'principal in Domain::"d1"',
    'principal == Person::"p1"',
    'principal == Agent::"a1"',
)
ALWAYS = (
    "true",
    'context.scopes.contains("read")',
    "context.depth > 1",
    "principal.clearance > 2",
    'principal in Group::"g2"',
    'principal in [Group::"g1", Group::"g3"]',
    'context has person && context.person in Group::"g1"',
    "resource in principal.domain",
)
IF_SKILL = (
    "resource.readOnly",
    "resource.classification >= principal.clearance",
    'resource.tags.contains("t")',
    'resource == Skill::"a3.s1"',
    '[Skill::"a1.s2", Skill::"a2.s1"].contains(resource)',
    'resource in [Agent::"a3", Agent::"a2"]',
    'resource is Skill in Agent::"a2"',
    "resource.domain == principal.domain",
    'resource.agent == Agent::"a1" || resource.openWorld',
    'resource.agent.domain == Domain::"d1"',
    "[resource].contains(resource) && resource.destructive",
    'if resource.openWorld then resource.approval == "never" else resource.idempotent',
    'resource.approval like "re*"',
)
OF_AGENTS = ("resource is Agent", 'resource is Agent in Domain::"d1"', 'resource == Agent::"a1"', *OF_ALL)
IF_AGENT = (
    "resource.classification >= principal.clearance",
    "resource.clearance < principal.clearance",
    'resource.issuer == ""',
    'resource.tags.contains("t")',
    'resource == Agent::"a2"',
    'resource in [Agent::"a3", Agent::"a2"]',
    'resource is Agent in Domain::"d1"',
    "resource.domain == principal.domain",
    "principal == resource",
    "resource in principal",
    "[resource].contains(resource) && resource.classification > 2",
)
OF_CONVERSATIONS = (
    "resource is Conversation",
    'resource is Conversation in Domain::"d1"',
    'resource == Conversation::"c1"',
)
OF_THE_LOG = ('resource == MessageLog::"messages"', "resource is MessageLog", "resource", 'resource in Domain::"d2"')
IF_CONVERSATION = (
    "resource.domain == principal.domain",
    'resource == Conversation::"c2"',
    'resource in [Domain::"d1", Domain::"d3"]',
    '[resource].contains(resource) && resource.domain != Domain::""',
)
IF_INVOKED = ("context.tainted", "context.hour < 12", "context has approvedBy", "context.args == {}")


@dataclass(frozen=True, kw_only=True)
class World:
    """A catalog, and chains of principals who ask."""

    catalog: Catalog
    chains: tuple[tuple[Standing, ...], ...]


@st.composite
def policies(draw: st.DrawFn) -> str:
    """One policy that the strict validator accepts."""
    action = draw(
        st.sampled_from(('action in Action::"use"', 'action == Action::"list"', 'action == Action::"invoke"'))
    )
    of_skills = draw(st.booleans()) or "invoke" in action
    conditions = [*ALWAYS, *(IF_SKILL if of_skills else ()), *(IF_INVOKED if "invoke" in action else ())]
    resource = draw(st.sampled_from(OF_SKILLS if of_skills else OF_ALL))
    head = (
        f"{draw(st.sampled_from(('permit', 'permit', 'forbid')))} ({draw(st.sampled_from(WHO))}, {action}, {resource})"
    )
    remedy = '@remedy("approval") ' if head.startswith("forbid") and draw(st.booleans()) else ""
    clause = draw(st.sampled_from(("when", "unless")))
    return f"{remedy}{head} {clause} {{ {draw(st.sampled_from(conditions))} }};"


@st.composite
def policies_of_agents(draw: st.DrawFn) -> str:
    """One policy about agents that the strict validator accepts."""
    action = draw(
        st.sampled_from(('action in Action::"use"', 'action == Action::"list"', 'action == Action::"message"'))
    )
    resource = draw(st.sampled_from(OF_AGENTS if "use" not in action else OF_AGENTS[:3]))
    conditions = [*ALWAYS, *(IF_AGENT if resource in OF_AGENTS[:3] else ())]
    head = (
        f"{draw(st.sampled_from(('permit', 'permit', 'forbid')))} ({draw(st.sampled_from(WHO))}, {action}, {resource})"
    )
    clause = draw(st.sampled_from(("when", "unless")))
    return f"{head} {clause} {{ {draw(st.sampled_from(conditions))} }};"


@st.composite
def policies_of_conversations(draw: st.DrawFn) -> str:
    """One policy about conversations, the message log or both that the strict validator accepts."""
    read, keep, part = 'Action::"read_conversation"', 'Action::"keep_conversation"', 'Action::"take_part"'
    action = draw(
        st.sampled_from(
            (f"action == {read}", f"action == {keep}", f"action == {part}", f"action in [{read}, {keep}, {part}]")
        )
    )
    resource = draw(st.sampled_from(OF_CONVERSATIONS if "== " + part in action else OF_CONVERSATIONS + OF_THE_LOG))
    general = [condition for condition in ALWAYS if not condition.startswith("resource")]
    conditions = [*general, "context.hour < 12", *(IF_CONVERSATION if resource in OF_CONVERSATIONS else ())]
    conditions += ["context.participates"] if keep not in action else []
    effect = draw(st.sampled_from(("permit", "permit", "forbid")))
    clause = draw(st.sampled_from(("when", "unless")))
    return (
        f"{effect} ({draw(st.sampled_from(WHO))}, {action}, {resource})"
        f" {clause} {{ {draw(st.sampled_from(conditions))} }};"
    )


@st.composite
def skills(draw: st.DrawFn, name: str) -> SkillEntry:
    return skill(
        name,
        domain=draw(st.sampled_from(DOMAINS[:2])),
        read_only=draw(st.booleans()),
        destructive=draw(st.booleans()),
        open_world=draw(st.booleans()),
        approval=draw(st.sampled_from(Approval)),
        classification=draw(st.sampled_from((Classification.PUBLIC, Classification.CONFIDENTIAL))),
        tags=draw(st.sampled_from(((), ("t",)))),
    )


@st.composite
def standings(draw: st.DrawFn, kind: PrincipalKind, name: str) -> Standing:
    return standing(
        name,
        *draw(st.frozensets(st.sampled_from(GROUPS))),
        kind=kind,
        domain=draw(st.sampled_from(DOMAINS)),
        clearance=draw(st.sampled_from((Classification.INTERNAL, Classification.RESTRICTED))),
    )


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Agent a1 is registered and also asks; its domain in the directory may differ from the registered one."""
    person, other = draw(standings(PrincipalKind.PERSON, "p1")), draw(standings(PrincipalKind.PERSON, "p2"))
    registered, stranger = draw(standings(PrincipalKind.AGENT, "a1")), draw(standings(PrincipalKind.AGENT, "x"))
    chains = ((person,), (other, registered), (registered,), (person, stranger, registered))
    known = [draw(skills(name)) for name in draw(st.lists(st.sampled_from(SKILLS), unique=True, min_size=1))]
    owners = [
        agent(
            name,
            domain=draw(st.sampled_from(DOMAINS[:2])),
            classification=draw(st.sampled_from((Classification.PUBLIC, Classification.CONFIDENTIAL))),
            tags=draw(st.sampled_from(((), ("t",)))),
        )
        for name in ("a1", "a2")
    ]
    return World(catalog=catalog(known, owners), chains=(draw(st.sampled_from(chains)), draw(st.sampled_from(chains))))


class Whole:
    """The engine, asked about the whole policy set and with the whole world at hand."""

    def __init__(self, texts: Sequence[str], known: Catalog, *, besides: Sequence[Entity] = ()) -> None:
        found = [(one.text, one.text.split('"')[1]) for source in baseline() for one in statements(source.text)[0]]
        found += [(text, f"test.cedar:{number + 1}") for number, text in enumerate(texts)]
        self._ids = tuple(name for _, name in found)
        self._set = cedarpy.PolicySet.from_str("\n".join(text for text, _ in found))
        self._catalog = known
        self._besides = besides
        self._alone: dict[str, cedarpy.PolicySet] = {}
        self._entities: dict[tuple[Standing, Standing | None], cedarpy.Entities] = {}

    def ask(
        self, chain: Sequence[Standing], link: Standing, action: str, name: str, *, kind: str = "Skill"
    ) -> tuple[bool, frozenset[str]]:
        answer = self._answer(chain, link, action, Uid(kind, name), self._set)
        reasons = (int(reason.removeprefix("policy")) for reason in answer.diagnostics.reasons)
        return answer.allowed, frozenset(self._ids[reason] for reason in reasons)

    def matches(self, forbid: str, chain: Sequence[Standing], link: Standing, action: str, name: SkillId) -> bool:
        """Whether a forbid by itself applies: turned into a permit, it allows."""
        if forbid not in self._alone:
            permit = forbid[forbid.index("forbid") :].replace("forbid", "permit", 1)
            self._alone[forbid] = cedarpy.PolicySet.from_str(permit)
        return self._answer(chain, link, action, Uid("Skill", name), self._alone[forbid]).allowed

    def _answer(
        self, chain: Sequence[Standing], link: Standing, action: str, resource: Uid, policies: cedarpy.PolicySet
    ) -> cedarpy.AuthzResult:
        person = chain[0] if chain[0].principal.kind is PrincipalKind.PERSON else None
        context: dict[str, object] = {"scopes": sorted(SCOPES), "environment": "production", "depth": len(chain)}
        if person:
            context["person"] = {"__entity": {"type": "Person", "id": person.principal.name}}
        if action != "list":
            context |= {"tainted": False, "hour": 12}
        if action in ("read_conversation", "take_part"):
            context |= {"participates": resource.id in OWN}
        if action == "invoke":
            context |= {"args": {}}
        uid = principal_uid(link.principal)
        request = {
            "principal": {"type": uid.type, "id": uid.id},
            "action": {"type": "Action", "id": action},
            "resource": {"type": resource.type, "id": resource.id},
            "context": context,
        }
        if (link, person) not in self._entities:
            self._entities[link, person] = self._world(link, person)
        world = self._entities[link, person]
        answer = cedarpy.is_authorized(request, policies, world, schema=plain_schema())  # pyright: ignore[reportUnknownMemberType]
        assert not answer.diagnostics.errors
        return answer

    def _world(self, link: Standing, person: Standing | None) -> cedarpy.Entities:
        asking = [principal_entity(one, self._catalog) for one in {link: 0, (person or link): 0}]
        registered = [skill_entity(entry) for entry in self._catalog.skills.values()]
        registered += [agent_entity(name, entry) for name, entry in self._catalog.agents.items()]
        registered += self._besides
        names = {entity.uid for entity in asking}
        everything = asking + [entity for entity in registered if entity.uid not in names]
        text = orjson.dumps([_json(entity) for entity in everything]).decode()
        return cedarpy.Entities.from_json_str(text, plain_schema())  # pyright: ignore[reportUnknownMemberType]


def _json(entity: Entity) -> dict[str, object]:
    parents = [{"type": parent.type, "id": parent.id} for parent in entity.parents]
    return {"uid": {"type": entity.uid.type, "id": entity.uid.id}, "attrs": entity.attributes, "parents": parents}


@settings(max_examples=1000, deadline=None, suppress_health_check=SLOW)
@given(texts=st.lists(policies(), min_size=1, max_size=12), world=worlds())
def test_a_slice_decides_and_lists_as_the_whole_set_does(texts: list[str], world: World) -> None:
    judge = build_judge([PolicySource("test.cedar", "\n".join(texts))], world.catalog)
    engine = Whole(texts, world.catalog)
    for chain in world.chains:
        listed = judge.listed(chain, world.catalog, SCOPES)
        for name in world.catalog.skills:
            seen = all(engine.ask(chain, link, "list", name)[0] for link in chain)
            assert decide(judge, world.catalog, chain, Action.LIST, name, scopes=SCOPES).allowed is seen
            assert (name in listed) is seen
            call = decide(judge, world.catalog, chain, Action.INVOKE, name, scopes=SCOPES)
            answers = [engine.ask(chain, link, "invoke", name) for link in chain]
            if not seen:
                assert call.verdict is Verdict.UNKNOWN
                continue
            assert call.allowed is all(allowed for allowed, _ in answers)
            reasons = [ids for allowed, ids in answers if allowed is call.allowed]
            assert set(call.policies) == frozenset[str]().union(*reasons)
            for forbid in (text for text in texts if "forbid" in text and '"list"' not in text):
                if any(engine.matches(forbid, chain, link, "invoke", name) for link in chain):
                    assert not call.allowed


@settings(max_examples=600, deadline=None, suppress_health_check=SLOW)
@given(texts=st.lists(policies_of_agents(), min_size=1, max_size=12), world=worlds(), doubled=st.booleans())
def test_agents_are_listed_and_messaged_as_the_whole_set_decides(
    texts: list[str], world: World, *, doubled: bool
) -> None:
    judge = build_judge([PolicySource("test.cedar", "\n".join(texts))], world.catalog)
    engine = Whole(texts, world.catalog)
    for chain in world.chains:
        links = (*chain, chain[-1]) if doubled else chain  # the same agent twice, too
        listed = judge.listed_agents(links, world.catalog, SCOPES)
        assert list(listed) == sorted(listed)
        for name in world.catalog.agents:
            target = Target(TargetKind.AGENT, name)
            seen = all(engine.ask(links, link, "list", name, kind="Agent")[0] for link in links)
            assert decide(judge, world.catalog, links, Action.LIST, target, scopes=SCOPES).allowed is seen
            assert (name in listed) is seen
            assert judge.sees_agent(links, name, SCOPES) is seen
            call = decide(judge, world.catalog, links, Action.MESSAGE, target, scopes=SCOPES)
            may = all(engine.ask(links, link, "message", name, kind="Agent")[0] for link in links)
            assert call.allowed is (seen and may)
            assert (call.verdict is Verdict.UNKNOWN) is not seen
        assert not judge.sees_agent(links, "nobody", SCOPES)


OWN = frozenset({"c2"})
CONVERSATIONS = tuple(
    OpenedConversation(id=ConversationId(f"c{number}"), domain=Domain(domain), participates=f"c{number}" in OWN)
    for number, domain in enumerate(("d1", "d2", ""), 1)
)
LOGGED = [entity for each in CONVERSATIONS for entity in conversation_resource(each).entities]


@settings(max_examples=500, deadline=None, suppress_health_check=SLOW)
@given(texts=st.lists(policies_of_conversations(), min_size=1, max_size=12), world=worlds())
def test_conversations_are_read_and_kept_as_the_whole_set_decides(texts: list[str], world: World) -> None:
    judge = build_judge([PolicySource("test.cedar", "\n".join(texts))], world.catalog)
    engine = Whole(texts, world.catalog, besides=[*LOGGED, MESSAGE_LOG])
    actions = (Action.READ_CONVERSATION, Action.KEEP_CONVERSATION, Action.TAKE_PART)

    def may(chain: Sequence[Standing], action: Action, name: str, kind: str) -> bool:
        return all(engine.ask(chain, link, action, name, kind=kind)[0] for link in chain)

    for chain in world.chains:
        for each in CONVERSATIONS:
            reads = may(chain, Action.READ_CONVERSATION, each.id, "Conversation")
            for action in actions:
                found = decide(judge, world.catalog, chain, action, each, scopes=SCOPES)
                allowed = may(chain, action, each.id, "Conversation")
                assert found.allowed is allowed
                assert (found.verdict is Verdict.UNKNOWN) is not (allowed or reads)
        assert decide(judge, world.catalog, chain, Action.TAKE_PART, MESSAGES).verdict is Verdict.DENY
        for action in actions[:2]:
            found = decide(judge, world.catalog, chain, action, MESSAGES, scopes=SCOPES)
            assert found.allowed is may(chain, action, MESSAGES.name, "MessageLog")
            assert found.verdict is not Verdict.UNKNOWN


@settings(max_examples=150, deadline=None, suppress_health_check=SLOW)
@given(texts=st.lists(policies(), min_size=1, max_size=8), world=worlds())
def test_what_is_not_listed_cannot_be_told_from_what_does_not_exist(texts: list[str], world: World) -> None:
    judge = build_judge([PolicySource("test.cedar", "\n".join(texts))], world.catalog)
    without = catalog([], world.catalog.agents.values())
    nothing = build_judge([PolicySource("test.cedar", "\n".join(texts))], without)
    for chain in world.chains:
        hidden = set(world.catalog.skills) - set(judge.listed(chain, world.catalog, SCOPES))
        for name in hidden:
            for action in (Action.LIST, Action.INVOKE):
                told = decide(judge, world.catalog, chain, action, name, scopes=SCOPES)
                absent = decide(nothing, without, chain, action, name, scopes=SCOPES)
                assert told.verdict is Verdict.UNKNOWN
                assert replace(told, policies=()) == absent  # the ids are for the audit log, not for the caller


ODD = st.one_of(
    st.text(max_size=12),
    st.sampled_from(('a" || true', "a\nb", "\0", "\u202egnp", "a\\", '"]}', "*", "\ud800", "", "ℹ" * 5000, "${x}")),
)


@settings(max_examples=300, deadline=None, suppress_health_check=SLOW)
@given(name=ODD, group=ODD, domain=ODD, target=ODD, value=st.recursive(st.none() | st.integers() | ODD, st.lists))
def test_deciding_never_raises_on_odd_input(name: str, group: str, domain: str, target: str, value: object) -> None:
    known = catalog([skill("a1.s1")])
    judge = build_judge(
        [PolicySource("t.cedar", 'permit (principal in Group::"g1", action in Action::"use", resource);')], known
    )
    who = standing(name, group, domain=domain)
    for kind in TargetKind:
        for action in Action:
            decision = decide(judge, known, who, action, Target(kind, target), arguments={"x": value})  # pyright: ignore[reportArgumentType]
            assert not decision.allowed or action is Action.LIST
            assert decision.sentence.isprintable()
    allowed = decide(judge, known, who, Action.INVOKE, "a1.s1").allowed
    assert allowed is (group == "g1" and not any("\ud800" in part for part in (name, domain)))
    assert (judge.listed([who], known, frozenset()) == ("a1.s1",)) is allowed


@settings(max_examples=200, deadline=None, suppress_health_check=SLOW)
@given(name=st.text(min_size=1, max_size=12), other=ODD)
def test_an_id_matches_itself_and_nothing_else(name: str, other: str) -> None:
    known = catalog([skill("a1.s1")])
    escaped = "".join(f"\\u{{{ord(char):x}}}" for char in name)
    judge = build_judge(
        [PolicySource("t.cedar", f'permit (principal == Person::"{escaped}", action in Action::"use", resource);')],
        known,
    )
    assert decide(judge, known, standing(name), Action.INVOKE, "a1.s1").allowed
    assert decide(judge, known, standing(other), Action.INVOKE, "a1.s1").allowed is (other == name)
