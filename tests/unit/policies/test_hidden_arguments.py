"""Arguments of a skill that is hidden are not even looked at: how long that takes would tell that it is there."""

from dataclasses import replace

from policies.decision import Verdict
from policies.facts import Facts
from registry.model import Action, Call, Deadline, Fault, Target, TargetKind, alone, new_call_id
from tests.support.policies import catalog, judge, skill, standing

KNOWN = catalog([skill("books.read")])
RULES = judge('@id("ann") permit (principal == Person::"ann", action in Action::"use", resource);', KNOWN)


def test_faults_are_looked_for_only_where_the_target_may_be_listed() -> None:
    asked: list[str] = []

    def find() -> tuple[Fault, ...]:
        asked.append("asked")
        return (Fault("/x", "is wrong"),)

    for name, verdict, looks in (("bob", Verdict.UNKNOWN, []), ("ann", Verdict.INVALID, ["asked"])):
        who = standing(name)
        call = Call(
            id=new_call_id(),
            chain=alone(who.principal),
            action=Action.INVOKE,
            target=Target(TargetKind.SKILL, "books.read"),
            content={"x": 1},
            deadline=Deadline.after(1),
        )
        facts = Facts(catalog=KNOWN, standings=(who,), skill=KNOWN.skill("books.read"), arguments={"x": 1})
        assert RULES.decide(call, replace(facts, find_faults=find)).verdict is verdict
        assert asked == looks
