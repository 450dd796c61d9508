"""Policies: what a decision and a listing cost as the number of policies grows. Prints figures; not a test.

    python -m bench.policies

Four kinds of decision: *same* is the same question again; *other* asks about something else of the same kind, so that
the engine is asked but nothing is parsed; *first* meets a principal or skill for the first time; *whole* is the engine
over the whole set, as if there were no slices. The listing is of 10,000 skills for a principal nobody has seen before.
"""

import random
import statistics
import time
from collections.abc import Callable, Sequence

from policies.cedar import Question, ask, read_entities, read_policies
from policies.decide import Judge
from policies.facts import Facts, Standing
from policies.load import PolicySource, build_judge
from policies.project import principal_uid, skill_resource, together
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


def decisions(judge: Judge, known: Catalog, who: Standing, names: Sequence[SkillId]) -> tuple[float, float, float]:
    """Medians in microseconds of the first, the other and the same question."""
    first = median_us(lambda n: judge.decide(*asked(known, who, names[n])), len(names))
    other = median_us(
        lambda n: judge.decide(*asked(known, who, names[n % len(names)], n // len(names))), 10 * len(names)
    )
    call, facts = asked(known, who, names[0])
    return first, other, median_us(lambda _: judge.decide(call, facts), 2000)


def whole_set(text: str, known: Catalog, who: Standing, name: SkillId) -> float:
    """The engine over the whole set, for the same question."""
    policies = read_policies([text])
    seat = seats((who,), scopes=frozenset(), environment="production")[0]
    seen = view(seat, known, frozenset())
    entry = known.skills[name]
    entities = read_entities(together(seen.asking, skill_resource(entry, known).entities), plain_schema())
    context = {**seen.context, "tainted": False, "hour": 12, "args": {}}
    question = Question(
        principal=principal_uid(who.principal),
        action="invoke",
        resource=skill_resource(entry, known).uid,
        context=context,
    )
    return median_us(lambda _: ask(question, policies=policies, entities=entities, schema=plain_schema()), 20)


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
    names = random.Random(2).sample(sorted(known.skills), 60)
    print(f"{SKILLS} skills, {AGENTS} agents, {DOMAINS} domains, {GROUPS} groups; callers are in 2 groups\n")
    print(
        "policies    load ms | decision µs: first   other    same     whole | listing ms: first    new   again  skills"
    )
    rows: list[tuple[float, float]] = []
    for count in (10, 100, 1_000, 10_000):
        text = made_policies(count)
        began = time.perf_counter()
        judge = build_judge([PolicySource("bench.cedar", text)], known)
        load = (time.perf_counter() - began) * 1e3
        everything = f'permit (principal in Group::"group0", action in Action::"use", resource is Skill);\n{text}'
        open_judge = build_judge([PolicySource("bench.cedar", everything)], known)
        who = standing("caller", 0, 1)
        first, other, same = decisions(open_judge, known, who, names)
        whole = whole_set(everything, known, who, names[0])
        listed = listing(judge, known)
        print(
            f"{count:8} {load:10.0f} |           {first:7.0f} {other:7.0f} {same:7.0f} {whole:9.0f} |"
            f"           {listed[0]:7.1f} {listed[1]:6.1f} {listed[2]:7.2f} {listed[3]:7}"
        )
        rows.append((other, same))
    others, sames = zip(*rows, strict=True)
    print(
        f"\ndecision at 10,000 policies against 10: other {others[-1] / others[0]:.2f}x, same {sames[-1] / sames[0]:.2f}x"
    )


if __name__ == "__main__":
    main()
