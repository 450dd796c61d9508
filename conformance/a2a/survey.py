"""The survey before the checks: whose card it is, over which interfaces the agent answers, what may be said to it."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx

from conformance.a2a.answers import Answer
from conformance.a2a.protocol import CLOSED, VERSION, WELL_KNOWN, Binding
from conformance.a2a.shapes import Object, is_filled, is_object, items, member, objects
from conformance.a2a.speaking import GIVE_TOKEN, Interface, Speaker
from conformance.subject import Subject, Told
from conformance.verdict import CannotExamine, Inapplicable
from conformance.wire import Exchange, Wire

HELLO = "hello"
NOTHING_THERE = (404, 405)
UNKNOWN = 401


@dataclass(frozen=True, slots=True, kw_only=True)
class A2aSubject(Subject):
    """An agent under examination. `interfaces` are those of its card that were found to answer."""

    card_url: str
    card_status: int
    card: Object = field(default_factory=dict[str, Any])
    interfaces: tuple[Interface, ...] = ()

    @property
    def speakers(self) -> list[Speaker]:
        """One for each binding, on the wire of this check."""
        return [speaker_of(interface, self) for interface in self.interfaces]

    def declares(self, capability: str) -> bool:
        """Whether the card has one of the capabilities that are on or off."""
        return member(self.card, "capabilities").get(capability) is True

    @property
    def required_extensions(self) -> tuple[str, ...]:
        """What each request must activate."""
        declared = objects(member(self.card, "capabilities").get("extensions"))
        return tuple(one["uri"] for one in declared if one.get("required") is True and is_filled(one.get("uri")))

    @property
    def requires_credentials(self) -> bool:
        """Whether the card lets nobody in without any."""
        requirements = objects(self.card.get("securityRequirements"))
        return bool(requirements) and all(member(one, "schemes") for one in requirements)

    def message(self, **members: Any) -> dict[str, Any]:
        """A message that the agent can be expected to take, with an id of its own.

        Raises:
            Inapplicable: nobody said what that could be.
        """
        parts = members.pop("parts") if "parts" in members else said_parts(self.told, self.card)
        return {"messageId": f"examiner-{secrets.token_hex(8)}", "role": "ROLE_USER", "parts": parts, **members}

    def must_have_card(self) -> None:
        """See that there is a card to go by.

        Raises:
            Inapplicable: nobody said that there is an agent, or gave a token for the card.
            CannotExamine: it should be there, and is not or cannot be read.
        """
        if self.card:
            return
        if self.card_status in CLOSED and not self.wire.has_token:
            raise Inapplicable(f"The card at {self.card_url} wants a token: {GIVE_TOKEN}.")
        if self.card_status == UNKNOWN and self.wire.has_token:
            raise CannotExamine(f"The card at {self.card_url} is refused to the token that was given (HTTP 401).")
        if self.card_status in NOTHING_THERE and not self.told.agents:
            raise Inapplicable(f"There is no agent's card at {self.card_url}: name an agent by --agent.")
        raise CannotExamine(f"There is no card to go by at {self.card_url}: HTTP {self.card_status}.")

    async def fetch_card(self) -> Exchange:
        """The card's address once more, so that the exchange is evidence."""
        return await self.wire.get(self.card_url, headers={"accept": "application/json"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Agents(Subject):
    """All agents under examination: those that were named, or the one at the server's address."""

    each: tuple[A2aSubject, ...]

    def on_this_wire(self) -> list[A2aSubject]:
        """Each of them, on the wire of this check."""
        return [replace(agent, wire=self.wire) for agent in self.each]


async def survey(told: Told, wire: Wire) -> Agents:
    """Find the cards of the agents that are examined, and which of their interfaces answer."""
    if told.agents:
        found = [await _survey_agent(told, wire, card_address(agent)) for agent in told.agents]
        return Agents(told=told, wire=wire, each=tuple(found))
    here = await _survey_agent(told, wire, card_address(told.url))
    root = card_address(urljoin(told.url, "/"))
    if here.card_status in NOTHING_THERE and root != here.card_url:
        here = await _survey_agent(told, wire, root)
    return Agents(told=told, wire=wire, each=(here,))


async def _survey_agent(told: Told, wire: Wire, url: str) -> A2aSubject:
    exchange = await wire.get(url, headers={"accept": "application/json"})
    card = exchange.json()
    subject = A2aSubject(told=told, wire=wire, card_url=url, card_status=exchange.status)
    if subject.card_status != 200 or not is_object(card):
        return subject
    subject = replace(subject, card=card)
    answering = [one for one in declared_interfaces(card) if await answers(speaker_of(one, subject))]
    return replace(subject, interfaces=tuple(answering))


def card_address(address: str) -> str:
    """Where the card is of an agent, or a server, of this address."""
    whole = address.partition("#")[0]
    return whole if urlsplit(whole).path.endswith(".json") else whole.partition("?")[0].rstrip("/") + WELL_KNOWN


def declared_interfaces(card: Object) -> list[Interface]:
    """The first interface of each binding that the examiner speaks, among those of the version it speaks."""
    declared = objects(card.get("supportedInterfaces"))
    found: dict[Binding, Interface] = {}
    for one in declared:
        name, url = one.get("protocolBinding"), one.get("url")
        if name not in list(Binding) or not is_filled(url) or _minor(one) != VERSION:
            continue
        same = [other for other in declared if other.get("url") == url and other.get("protocolBinding") == name]
        interface = Interface(
            url=url,
            binding=Binding(name),
            tenant=one["tenant"] if is_filled(one.get("tenant")) else "",
            versions=frozenset(map(_minor, same)),
        )
        found.setdefault(interface.binding, interface)
    return list(found.values())


def speaker_of(interface: Interface, subject: A2aSubject) -> Speaker:
    """Speaks to an interface of a card; with the token only where the card came from the same origin."""
    return Speaker(
        interface=interface,
        wire=subject.wire,
        trusted=_origin(interface.url) == _origin(subject.card_url),
        extensions=subject.required_extensions,
    )


async def answers(speaker: Speaker) -> Answer | None:
    """What an interface says to a regular question, if it speaks its binding at all; None if it does not."""
    try:
        answer = await speaker.knock("GetTask", {"id": "no-task-of-the-examiner"})
    except (httpx.RequestError, httpx.InvalidURL, ValueError):
        return None
    return answer if speaks(answer) else None


def speaks(answer: Answer) -> bool:
    """Whether an answer is one of its binding, or comes from a door that wants credentials before."""
    if answer.at_the_door:
        return True
    body = answer.exchange.json()
    if answer.binding is Binding.JSONRPC:
        return is_object(body) and ("result" in body or "error" in body)
    return is_object(body) and (is_object(body.get("error")) or is_filled(body.get("id")))


def said_parts(told: Told, card: Object) -> list[Mapping[str, Any]]:
    """The parts of a message: what the examiner was told to say, or a greeting where an agent takes text."""
    if told.data is not None:
        return [{"data": told.data}]
    if told.message is not None:
        return [{"text": told.message}]
    if not takes(card, "text/plain"):
        raise Inapplicable("The agent takes no plain text: say with --message or --data what may be sent to it.")
    return [{"text": HELLO}]


def takes(card: Object, media_type: str) -> bool:
    """Whether an agent says that it takes a media type, by default or for one of its skills."""
    kind = media_type.partition("/")[0]
    modes = [card.get("defaultInputModes"), *(skill.get("inputModes") for skill in objects(card.get("skills")))]
    names = {str(mode).partition(";")[0].strip().lower() for one in modes for mode in items(one)}
    return bool(names & {media_type, f"{kind}/*", "*/*", kind})


def _minor(interface: Object) -> str:
    return ".".join(str(interface.get("protocolVersion", "")).split(".")[:2])


def _origin(url: str) -> tuple[str, str | None, int | None]:
    try:
        split = urlsplit(url)
        return split.scheme, split.hostname, split.port or {"http": 80, "https": 443}.get(split.scheme)
    except ValueError:
        return "", None, None
