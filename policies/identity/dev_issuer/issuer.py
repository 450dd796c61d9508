"""The development issuer as the gateway sees it: requests in, answers out, no web framework.

Loopback only. People are the persons of the directory in force, and its agents' clients are known; whoever sits at this
machine picks a person on the consent page, and whoever can read `STATE/dev-secret` may become any of them. Access
tokens are `at+jwt` (RFC 9068) for the gateway alone.
"""

import json
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import cast

from authlib.oauth2.rfc6749.errors import InvalidClientError, OAuth2Error

from policies.identity.dev_issuer.clients import Client, Registrations, read_registration, write_registration
from policies.identity.dev_issuer.codes import Promises
from policies.identity.dev_issuer.documents import ClientDocuments, is_document_url
from policies.identity.dev_issuer.messages import (
    NO_STORE,
    Answer,
    Consent,
    Persona,
    plain,
    read_parameters,
    registration_error,
    told,
)
from policies.identity.dev_issuer.names import (
    CLI_CLIENT,
    LOGIN_CLIENT,
    LOGIN_REDIRECT,
    PERSONA_GRANT,
)
from policies.identity.dev_issuer.secret import agent_secret, dev_secret
from policies.identity.dev_issuer.server import GrantServer
from policies.identity.directory import OPERATOR, Directory
from policies.identity.fetch import Fetcher, Unfetchable
from policies.identity.keys import SigningKey, load_signing_key
from policies.identity.keysets import LocalKeys
from policies.identity.tokens import InboundIssuer
from policies.identity.urls import is_loopback, is_under
from registry.model import BadRequest, JsonObject

TOKEN_SECONDS = 15 * 60
DEMO_SECONDS = 8 * 3600


