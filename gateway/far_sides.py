"""The far sides of the corridor: for each kind of target, who answers.

A skill is answered by the adapter that its binding names, and so is a message to an agent; the catalog by the registry
itself.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from adapters.base import Adapter, Converser, OpenTurn, Permitted
from adapters.lifecycle.service import Lifecycle
from gateway.live import InForce, Live
from gateway.publishing import Publishing
from gateway.turns import TurnsInHand
from policies.facts import Facts
from registry.model import (
    Action,
    AgentName,
    Attention,
    Binding,
    BindingKind,
    Call,
    Emit,
    FarSideError,
    FarSideFault,
    JsonObject,
    Result,
    Sending,
    SkillId,
    Target,
    TargetKind,
    new_turn_id,
)
from registry.readings import Reader


class Skills:
    """Hands a permitted call to the adapter of its skill's binding; or to the lifecycle service, where it is to be a
    turn of the log, or where its agent comes to fetch it."""

    def __init__(self, adapters: Mapping[BindingKind, Adapter], *, lifecycle: Lifecycle | None = None) -> None:
        self._adapters = adapters
        self._lifecycle = lifecycle

    async def answer(self, call: Call, facts: Facts, emit: Emit) -> Result:
        """Deliver a call about a skill.

        Raises:
            FarSideError: nothing is bound, or whatever the adapter says.
        """
        entry = facts.skill
        if entry is None:
            raise RuntimeError("a call about a skill was permitted without one")
        adapter = _adapter(self._adapters, entry.binding, entry.skill.agent)
        if self._lifecycle is not None and call.attempt is None and (call.sending or _is_fetched(entry.binding)):
            agent = facts.catalog.agents[entry.skill.agent].agent
            return await self._lifecycle.take(_sent(call), agent, emit=emit)
        permitted = Permitted(
            call=call,
            entry=entry,
            arguments=facts.arguments,
            descriptor_set=lambda: facts.catalog.descriptor_set(entry.descriptors),
        )
        return await adapter.deliver(permitted, emit)


class Agents:
    """Has agents answer the messages that they may be sent: each is a turn of the log, and each attempt at it is
    carried to the agent from here."""

    def __init__(
        self, conversers: Mapping[BindingKind, Converser], turns: TurnsInHand, *, lifecycle: Lifecycle | None = None
    ) -> None:
        self._conversers = conversers
        self._turns = turns
        self._lifecycle = lifecycle

    async def answer(self, call: Call, facts: Facts, emit: Emit) -> Result:
        """Make a turn of a message, or an attempt at one; who only looks (`list`) is told which turns are theirs, or
        nothing.

        Raises:
            FarSideError: nothing is bound, or whatever the agent's adapter says.
        """
        if call.action is Action.LIST:
            return await self._listed(call)
        entry = facts.agent
        if entry is None:
            raise RuntimeError("a message to an agent was permitted without one")
        converser = _adapter(self._conversers, entry.binding, entry.agent.name)
        if self._lifecycle is not None and call.attempt is None:
            return await self._lifecycle.take(_sent(call), entry.agent, emit=emit)
        with self._turns.open(call, entry) as turn:
            result = await converser.converse(OpenTurn(call=call, entry=entry, turn=turn), emit)
            return replace(result, turn=turn.id, conversation=turn.conversation)

    async def _listed(self, call: Call) -> Result:
        if call.content.get("operation") != "Turns" or self._lifecycle is None:
            return Result()
        return Result(found=await self._lifecycle.listed(call))


def _is_fetched(binding: Binding | None) -> bool:
    return binding is not None and binding.kind is BindingKind.MAILBOX


def _sent(call: Call) -> Call:
    """A call that says how it is to be sent: who does not say so attends it."""
    if call.sending is not None:
        return call
    context = str(call.content.get("conversation", "")) if call.action is Action.MESSAGE else ""
    sending = Sending(message=call.id, turn=new_turn_id(), context=context, attention=Attention.ATTENDS)
    return replace(call, sending=sending)


_Reaching = TypeVar("_Reaching")


def _adapter(adapters: Mapping[BindingKind, _Reaching], binding: Binding | None, agent: AgentName) -> _Reaching:
    """Who reaches an agent where it is bound."""
    if binding is None or binding.kind not in adapters:
        raise FarSideError(
            f"{agent} is registered but not bound to a service yet: interchange registry bind {agent} --target …",
            fault=FarSideFault.UNAVAILABLE,
        )
    return adapters[binding.kind]


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
        if operation in {"Listen", "Attach"}:
            return Result()
        now = self._live.current()
        if operation == "Agents":
            return Result(structured={"agents": _agents(call, facts, now)})
        listed = now.judge.listed(facts.standings, now.catalog, call.scopes, environment=facts.environment)
        if operation == "Tools":
            conversing = [name for name in _agents(call, facts, now) if now.catalog.agents[name].agent.converses]
            return Result(structured=_page(call, listed, conversing))
        content = {key: value for key, value in call.content.items() if key != "operation"}
        reader = _reader(call, facts, now, frozenset(listed))
        return Result(structured=await self._publishing.perform(operation, content, call.chain.caller, reader))


def _agents(call: Call, facts: Facts, now: InForce) -> Sequence[AgentName]:
    """The agents that everybody in the chain may list."""
    return now.judge.listed_agents(facts.standings, now.catalog, call.scopes, environment=facts.environment)


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


def _page(call: Call, *listed: Sequence[str]) -> JsonObject:
    """The names after `after`, at most `limit`, and whether there are more; each of `listed` is sorted."""
    after, limit = str(call.content.get("after", "")), int(str(call.content.get("limit", 200)))
    found: list[str] = []
    for names in listed:
        start = bisect_right(names, after)
        found += names[start : start + limit + 1]
    found.sort()
    return {"names": found[:limit], "more": len(found) > limit}
