"""Catalogs, principals and calls for tests of policies, made directly from the vocabulary."""

from collections.abc import Iterable, Sequence

from policies.decide import Judge
from policies.decision import Decision
from policies.facts import Facts, OpenedConversation, Standing
from policies.load import PolicySource, build_judge
from registry.catalog import AgentEntry, Catalog, SkillEntry
from registry.model import (
    CATALOG,
    Action,
    Agent,
    AgentName,
    Approval,
    Call,
    Chain,
    Classification,
    Deadline,
    Digest,
    Domain,
    Fault,
    Hints,
    Invocation,
    JsonObject,
    Param,
    Pin,
    Principal,
    PrincipalKind,
    Skill,
    SkillId,
    Streaming,
    Target,
    TargetKind,
    ToolName,
    new_call_id,
)
from registry.subjects import About

ISSUER = "https://issuer.test"


def skill(
    name: str,
    *,
    domain: str = "hiring",
    read_only: bool = True,
    destructive: bool = False,
    open_world: bool = False,
    approval: Approval = Approval.BY_POLICY,
    classification: Classification = Classification.INTERNAL,
    scopes: tuple[str, ...] = (),
    tags: tuple[str, ...] = (),
    params: tuple[Param, ...] = (),
    pin: str = "sha256:0",
) -> SkillEntry:
    agent = name.partition(".")[0]
    content = Skill(
        id=SkillId(name),
        agent=AgentName(agent),
        domain=Domain(domain),
        tool_name=ToolName(name.replace(".", "_")),
        title=name,
        description="",
        tags=tags,
        examples=(),
        method=f"/test.{agent}/M",
        input_type="test.In",
        output_type="test.Out",
        streaming=Streaming.UNARY,
        hints=Hints(read_only=read_only, destructive=destructive, idempotent=read_only, open_world=open_world),
        approval=approval,
        invocation=Invocation.DIRECT,
        scopes=scopes,
        timeout=30.0,
        classification=classification,
        input_schema={"type": "object", "properties": {}},
        output_schema={"type": "object", "properties": {}},
        params=params,
    )
    return SkillEntry(skill=content, revision=1, pin=Pin(pin), descriptors=Digest("sha256:d"), binding=None)


def agent(
    name: str,
    *,
    domain: str = "hiring",
    classification: Classification = Classification.INTERNAL,
    tags: tuple[str, ...] = (),
    converse: str | None = None,
) -> AgentEntry:
    content = Agent(
        name=AgentName(name),
        title=name,
        description="",
        domain=Domain(domain),
        version="0.1.0",
        service=f"test.{name}",
        skills=(),
        tags=tags,
        classification=classification,
        converse=f"/test.{name}/Converse" if converse is None else converse,
    )
    return AgentEntry(agent=content, revision=1, pin=Pin("sha256:a"), binding=None)


def catalog(skills: Iterable[SkillEntry] = (), agents: Iterable[AgentEntry] = (), *, version: int = 1) -> Catalog:
    """A catalog of these, with an agent for every skill that has none."""
    skills, given = list(skills), {entry.agent.name: entry for entry in agents}
    owners = {entry.skill.agent: agent(entry.skill.agent, domain=entry.skill.domain) for entry in skills}
    return Catalog(version=version, skills=skills, agents=(owners | given).values())


def standing(
    name: str,
    *groups: str,
    kind: PrincipalKind = PrincipalKind.PERSON,
    domain: str = "hiring",
    clearance: Classification = Classification.INTERNAL,
    issuer: str = ISSUER,
) -> Standing:
    principal = Principal(kind=kind, issuer=issuer, subject=name, name=name, domain=Domain(domain))
    return Standing(principal=principal, groups=frozenset(groups), clearance=clearance)


def judge(text: str, known: Catalog) -> Judge:
    return build_judge([PolicySource("test.cedar", text)], known)


def decide(
    judge: Judge,
    known: Catalog,
    who: Standing | Sequence[Standing],
    action: Action,
    target: Target | OpenedConversation | str = CATALOG,
    *,
    arguments: JsonObject | None = None,
    scopes: frozenset[str] = frozenset(),
    faults: tuple[Fault, ...] = (),
    unbound: tuple[str, ...] = (),
    tainted: bool = False,
    approved_by: Standing | None = None,
    about: About | None = None,
    hour: int = 12,
) -> Decision:
    """Decide one call as the gateway would; a string is a skill, a conversation one that the log found."""
    standings = (who,) if isinstance(who, Standing) else tuple(who)
    conversation = target if isinstance(target, OpenedConversation) else None
    if isinstance(target, OpenedConversation):
        target = Target(TargetKind.CONVERSATION, target.id)
    target = Target(TargetKind.SKILL, target) if isinstance(target, str) else target
    call = Call(
        id=new_call_id(),
        chain=Chain(tuple(standing.principal for standing in standings)),
        action=action,
        target=target,
        content=arguments or {},
        deadline=Deadline.after(30),
        scopes=scopes,
    )
    facts = Facts(
        catalog=known,
        standings=standings,
        skill=known.skill(target.name) if target.kind is TargetKind.SKILL else None,
        agent=known.agent(target.name) if target.kind is TargetKind.AGENT else None,
        conversation=conversation,
        arguments=arguments or {},
        find_faults=lambda: faults,
        unbound=unbound,
        tainted=tainted,
        approved_by=approved_by,
        about=about,
        hour=hour,
    )
    return judge.decide(call, facts)
