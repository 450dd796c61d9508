"""The face itself: every agent of the catalog at `/agents/NAME`, by one look-up and not a route each.

JSON-RPC and REST share that URL, REST goes on below it, and the agent's card is beside them. Whoever may not list an
agent is answered exactly as if there were none. The SDK does the bindings over our own handler; what it would answer
by itself to a request that is none of its operations is answered here.
"""

import json
import logging
from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import Any, Final, NamedTuple, cast
from urllib.parse import parse_qsl

from a2a.server.context import ServerCallContext
from a2a.server.routes.common import ServerCallContextBuilder
from a2a.types import a2a_pb2 as wire
from a2a.utils.constants import A2A_JSON_MEDIA_TYPE
from google.protobuf.json_format import ParseDict
from opentelemetry import trace
from opentelemetry.trace import SpanKind
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Router
from starlette.types import Message, Receive, Scope, Send

from gateway.a2a.asked import ASKED, OLDEST, Asked, Revision, activated, read_asked, version_of
from gateway.a2a.bindings import JsonRpc, Rest, operations
from gateway.a2a.card_desk import CardDesk
from gateway.a2a.contexts import context_of
from gateway.a2a.express import ExpressLane, read_express
from gateway.a2a.grpc import GrpcBinding
from gateway.a2a.handler import Handle, Handler
from gateway.a2a.older import newer_params_of_rest, newer_params_of_rpc, revision_of_rest, revision_of_rpc
from gateway.a2a.older_bindings import OlderRest
from gateway.a2a.reading import look_around, look_at
from gateway.bodies import JSON_KEY
from gateway.config import Limits
from gateway.limits import PrincipalLimits
from gateway.live import Live
from gateway.platform.callers import Callers
from gateway.principal import VERIFIED
from gateway.refusals import status_body
from gateway.sight import Sight
from gateway.telemetry import names
from gateway.telemetry.parents import under_callers_trace
from policies.identity.tokens import Verified
from registry.catalog import AgentEntry
from registry.model import InterchangeError, Unknown, Visibility, nowhere

PREFIX: Final = "/agents/"
CARD: Final = "/.well-known/agent-card.json"
"""Of an agent, below its URL; of the default agent, at the root of the host (A2A 1.0, section 8.2)."""

_LOOKING: Final = 10.0
"""Seconds that looking at an agent may take."""
_OPENED: Final = "interchange.a2a.opened"
_RPC: Final = frozenset({"", "/"})

logger = logging.getLogger(__name__)
_tracer = trace.get_tracer("interchange.a2a")


class Place(NamedTuple):
    """Where below an agent's URL a request goes: `rest` is empty or a slash for JSON-RPC."""

    agent: str
    rest: str


ALL: Final = frozenset({Place("", ""), Place("", "/")})
"""Where the list of agents is."""


