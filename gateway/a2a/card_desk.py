"""The desk that hands out cards: signed once for each view of an agent, then kept.

A view is an agent with those of its skills that one reader may list; whoever asks the desk has decided both. Nothing is
made before somebody asks, and what is kept is bounded, so that thousands of agents cost nothing until they are read.
"""

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from email.utils import formatdate
from typing import Final, TypeAlias
from urllib.parse import parse_qs

from starlette.responses import JSONResponse, Response
from starlette.types import Scope

from gateway.a2a.cards import Offer, agent_url, write_card
from gateway.a2a.conditions import is_unchanged
from gateway.a2a.older_card import with_older
from gateway.a2a.signing import CardSigner
from registry.catalog import AgentEntry, SkillEntry
from registry.model import Pin

KEPT_BYTES: Final = 32 * 1024 * 1024

_ALLOWED: Final = "GET, HEAD, OPTIONS"
_VARY: Final = "Authorization, Ix-Turn-Token"  # for whom a card is
_FOR_ALL: Final = {
    "Cache-Control": "public, max-age=300",
    "Vary": _VARY,
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "ETag",
}
_FOR_ONE: Final = {"Cache-Control": "private, max-age=60", "Vary": _VARY}
_PREFLIGHT: Final = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, HEAD",
    "Access-Control-Allow-Headers": "*, Authorization",
    "Access-Control-Max-Age": "3600",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One signed card as it is served. `modified` is when the desk first wrote it, in whole seconds since the epoch.

    When its agent was published would be too early: what a reader may see changes with policies as well.
    """

    body: bytes
    etag: str
    modified: int
    last_modified: str  # the same as a date of HTTP


View: TypeAlias = tuple[bool, Pin, *tuple[Pin, ...]]
"""Whether all interfaces are shown, and the pins of an agent and of the skills that are: a card says nothing else."""


class CardDesk:
    """Answers requests for cards."""

    def __init__(
        self,
        *,
        offer: Offer,
        signer: CardSigner,
        clock: Callable[[], float] = time.time,
        kept_bytes: int = KEPT_BYTES,
    ) -> None:
        self._offer = offer
        self._signer = signer
        self._clock = clock
        self._pages = _Pages(kept_bytes)

    def url_of(self, agent: str) -> str:
        """Where an agent's card is."""
        return f"{agent_url(self._offer.public_url, agent)}/.well-known/agent-card.json"

    def answer(
        self,
        scope: Scope,
        entry: AgentEntry,
        skills: Sequence[SkillEntry],
        *,
        public: bool,
        all_interfaces: bool = False,
    ) -> Response:
        """Answer an HTTP request for the card of an agent that shows these skills.

        `public`: anybody at all may read this card, and it was asked for without a token. `all_interfaces`: it shows
        them though nobody asked for them.
        """
        method: str = scope["method"]
        if method == "OPTIONS":
            return Response(status_code=204, headers={"Allow": _ALLOWED, **(_PREFLIGHT if public else {})})
        if method not in {"GET", "HEAD"}:
            return _refusal(405, "method_not_allowed", f"A card can be read: {_ALLOWED}.", allow=_ALLOWED)
        asked = _interfaces_asked_for(scope["query_string"])
        if not asked <= {"all"}:
            return _refusal(400, "invalid_request", "The only value of interfaces is all.")
        page = self._page(entry, skills, all_interfaces=all_interfaces or bool(asked))
        return _write(scope, page, _FOR_ALL if public else _FOR_ONE)

    def card(self, entry: AgentEntry, skills: Sequence[SkillEntry]) -> bytes:
        """The signed card of an agent that shows these skills, as JSON."""
        return self._page(entry, skills).body

    def _page(self, entry: AgentEntry, skills: Sequence[SkillEntry], *, all_interfaces: bool = False) -> Page:
        all_interfaces = all_interfaces and bool(self._offer.grpc)
        view = (all_interfaces, entry.pin, *[skill.pin for skill in skills])
        page = self._pages.get(view)
        if page is None:
            card = write_card(entry, skills, self._offer, all_interfaces=all_interfaces)
            body = self._signer.signed(with_older(card), card)
            tag = hashlib.sha256(body).hexdigest()[:32]  # signing is deterministic: same card and key, same tag
            now = int(self._clock())
            page = Page(body=body, etag=f'"{tag}"', modified=now, last_modified=formatdate(now, usegmt=True))
            self._pages.put(view, page)
        return page


class _Pages:
    """What was read lately, up to a number of bytes; what has not been read for longest goes first."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._size = 0
        self._pages: OrderedDict[View, Page] = OrderedDict()

    def get(self, view: View) -> Page | None:
        page = self._pages.get(view)
        if page is not None:
            self._pages.move_to_end(view)
        return page

    def put(self, view: View, page: Page) -> None:
        self._pages[view] = page
        self._size += len(page.body)
        while self._size > self._most:
            self._size -= len(self._pages.popitem(last=False)[1].body)


def _interfaces_asked_for(query: bytes) -> set[str]:
    """`?interfaces=all` asks for every interface of the agent, gRPC's too."""
    asked = parse_qs(query.decode("latin-1"), keep_blank_values=True) if query else {}
    return set(asked.get("interfaces", ()))


def _write(scope: Scope, page: Page, shared: dict[str, str]) -> Response:
    validators = {"ETag": page.etag, "Last-Modified": page.last_modified, **shared}
    if is_unchanged(scope["headers"], etag=page.etag, modified=page.modified):
        return Response(status_code=304, headers=validators)
    described = {"Content-Type": "application/json", "Content-Length": str(len(page.body)), **validators}
    return Response(page.body if scope["method"] == "GET" else b"", headers=described)


def _refusal(status: int, error: str, description: str, *, allow: str = "") -> Response:
    headers = {"Cache-Control": "no-store", **({"Allow": allow} if allow else {})}
    return JSONResponse({"error": error, "error_description": description}, status, headers=headers)