class DevIssuer:
    """Issues tokens to people and programs of one machine."""

    def __init__(
        self,
        *,
        public_url: str,
        directory: Callable[[], Directory],
        key: SigningKey,
        secret: str,
        registrations: Registrations,
        fetcher: Fetcher,
        scopes: Sequence[str] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        if not is_loopback(public_url):
            raise BadRequest(
                f"the development issuer serves loopback only, not {public_url}: set [auth] issuer and audience"
            )
        self.public_url = public_url.rstrip("/")
        self.issuer = f"{self.public_url}/issuer"
        self.keys = LocalKeys([key.public()])
        self._key = key
        self._directory = directory
        self._registrations = registrations
        self._documents = ClientDocuments(fetcher, clock)
        self._scopes = tuple(scopes)
        self._clock = clock
        self._secret = secret
        self._fixed = _own_clients(secret)
        self._promises = Promises(clock, self.keys.withdraw)
        self._server = GrantServer(
            issuer=self.issuer,
            clients=self._client,
            personas=lambda: [one.name for one in self._personas()],
            promises=self._promises,
            mint=lambda subject, client, scope: self._signed(subject, client, scope=scope, lifetime=TOKEN_SECONDS),
        )

    @classmethod
    def open(
        cls,
        *,
        public_url: str,
        directory: Callable[[], Directory],
        state: Path,
        fetcher: Fetcher,
        scopes: Sequence[str] = (),
        clock: Callable[[], float] = time.time,
    ) -> "DevIssuer":
        """The issuer of a state folder: its key, secret and registered clients, made when absent.

        Raises:
            BadRequest: `public_url` is not loopback, or a file of the folder is readable by others or damaged.
        """
        return cls(
            public_url=public_url,
            directory=directory,
            key=load_signing_key(state / "keys", "issuer"),
            secret=dev_secret(state),
            registrations=Registrations(state / "issuer-clients.json"),
            fetcher=fetcher,
            scopes=scopes,
            clock=clock,
        )

    def inbound(self) -> InboundIssuer:
        """This issuer as the gateway's door accepts it: like any other, only reached without HTTP."""
        return InboundIssuer(issuer=self.issuer, audiences=(self.public_url,), keys=self.keys)

    def add_client(self, client_id: str, secret: str) -> None:
        """Know a confidential client, which may use the client credentials grant."""
        self._fixed[client_id] = _confidential(client_id, secret)

    def issue_for(self, persona: str, lifetime: float = DEMO_SECONDS, *, scopes: Sequence[str] = ()) -> str:
        """A token for a person of the directory, of `lifetime` seconds, for the demo's own terminal.

        Raises:
            BadRequest: there is no such person.
        """
        if not self._is_persona(persona):
            known = ", ".join(one.name for one in self._personas()) or "nobody"
            raise BadRequest(f"there is no person {persona!r} in the directory; known are {known}")
        return self._signed(persona, CLI_CLIENT, scope=" ".join(scopes), lifetime=int(lifetime))[0]

    def metadata(self) -> JsonObject:
        """RFC 8414 metadata, with what OpenID Connect discovery demands beside it: some clients read only that."""
        scopes = {"scopes_supported": list(self._scopes)} if self._scopes else {}
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks",
            "registration_endpoint": f"{self.issuer}/register",
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials", PERSONA_GRANT],
            "token_endpoint_auth_methods_supported": ["none", "client_secret_basic", "client_secret_post"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
            "client_id_metadata_document_supported": True,
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
            **scopes,
        }

    def jwks(self) -> JsonObject:
        return {"keys": [self._key.public()]}

    async def authorize(self, pairs: Sequence[tuple[str, str]]) -> Consent | Answer:
        """What to put before the person who arrives with an authorisation request, or the refusal."""
        try:
            asked = read_parameters(pairs)
            await self._meet(asked.get("client_id", ""))
            client = self._server.check(asked)
        except OAuth2Error as error:
            return self._refusal(error)
        redirect_uri = asked.get("redirect_uri") or client.get_default_redirect_uri() or ""
        if not self._is_for_us(pairs):
            state = asked.get("state")
            return self._refusal(OAuth2Error(error="invalid_target", redirect_uri=redirect_uri, state=state))
        return Consent(
            ticket=self._promises.ticket(asked),
            client_name=client.name,
            client_id=client.client_id,
            redirect_uri=redirect_uri,
            scopes=tuple(asked.get("scope", "").split()),
            personas=self._personas(),
        )

    async def decide(self, *, ticket: str, persona: str) -> Answer:
        """Where the browser goes once a person has decided; an empty persona refuses the client."""
        asked = self._promises.redeem(ticket)
        if asked is None:
            return told("this page was used already or is too old; start again.")
        if persona and not self._is_persona(persona):
            return told("there is no such person in the directory; start again.")
        scope, client_id = asked.get("scope", ""), asked["client_id"]
        family = self._promises.family(subject=persona, client_id=client_id, scope=scope) if persona else None
        try:
            await self._meet(client_id)
            return self._server.grant(asked, family)
        except OAuth2Error as error:
            return self._refusal(error)

    async def token(self, pairs: Sequence[tuple[str, str]], *, authorization: str = "") -> Answer:
        """The token endpoint."""
        if not self._is_for_us(pairs):
            return self._server.refuse(OAuth2Error("The resource is not this gateway.", error="invalid_target"))
        try:
            asked = read_parameters(pairs)
            await self._meet(asked.get("client_id", ""))
        except OAuth2Error as error:
            return self._server.refuse(error)
        return self._server.token(asked, authorization)

    def register(self, body: bytes) -> Answer:
        """Dynamic registration of a public client (RFC 7591), for clients that have no metadata document."""
        try:
            metadata = json.loads(body)
        except (ValueError, RecursionError):
            return registration_error("invalid_client_metadata", "the body is not JSON")
        try:
            client = read_registration(metadata)
        except BadRequest as error:
            fault = "redirect_uri" if error.message.startswith("redirect_uris") else "client_metadata"
            return registration_error(f"invalid_{fault}", error.message)
        self._registrations.add(client)
        told_client = {**write_registration(client), "client_id_issued_at": int(self._clock())}
        return Answer(status=201, headers=NO_STORE, body=told_client)

    async def _meet(self, client_id: str) -> None:
        """Read the document of a client that has one; Authlib asks for clients synchronously."""
        if self._client(client_id) is None and is_document_url(client_id):
            try:
                await self._documents.load(client_id)
            except (Unfetchable, BadRequest) as error:
                raise InvalidClientError(plain(error.message)) from None

    def _client(self, client_id: str) -> Client | None:
        fixed = self._fixed.get(client_id) or self._agents_client(client_id)
        return fixed or self._registrations.find(client_id) or self._documents.known(client_id)

    def _agents_client(self, client_id: str) -> Client | None:
        agents = self._directory().agents.values()
        if not any(client_id in agent.client_ids for agent in agents if not agent.disabled):
            return None
        return _confidential(client_id, agent_secret(self._secret, client_id))

    def _is_for_us(self, pairs: Sequence[tuple[str, str]]) -> bool:
        """Whether every resource that is asked for is this gateway (RFC 8707)."""
        return all(is_under(value, self.public_url) for name, value in pairs if name == "resource")

    def _refusal(self, error: OAuth2Error) -> Answer:
        """By a redirect to the client where that is safe, otherwise in words to the person."""
        answer = self._server.refuse(error)
        if answer.location:
            return answer
        return told(
            str(cast("Mapping[str, object]", answer.body).get("error_description", "the request is not valid."))
        )

    def _signed(self, subject: str, client_id: str, *, scope: str, lifetime: int) -> tuple[str, str, int]:
        now, jti = int(self._clock()), secrets.token_urlsafe(16)
        claims: JsonObject = {
            "iss": self.issuer,
            "sub": subject,
            "aud": self.public_url,
            "exp": now + lifetime,
            "iat": now,
            "jti": jti,
            "client_id": client_id,
            **({"scope": scope} if scope else {}),
        }
        return self._key.sign(claims), jti, lifetime

    def _is_persona(self, name: str) -> bool:
        listed = self._directory().persons.get(name)
        return listed is not None and not listed.disabled and name != OPERATOR

    def _personas(self) -> tuple[Persona, ...]:
        return tuple(
            Persona(name=one.name, title=one.title, groups=tuple(sorted(one.groups)))
            for one in self._directory().persons.values()
            if self._is_persona(one.name)
        )


def _confidential(client_id: str, secret: str) -> Client:
    grants = frozenset({"client_credentials"})
    return Client(client_id=client_id, name=client_id, grants=grants, secret=secret)


def _own_clients(secret: str) -> dict[str, Client]:
    cli = Client(client_id=CLI_CLIENT, name=CLI_CLIENT, grants=frozenset({PERSONA_GRANT}), secret=secret)
    login = Client(client_id=LOGIN_CLIENT, name="the interchange command", redirect_uris=(LOGIN_REDIRECT,))
    return {client.client_id: client for client in (cli, login)}
