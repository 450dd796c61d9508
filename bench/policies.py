"""Policies: what a decision and a listing cost as the number of policies grows. Prints figures; not a test.

    python -m bench.policies

Four kinds of decision: *first* meets a skill for the first time, so that policies and entities are parsed; *other* is
about what was met before at another hour, so that the engine is asked; *same* is the same question again; *whole* is
the engine alone over the whole set, as if there were no slices. The listing is of 10,000 skills: *first* includes what
is found out once for a catalog, *new* is for principals nobody has seen before, *again* for one that was seen.
"""

import random
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from policies.cedar import Answer, Question, ask, read_entities, read_policies
from policies.decide import Judge
from policies.facts import Facts, Standing
from policies.load import PolicySource, build_judge
from policies.project import skill_resource, skill_uid, together
from policies.schema import plain_schema
from policies.views import seats, view
from registry.catalog import AgentEntry, Catalog, SkillEntry
from registry.model import (
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
    Hints,
    Invocation,
    JsonObject,
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

SKILLS, AGENTS, DOMAINS, GROUPS = 10_000, 200, 20, 50
CONDITIONS = (
    "",
    " when { resource.readOnly }",
    ' when { context.scopes.contains("more") }',
    " when { principal.clearance >= 2 && !resource.openWorld }",
)


def made_catalog(skills: int) -> Catalog:
    """Skills in agents in domains, with attributes spread over them."""
    entries = [_skill(number) for number in range(skills)]
    agents = {entry.skill.agent: entry.skill.domain for entry in entries}
    return Catalog(version=1, skills=entries, agents=[_agent(name, domain) for name, domain in agents.items()])


def _skill(number: int) -> SkillEntry:
    agent = number % AGENTS
    name = f"agent{agent}.skill{number}"
    read_only = number % 3 > 0
    skill = Skill(
        id=SkillId(name),
        agent=AgentName(f"agent{agent}"),
        domain=Domain(f"domain{agent % DOMAINS}"),
        tool_name=ToolName(name.replace(".", "_")),
        title=name,
        description="",
        tags=(),
        examples=(),
        method="/bench/M",
        input_type="bench.In",
        output_type="bench.Out",
        streaming=Streaming.UNARY,
        hints=Hints(read_only=read_only, destructive=False, idempotent=read_only, open_world=number % 7 == 0),
        approval=Approval.BY_POLICY,
        invocation=Invocation.DIRECT,
        scopes=(),
        timeout=30.0,
        classification=Classification(1 + number % 2),
        input_schema={"type": "object"},
        output_schema={"type": "object"},
    )
    return SkillEntry(skill=skill, revision=1, pin=Pin("sha256:0"), descriptors=Digest("sha256:0"), binding=None)


def _agent(name: AgentName, domain: Domain) -> AgentEntry:
    agent = Agent(
        name=name, title=name, description="", domain=domain, version="1.0.0", service=f"bench.{name}", skills=()
    )
    return AgentEntry(agent=agent, revision=1, pin=Pin("sha256:0"), binding=None)


def made_policies(count: int, seed: int = 1) -> str:
    """Grants of the kinds one meets: a group on an agent, on a domain, on one skill; one in four has a condition."""
    dice = random.Random(seed)
    return "\n".join(_grant(dice, number) for number in range(count))


def _grant(dice: random.Random, number: int) -> str:
    agent = dice.randrange(AGENTS)
    resource = dice.choices(
        [
            f'resource is Skill in Agent::"agent{agent}"',
            f'resource is Skill in Domain::"domain{agent % DOMAINS}"',
            f'resource == Skill::"agent{agent}.skill{agent + AGENTS * dice.randrange(SKILLS // AGENTS)}"',
        ],
        weights=(70, 5, 25),
    )[0]
    group = number % GROUPS
    head = f'permit (principal in Group::"group{group}", action in Action::"use", {resource})'
    return f'@id("grant-{number}") {head}{dice.choice(CONDITIONS)};'


def standing(name: str, *groups: int) -> Standing:
    principal = Principal(kind=PrincipalKind.PERSON, issuer="bench", subject=name, name=name, domain=Domain("domain0"))
    return Standing(principal=principal, groups=frozenset(f"group{group}" for group in groups))


CALLER = standing("caller", 0, 1)


def asked(known: Catalog, who: Standing, name: SkillId, hour: int = 12) -> tuple[Call, Facts]:
    call = Call(
        id=new_call_id(),
        chain=Chain((who.principal,)),
        action=Action.INVOKE,
        target=Target(TargetKind.SKILL, name),
        content={},
        deadline=Deadline.after(60),
    )
    return call, Facts(catalog=known, standings=(who,), skill=known.skill(name), arguments={}, hour=hour)


def median_us(work: Callable[[int], object], times: int) -> float:
    found: list[float] = []
    for number in range(times):
        began = time.perf_counter()
        work(number)
        found.append(time.perf_counter() - began)
    return statistics.median(found) * 1e6


@dataclass(frozen=True, kw_only=True)
class Contender:
    """One number of policies: its judge, how long it took to load, and the engine over the whole set."""

    count: int
    judge: Judge
    load_ms: float
    whole: Callable[[], Answer]


def contender(count: int, known: Catalog, name: SkillId) -> Contender:
    """The first group may use everything, so that what is measured are calls that are allowed."""
    head = 'permit (principal in Group::"group0", action in Action::"use", resource is Skill);'
    text = f"{head}\n{made_policies(count - 1)}"
    began = time.perf_counter()
    judge = build_judge([PolicySource("bench.cedar", text)], known)
    load = (time.perf_counter() - began) * 1e3
    return Contender(count=count, judge=judge, load_ms=load, whole=whole_set(text, known, CALLER, name))


def whole_set(text: str, known: Catalog, who: Standing, name: SkillId) -> Callable[[], Answer]:
    """The engine over the whole set."""
    policies = read_policies([text])
    seen = view(seats((who,), scopes=frozenset(), environment="production")[0], known, frozenset())
    entry = known.skills[name]
    entities = read_entities(together(seen.asking, skill_resource(entry, known).entities), plain_schema())
    context: JsonObject = {**seen.context, "tainted": False, "hour": 12, "args": {}}
    question = Question(principal=seen.uid, action="invoke", resource=skill_uid(entry.skill), context=context)
    return lambda: ask(question, policies=policies, entities=entities, schema=plain_schema())


def decisions(judge: Judge, known: Catalog, names: Sequence[SkillId], hour: int) -> tuple[float, float]:
    """Medians in microseconds: each skill once at an hour, and one of them again and again."""
    calls = [asked(known, CALLER, name, hour) for name in names]
    call, facts = calls[0]
    each = median_us(lambda n: judge.decide(*calls[n]), len(calls))
    return each, median_us(lambda _: judge.decide(call, facts), 400)


def listing(judge: Judge, known: Catalog) -> tuple[float, float, float, int]:
    """Milliseconds for the very first caller, for new callers after that (median), and again; and how many skills."""

    def once(who: Standing) -> tuple[float, int]:
        began = time.perf_counter()
        found = judge.listed([who], known, frozenset())
        return (time.perf_counter() - began) * 1e3, len(found)

    first, _ = once(standing("first", 0, 1))
    new = [once(standing(f"new{n}", n, n + 17)) for n in range(2, 9)]
    again, seen = once(standing("new2", 2, 19))
    return first, statistics.median(took for took, _ in new), again, seen


def main() -> None:
    known = made_catalog(SKILLS)
    names = random.Random(2).sample(sorted(known.skills), 100)
    contenders = [contender(count, known, names[0]) for count in (10, 100, 1_000, 10_000)]
    # Interleaved, so that whatever else the machine does falls on all alike; the first round is the cold one.
    rounds = [[decisions(one.judge, known, names, hour) for one in contenders] for hour in range(6)]
    print(f"{SKILLS} skills, {AGENTS} agents, {DOMAINS} domains, {GROUPS} groups; callers are in 2 groups\n")
    print("policies   load ms | decision µs: first   other    same     whole | listing ms: first    new  again  skills")
    others: list[float] = []
    for column, one in enumerate(contenders):
        first = rounds[0][column][0]
        other = min(found[column][0] for found in rounds[1:])
        same = min(found[column][1] for found in rounds[1:])
        whole = median_us(lambda _, one=one: one.whole(), 20)
        listed = listing(one.judge, known)
        print(
            f"{one.count:8} {one.load_ms:9.0f} |          {first:8.0f} {other:7.0f} {same:7.0f} {whole:9.0f} |"
            f"         {listed[0]:9.1f} {listed[1]:6.1f} {listed[2]:6.2f} {listed[3]:7}"
        )
        others.append(other)
    print(f"\na decision at 10,000 policies costs {others[-1] / others[0]:.2f} of one at 10")


if __name__ == "__main__":
    main()
