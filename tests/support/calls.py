"""Calls and decisions for tests that need one and do not care which."""

from dataclasses import replace

from policies.decision import Decision, Verdict
from registry.model import (
    Action,
    Call,
    Chain,
    Deadline,
    Domain,
    JsonObject,
    Principal,
    PrincipalKind,
    Target,
    TargetKind,
    new_call_id,
)

RECRUITER = Principal(
    kind=PrincipalKind.PERSON, issuer="https://idp", subject="u-17", name="recruiter", domain=Domain("hiring")
)
ASSISTANT = Principal(kind=PrincipalKind.AGENT, issuer="https://idp", subject="c-3", name="assistant")

WRITE = Decision(
    verdict=Verdict.ALLOW,
    policies=("demo-1",),
    pin="sha256:" + "a" * 64,
    revision=3,
    policy_version="p-1",
    catalog_version=4,
)
READ = replace(WRITE, writes=False)


def call(target: str = "candidates.search", content: JsonObject | None = None) -> Call:
    """A call of a person through an agent."""
    return Call(
        id=new_call_id(),
        chain=Chain((RECRUITER, ASSISTANT)),
        action=Action.INVOKE,
        target=Target(TargetKind.SKILL, target),
        content=content or {},
        deadline=Deadline.after(10),
        door="mcp",
    )
