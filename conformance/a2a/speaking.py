"""Speaking A2A to one interface of an agent: any operation over JSON-RPC or REST, regular unless told otherwise."""

import secrets
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any
from urllib.parse import quote, urlencode

from conformance.a2a.answers import Answer
from conformance.a2a.protocol import CLOSED, EVENT_STREAM, MEDIA_TYPE, OPERATIONS, VERSION, Binding
from conformance.verdict import CannotExamine, Inapplicable
from conformance.wire import Exchange, Stream, Wire

GIVE_TOKEN = "give a token by --token, --token-file or INTERCHANGE_TOKEN"  # noqa: S105


class Credential(StrEnum):
    """What a request brings to the door."""

    GIVEN = "the one the examiner was given"
    NONE = "none"
    WRONG = "one that is none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """What of a request is not as usual. An empty `version` sends none; `query` is added to the URL."""

    version: str = VERSION
    extensions: tuple[str, ...] | None = None
    query: Mapping[str, str] = field(default_factory=dict[str, str])
    credential: Credential = Credential.GIVEN


USUAL = Manner()


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """An interface of a card. `versions` are those that the card declares for its URL and binding."""

    url: str
    binding: Binding
    tenant: str = ""
    versions: frozenset[str] = frozenset({VERSION})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    method: str
    url: str
    headers: list[tuple[str, str]]
    body: object
    authorised: bool
    id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Speaker:
    """Speaks to one interface over one wire. `trusted` says that it may have the token; `extensions` are activated."""

    interface: Interface
    wire: Wire
    trusted: bool = True
    extensions: tuple[str, ...] = ()

    @property
    def binding(self) -> Binding:
        return self.interface.binding

    async def ask(self, operation: str, params: Mapping[str, Any], manner: Manner = USUAL) -> Answer:
        """Ask for an operation and read all that is answered.

        Raises:
            Inapplicable: it is only for those with a token, and the examiner was given none.
            CannotExamine: the examiner was not let in with it.
        """
        answer = await self.knock(operation, params, manner)
        if answer.at_the_door and manner.credential is Credential.GIVEN:
            raise self._outside(answer.told)
        return answer

    async def knock(self, operation: str, params: Mapping[str, Any], manner: Manner = USUAL) -> Answer:
        """The same, whether or not one is let in."""
        request = self._request(operation, params, manner)
        exchange = await self._send(request)
        if operation == "SubscribeToTask" and exchange.status == 405:  # the protocol's two pages differ: POST, or GET
            exchange = await self._send(replace(request, method="GET", body=b""))
        return Answer(binding=self.binding, exchange=exchange, id=request.id)

    @asynccontextmanager
    async def open(self, operation: str, params: Mapping[str, Any]) -> AsyncGenerator[Stream]:
        """Ask for a stream and leave it to the caller when to stop reading. Raises as `ask` does."""
        request = self._request(operation, params, USUAL)
        async with self.wire.open(
            request.method, request.url, headers=request.headers, body=request.body, authorised=request.authorised
        ) as stream:
            if stream.status in CLOSED:
                await stream.body()
                raise self._outside(f"HTTP {stream.status}")
            yield stream

    async def say(self, body: object, *, path: str = "") -> Answer:
        """POST a body that may be anything, with the usual headers, to the URL or below it. Raises as `ask` does."""
        headers = self._headers(USUAL)
        exchange = await self.wire.post(self._below(path), body, headers=headers, authorised=self.trusted)
        answer = Answer(binding=self.binding, exchange=exchange, id="")
        if answer.at_the_door:
            raise self._outside(answer.told)
        return answer

    def _outside(self, told: str) -> Exception:
        """Why nothing can be said of what is behind the door."""
        if not self.wire.has_token:
            return Inapplicable(f"{self.interface.url} is not for everybody: {GIVE_TOKEN}.")
        why = "" if self.trusted else " It is not where its card came from, so it was not shown the token."
        return CannotExamine(f"{self.interface.url} did not let the examiner in: {told}.{why}")

    async def _send(self, request: _Request) -> Exchange:
        return await self.wire.send(
            request.method, request.url, headers=request.headers, body=request.body, authorised=request.authorised
        )

    def _request(self, operation: str, params: Mapping[str, Any], manner: Manner) -> _Request:
        headers = self._headers(manner)
        authorised = self.trusted and manner.credential is Credential.GIVEN
        if self.binding is Binding.REST:
            method, url, body = self._over_rest(operation, params, manner)
            return _Request(method=method, url=url, headers=headers, body=body, authorised=authorised)
        named = f"examiner-{secrets.token_hex(4)}"
        tenant = {"tenant": self.interface.tenant} if self.interface.tenant else {}
        body = {"jsonrpc": "2.0", "id": named, "method": operation, "params": {**tenant, **params}}
        url = _with_query(self.interface.url, manner.query)
        return _Request(method="POST", url=url, headers=headers, body=body, authorised=authorised, id=named)

    def _over_rest(self, operation: str, params: Mapping[str, Any], manner: Manner) -> tuple[str, str, object]:
        place = OPERATIONS[operation]
        in_path = {name: str(value) for name, value in params.items() if f"{{{name}}}" in place.path}
        path = place.path.format_map({name: quote(value, safe="") for name, value in in_path.items()})
        rest = {name: value for name, value in params.items() if name not in in_path}
        if place.method == "POST":
            return place.method, _with_query(self._below(path), manner.query), rest
        query = {name: value if isinstance(value, str) else str(value).lower() for name, value in rest.items()}
        return place.method, _with_query(self._below(path), {**query, **manner.query}), b""

    def _below(self, path: str) -> str:
        if not path:
            return self.interface.url
        tenant = f"/{quote(self.interface.tenant, safe='')}" if self.interface.tenant else ""
        return f"{self.interface.url.rstrip('/')}{tenant}{path}"

    def _headers(self, manner: Manner) -> list[tuple[str, str]]:
        extensions = self.extensions if manner.extensions is None else manner.extensions
        usual = MEDIA_TYPE if self.binding is Binding.REST else "application/json"
        headers = [
            ("content-type", usual),
            ("accept", f"{usual}, application/json, {EVENT_STREAM}"),
        ]
        if manner.version:
            headers.append(("a2a-version", manner.version))
        if extensions:
            headers.append(("a2a-extensions", ", ".join(extensions)))
        if manner.credential is Credential.WRONG:
            headers.append(("authorization", "Bearer this-is-no-token"))
        return headers


def _with_query(url: str, query: Mapping[str, str]) -> str:
    return f"{url}{'&' if '?' in url else '?'}{urlencode(query)}" if query else url
