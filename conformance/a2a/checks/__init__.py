"""The checks of A2A, one for each of its requirements, and the paper they make."""

from functools import partial

from conformance.a2a.checks import (
    authentication,
    bindings,
    capability,
    card,
    jsonrpc,
    listing,
    message,
    rest,
    signature,
    stream,
    task,
    version,
)
from conformance.a2a.judging import together
from conformance.a2a.survey import A2aSubject, Agents, survey
from conformance.subject import Check, Paper
from conformance.verdict import Verdict

_FIRST = "a2a.card.served"
_FEATURES = (
    card,
    signature,
    version,
    message,
    task,
    listing,
    stream,
    capability,
    jsonrpc,
    rest,
    bindings,
    authentication,
)


def _on_each_agent(name: str, check: Check[A2aSubject]) -> Check[Agents]:
    """The check of all agents together; only the first needs no card to begin with."""

    async def check_one(agent: A2aSubject) -> Verdict:
        if name != _FIRST:
            agent.must_have_card()
        return await check(agent)

    async def check_all(agents: Agents) -> Verdict:
        each = agents.on_this_wire()
        if len(each) == 1:
            return await check_one(each[0])
        return await together({agent.card_url: partial(check_one, agent) for agent in each})

    return check_all


PAPER = Paper(
    protocol="a2a",
    survey=survey,
    checks={name: _on_each_agent(name, check) for feature in _FEATURES for name, check in feature.CHECKS.items()},
)
