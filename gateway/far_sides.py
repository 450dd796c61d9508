"""The far sides of the corridor: for each kind of target, who answers.

A skill is answered by the adapter that its binding names; the catalog by the registry itself.
"""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import replace

from adapters.base import Adapter, Permitted
from gateway.live import InForce, Live
from gateway.publishing import Publishing
from policies.facts import Facts
from registry.catalog import SkillEntry
from registry.model import (
    Action,
    BindingKind,
    Call,
    Emit,
    FarSideError,
    FarSideFault,
    JsonObject,
    Result,
    SkillId,
    Target,
    TargetKind,
)
from registry.readings import Reader


class Skills:
    """Hands a permitted call to the adapter of its skill's binding."""

    def __init__(self, adapters: Mapping[BindingKind, Adapter]) -> None:
        self._adapters = adapters

    async def answer(self, call: Call, facts: Facts, emit: Emit) -> Result:
        """Deliver a call about a skill.

        Raises:
            FarSideError: nothing is bound, or whatever the adapter says.
        """
        entry = facts.skill
        if entry is None:
            raise RuntimeError("a call about a skill was permitted without one")
        permitted = Permitted(
            call=call,
            entry=entry,
            arguments=facts.arguments,
            descriptor_set=lambda: facts.catalog.descriptor_set(entry.descriptors),
        )
        return await self._adapter(entry).deliver(permitted, emit)

    def _adapter(self, entry: SkillEntry) -> Adapter:
        kind = entry.binding.kind if entry.binding else None
        if kind is None or kind not in self._adapters:
            agent = entry.skill.agent
            raise FarSideError(
                f"{agent} is registered but not bound to a service yet: interchange registry bind {agent} --target …",
                fault=FarSideFault.UNAVAILABLE,
            )
        return self._adapters[kind]


class CatalogDesk:
    """Answers calls about the catalog: what a caller may list, and every change to it."""

    def __init__(self, *, live: Live, publishing: Publishing) -> None:
        self._live = live
        self._publishing = publishing

    async def answer(self, call: Call, facts: Facts, emit: Emit) -> Result:  # noqa: ARG002 - nothing takes long here
        """Do what `content["operation"]` says.

        Raises:
            BadRequest, Denied, Refused, Unknown: the registry does not accept it.
        """
        operation = str(call.content.get("operation", ""))
        if operation == "Listen":
            return Result()
        now = self._live.current()
        listed = now.judge.listed(facts.standings, now.catalog, call.scopes, environment=facts.environment)
        if operation == "Tools":
            return Result(structured=_page(call, listed))
        content = {key: value for key, value in call.content.items() if key != "operation"}
        reader = _reader(call, facts, now, frozenset(listed))
        return Result(structured=await self._publishing.perform(operation, content, call.chain.caller, reader))


def _reader(call: Call, facts: Facts, now: InForce, listed: frozenset[SkillId]) -> Reader:
    """What a registry answer may tell the caller: what is live as far as they may list it. Who may publish or pin also
    sees what is not live (any more), since no policy can speak of it."""
    catalog = now.catalog
    keeps = any(now.judge.decide(replace(call, action=action), facts).allowed for action in KEEPING)

    def visible(name: str) -> bool:
        if SkillId(name) in catalog.skills:
            return name in listed
        if (agent := catalog.agent(name)) is None:
            return keeps
        about = replace(call, action=Action.LIST, target=Target(TargetKind.AGENT, name))
        return now.judge.decide(about, replace(facts, catalog=catalog, agent=agent)).allowed

    return Reader(visible=visible, keeps=keeps, catalog=catalog)


KEEPING = (Action.PUBLISH, Action.PIN)
"""Either of these on the catalog makes a keeper of it."""


def _page(call: Call, listed: tuple[SkillId, ...]) -> JsonObject:
    """The skills after `after`, at most `limit`, and whether there are more."""
    after, limit = str(call.content.get("after", "")), int(str(call.content.get("limit", 200)))
    start = bisect_right(listed, after)
    return {"skills": listed[start : start + limit], "more": start + limit < len(listed)}