class A2aFace:
    """Serves all agents. `default_agent` is the one whose card is at the root of the host; empty: none is."""

    def __init__(
        self,
        *,
        handle: Handle,
        live: Live,
        sight: Sight,
        desk: CardDesk,
        default_agent: str,
        limits: PrincipalLimits,
        seconds: float,
    ) -> None:
        self._handle = handle
        self._live = live
        self._sight = sight
        self._desk = desk
        self._default = default_agent
        self._handler = handler = Handler(handle=handle, seconds=seconds, limits=limits, extended=self._extended)
        self._express = ExpressLane(handler)
        self._rpc = JsonRpc(handler, _Contexts())
        routes = [*operations(Rest(handler, _Contexts())), *OlderRest(handler, _Contexts()).routes()]
        self._rest = Router(routes, default=_no_operation, redirect_slashes=False)

    def over_grpc(self, callers: Callers, limits: Limits) -> GrpcBinding:
        """The same agents, by the same handler, for the gRPC door."""
        return GrpcBinding(
            self._handler,
            handle=self._handle,
            sight=self._sight,
            callers=callers,
            limits=limits,
            default_agent=self._default,
        )

    def place(self, path: str) -> Place | None:
        """Which agent a path is about; None where it is about none."""
        if path == CARD:
            return Place(self._default, CARD)
        if path == PREFIX.rstrip("/"):
            return Place("", "")
        if not path.startswith(PREFIX):
            return None
        agent, slash, rest = path[len(PREFIX) :].partition("/")
        return Place(agent, slash + rest)

    def is_open(self, scope: Scope) -> bool:
        """Whether a request is for a card that anybody may read, or for one that there is not at the root."""
        place = self.place(scope["path"])
        if place is None or place.rest != CARD:
            return False
        entry = self._live.current().catalog.agent(place.agent)
        if entry is None:
            return not self._default and scope["path"] == CARD
        return entry.agent.visibility is Visibility.PUBLIC

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with under_callers_trace(scope):
            await self._serve(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        place = self.place(scope["path"])
        verified: Verified | None = scope.get(VERIFIED)
        if place is not None and verified is not None and place in ALL:
            response = await self._all(scope, verified)
            await response(scope, receive, send)
        elif place is None or not place.agent:
            await _nothing()(scope, receive, send)
        elif place.rest == CARD:
            response = await self._card(scope, place, verified)
            await response(scope, receive, send)
        elif verified is None:
            raise RuntimeError("a request to an agent came past the door without a principal")
        elif entry := self._sight.agent(verified, place.agent):
            await self._operate(scope, receive, send, place=place, verified=verified, entry=entry)
        else:
            response = await self._look(place.agent, verified) or _nothing()
            await response(scope, receive, send)

    async def _operate(
        self, scope: Scope, receive: Receive, send: Send, *, place: Place, verified: Verified, entry: AgentEntry
    ) -> None:
        """An operation of an agent that the caller may list."""
        is_rpc = place.rest in _RPC
        params, revision = _params(scope, is_rpc=is_rpc), _revision(scope, place, is_rpc=is_rpc)
        if revision == OLDEST:
            params = newer_params_of_rpc(params) if is_rpc else newer_params_of_rest(params)
        skills = partial(self._sight.skills_of, verified, entry)
        asked = read_asked(scope, entry, skills, params=params, revision=revision)
        scope[ASKED] = asked
        answering = _naming_extensions(send, activated(asked))
        attributes = {names.OPERATION: "invoke_agent", names.AGENT_NAME: entry.agent.name}
        span = _tracer.start_as_current_span(
            f"invoke_agent {entry.agent.name}", kind=SpanKind.SERVER, attributes=attributes
        )
        with span:
            async with AsyncExitStack() as scope[_OPENED]:
                if not is_rpc:
                    below = {**scope, "path": place.rest, "root_path": "", "raw_path": place.rest.encode()}
                    await self._rest(below, receive, answering if revision == OLDEST else _labelled(answering))
                elif scope["method"] != "POST":
                    await _wrong_method(scope, receive, send)
                elif revision != OLDEST and (express := read_express(scope.get(JSON_KEY))) is not None:
                    context = context_of(asked, receive=receive, opened=scope[_OPENED])
                    response = await self._express.answer(express, context)
                    await response(scope, receive, answering)
                else:
                    response = await self._rpc.handle_requests(_Read(scope, receive))
                    await response(scope, receive, answering)

    async def _all(self, scope: Scope, verified: Verified) -> Response:
        """Which agents there are for a caller, and where their cards are."""
        if scope["method"] not in {"GET", "HEAD"}:
            return _status(405, "A list of agents can be read.", allow="GET, HEAD")
        try:
            found = await self._handle(look_around(verified, seconds=_LOOKING), nowhere)
        except InterchangeError as error:
            return _status(503, error.message)
        listed = cast("dict[str, Sequence[str]]", found.structured)["agents"]
        agents = [{"name": name, "card": self._desk.url_of(name)} for name in listed]
        return JSONResponse({"agents": agents}, headers={"Cache-Control": "private, no-cache"})

    async def _card(self, scope: Scope, place: Place, verified: Verified | None) -> Response:
        """The card of an agent, as far as the caller may see it; as a whole for anybody, where it is public."""
        catalog, at_root = self._live.current().catalog, scope["path"] == CARD
        entry = catalog.agent(place.agent)
        if verified is None:
            if entry is None:
                return _nothing()
            skills = [catalog.skills[skill] for skill in entry.agent.skills]
            return self._desk.answer(scope, entry, skills, public=True, all_interfaces=at_root)
        refusal = await self._look(place.agent, verified)
        seen = self._sight.agent(verified, place.agent)
        if refusal is not None or seen is None:
            return refusal or _nothing()
        skills = self._sight.skills_of(verified, seen)
        return self._desk.answer(scope, seen, skills, public=False, all_interfaces=at_root)

    async def _extended(self, asked: Asked) -> wire.AgentCard:
        """The card of an agent as a caller may see it.

        Raises:
            InterchangeError: they may not look at it.
        """
        await self._handle(look_at(asked.verified, asked.entry.agent.name, seconds=_LOOKING), nowhere)
        return ParseDict(
            json.loads(self._desk.card(asked.entry, asked.skills())), wire.AgentCard(), ignore_unknown_fields=True
        )

    async def _look(self, agent: str, verified: Verified) -> Response | None:
        """Have it decided, and put on record, that somebody looks at an agent; the answer if they may not."""
        try:
            await self._handle(look_at(verified, agent, seconds=_LOOKING), nowhere)
        except Unknown:
            return _nothing()
        except InterchangeError as error:
            logger.warning("an agent could not be looked at", extra={"why": error.code})
            return _status(503, error.message)
        return None


class _Read(Request):
    """A request whose JSON was read already, strictly."""

    async def json(self) -> Any:
        return self.scope[JSON_KEY]


class _Contexts(ServerCallContextBuilder):
    """Hands the handler what the face knows."""

    def build(self, request: Request) -> ServerCallContext:
        return context_of(request.scope[ASKED], receive=request.receive, opened=request.scope[_OPENED])


def _params(scope: Scope, *, is_rpc: bool) -> object:
    """What a request gives to its operation."""
    body: object = scope.get(JSON_KEY)
    if not is_rpc:
        return body or _query(scope)
    return cast("dict[str, object]", body).get("params") if isinstance(body, dict) else None


def _revision(scope: Scope, place: Place, *, is_rpc: bool) -> Revision:
    """The revision of A2A whose words a request is in."""
    return revision_of_rpc(version_of(scope), scope.get(JSON_KEY)) if is_rpc else revision_of_rest(place.rest)


def _query(scope: Scope) -> object:
    """What a request over REST without a body is given."""
    query: bytes = scope["query_string"]
    return dict(parse_qsl(query.decode("latin-1"))) if query else None


def _naming_extensions(send: Send, extensions: Sequence[str]) -> Send:
    """A send that says in the head of the answer which extensions are in force (section 3.2.6)."""
    if not extensions:
        return send
    header = (b"a2a-extensions", ", ".join(extensions).encode())

    async def naming(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], header]}
        await send(message)

    return naming


def _labelled(send: Send) -> Send:
    """A send that gives errors over REST the media type that the SDK gives answers only (section 11.2)."""

    async def labelled(message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] >= 400:
            others = [(name, value) for name, value in message["headers"] if name != b"content-type"]
            message = {**message, "headers": [*others, (b"content-type", A2A_JSON_MEDIA_TYPE.encode())]}
        await send(message)

    return labelled


def _nothing() -> Response:
    """The one answer where there is no agent, and where there is none for this caller."""
    return _status(404, "There is no such agent, or it is not for you.")


async def _no_operation(scope: Scope, receive: Receive, send: Send) -> None:
    await _status(404, "A2A 1.0 has no such operation over REST.")(scope, receive, send)


async def _wrong_method(scope: Scope, receive: Receive, send: Send) -> None:
    await _status(405, "JSON-RPC is spoken here: POST, or GET the agent's card.", allow="POST")(scope, receive, send)


def _status(code: int, message: str, *, allow: str = "") -> Response:
    headers = {"Cache-Control": "no-store", **({"Allow": allow} if allow else {})}
    return Response(status_body(code, message), code, headers=headers, media_type="application/json")
