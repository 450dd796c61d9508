"""The far sides of the corridor: for each kind of target, who answers.

A skill is answered by the adapter that its binding names; the catalog by the registry itself.
"""

from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import replace

from adapters.base import Adapter, Permitted
from gateway.live import InForce, Live
from gateway.publishing import Publishing
from policies.facts import Facts
from registry.catalog import SkillEntry
from registry.model import Action, BindingKind, Call, Emit, FarSideError, FarSideFault, JsonObject, Result, SkillId


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
            BadRequest, Refused, Unknown: the registry does not accept it.
        """
        operation = str(call.content.get("operation", ""))
        if operation == "Listen":
            return Result()
        now = self._live.current()
        listed = now.judge.listed(facts.standings, now.catalog, call.scopes, environment=facts.environment)
        if operation == "Tools":
            return Result(structured=_page(call, listed))
        content = {key: value for key, value in call.content.items() if key != "operation"}
        visible = self._visible(call, facts, now, listed)
        return Result(structured=await self._publishing.perform(operation, content, call.chain.caller, visible))

    def _visible(self, call: Call, facts: Facts, now: InForce, listed: tuple[SkillId, ...]) -> Callable[[str], bool]:
        """Which names a registry answer may contain: what the caller may list; whoever may publish also sees what is
        not live (any more), since no policy can speak of it."""
        agents = {now.catalog.skills[skill].skill.agent for skill in listed}
        names = frozenset({*listed, *agents})
        publishes = now.judge.decide(replace(call, action=Action.PUBLISH), facts).allowed

        def visible(name: str) -> bool:
            live = now.catalog.skill(name) is not None or now.catalog.agent(name) is not None
            return name in names if live else publishes

        return visible


def _page(call: Call, listed: tuple[SkillId, ...]) -> JsonObject:
    """The skills after `after`, at most `limit`, and whether there are more."""
    after, limit = str(call.content.get("after", "")), int(str(call.content.get("limit", 200)))
    start = bisect_right(listed, after)
    return {"skills": listed[start : start + limit], "more": start + limit < len(listed)}
