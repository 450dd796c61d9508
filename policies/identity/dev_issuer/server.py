# The published stubs of Authlib are narrower than Authlib: this file is the border, and what leaves it is typed.
# pyright: reportIncompatibleMethodOverride=false, reportIncompatibleVariableOverride=false
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportOptionalMemberAccess=false
"""The development issuer's grants, on Authlib's framework-free authorisation server.

Authorization code with PKCE, refresh tokens that rotate, client credentials, and the persona grant. Traps closed here:
Authlib lets an authorisation request without `code_challenge` pass and takes a missing method for `plain`; it writes
whole token answers to its debug log; it wants https even on loopback; and its own token generator lives for ten days.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, cast

from authlib.common.urls import add_params_to_uri
from authlib.oauth2.rfc6749 import AuthorizationServer, OAuth2Request, TokenEndpointMixin, grants
from authlib.oauth2.rfc6749.errors import (
    InvalidGrantError,
    InvalidRequestError,
    OAuth2Error,
    UnauthorizedClientError,
)
from authlib.oauth2.rfc6749.grants import BaseGrant
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload
from authlib.oauth2.rfc7636 import CodeChallenge

from policies.identity.dev_issuer.clients import Client
from policies.identity.dev_issuer.codes import Code, Family, Promises, Refresh
from policies.identity.dev_issuer.messages import Answer
from policies.identity.dev_issuer.names import PERSONA_GRANT
from registry.model import JsonObject

_WITH_SECRET = ["client_secret_basic", "client_secret_post"]
_ANY_CLIENT = ["none", *_WITH_SECRET]
_NAMED = 20
"""How many persons the refusal of an unknown one names."""
_PLAIN = re.compile(r"[\x20\x21\x23-\x5b\x5d-\x7e]+")


Mint = Callable[[str, str, str], tuple[str, str, int]]
"""Signs an access token for (subject, client_id, scope); returns it, its id and its life in seconds."""


class GrantServer:
    """Answers authorisation and token requests. Typed wrapper of Authlib's server."""

    def __init__(
        self,
        *,
        issuer: str,
        clients: Callable[[str], Client | None],
        personas: Callable[[], Sequence[str]],
        promises: Promises,
        mint: Mint,
    ) -> None:
        self._issuer = issuer
        self._server = _Server(clients, personas, promises, mint)

    def check(self, parameters: Mapping[str, str]) -> Client:
        """Return the client of an authorisation request that may be put before a person.

        Raises:
            OAuth2Error: it may not; `refuse` says it to whom it concerns.
        """
        grant = cast("Any", self._server.get_consent_grant(_request("GET", parameters), None))
        return cast("Client", grant.request.client)

    def grant(self, parameters: Mapping[str, str], family: Family | None) -> Answer:
        """The redirect after a person has decided: with a code for `family`, or with `access_denied` for None."""
        request = _request("GET", parameters)
        try:
            consent = cast("Any", self._server.get_consent_grant(request, family))
        except OAuth2Error as error:
            return self.refuse(error)
        answer = self._server.create_authorization_response(request, family, consent)
        return self._signed(cast("Answer", answer))

    def refuse(self, error: OAuth2Error) -> Answer:
        """How an error is told: to the client by a redirect where that is safe, else to the person."""
        return self._signed(_answer(*error(None)))

    def token(self, parameters: Mapping[str, str], authorization: str) -> Answer:
        """The answer of the token endpoint."""
        try:
            return cast("Answer", self._server.create_token_response(_request("POST", parameters, authorization)))
        except ValueError:  # Authlib: Basic credentials that are not UTF-8, error texts with quotes in them
            return self.refuse(InvalidRequestError("The request is malformed."))

    def _signed(self, answer: Answer) -> Answer:
        """With `iss` in every redirect (RFC 9207)."""
        if not answer.location:
            return answer
        location: str = add_params_to_uri(answer.location, [("iss", self._issuer)])
        return Answer(status=303, headers=(("Location", location),))


class _Silent(dict[str, object]):
    """INVARIANT: does not print. Authlib logs the whole answer of the token endpoint at debug level."""

    def __repr__(self) -> str:
        return "<token answer>"


class _Server(AuthorizationServer):
    def __init__(
        self,
        clients: Callable[[str], Client | None],
        personas: Callable[[], Sequence[str]],
        promises: Promises,
        mint: Mint,
    ) -> None:
        super().__init__()
        self.promises = promises
        self.personas = personas
        self._clients = clients
        self._mint = mint
        self.register_token_generator("default", cast("Any", self._generate))
        self.register_grant(_AuthorizationCode, [_Pkce(required=True)])
        for grant in (_RefreshToken, _ClientCredentials, _PersonaGrant):
            self.register_grant(grant)

    def query_client(self, client_id: str) -> Client | None:
        return self._clients(client_id)

    def save_token(self, token: object, request: object) -> None:
        """Nothing to save: access tokens carry all they are."""

    def send_signal(self, name: str, *args: object, **kwargs: object) -> None:
        """Nobody listens."""

    def create_oauth2_request(self, request: OAuth2Request) -> OAuth2Request:
        return request

    def handle_response(self, status: int, body: object, headers: Sequence[tuple[str, str]]) -> Answer:
        return _answer(status, body, headers)

    def _generate(  # noqa: PLR0917 - Authlib's signature
        self,
        grant_type: str,  # noqa: ARG002
        client: Client,
        user: Family | None = None,
        scope: str | None = None,
        expires_in: int | None = None,  # noqa: ARG002 - lifetimes are the issuer's business
        include_refresh_token: bool = True,  # noqa: FBT001, FBT002
    ) -> dict[str, object]:
        subject = user.subject if user is not None else client.client_id
        token, jti, seconds = self._mint(subject, client.client_id, scope or "")
        answer = _Silent(access_token=token, token_type="Bearer", expires_in=seconds)  # noqa: S106
        if scope:
            answer["scope"] = scope
        if user is not None:
            user.issued(jti)
            if include_refresh_token:
                answer["refresh_token"] = self.promises.refresh_token(user)
        return answer


class _AuthorizationCode(grants.AuthorizationCodeGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = _ANY_CLIENT
    server: _Server

    def save_authorization_code(self, code: str, request: OAuth2Request) -> None:
        asked: Mapping[str, str] = request.payload.data
        self.server.promises.keep_code(
            code,
            family=cast("Family", request.user),
            redirect_uri=asked.get("redirect_uri", ""),
            code_challenge=asked["code_challenge"],
        )

    def query_authorization_code(self, code: str, client: Client) -> Code | None:
        return self.server.promises.use_code(code, client.client_id)

    def delete_authorization_code(self, authorization_code: Code) -> None:
        """Using it was its end; it is remembered to notice a second use."""

    def authenticate_user(self, authorization_code: Code) -> Family:
        return authorization_code.family


class _RefreshToken(grants.RefreshTokenGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = _ANY_CLIENT
    INCLUDE_NEW_REFRESH_TOKEN = True
    server: _Server

    def authenticate_refresh_token(self, refresh_token: str) -> Refresh | None:
        return self.server.promises.use_refresh(refresh_token, cast("Client", self.request.client).client_id)

    def authenticate_user(self, refresh_token: Refresh) -> Family:
        return refresh_token.family

    def revoke_old_credential(self, refresh_token: Refresh) -> None:
        """Using it was its end."""


class _ClientCredentials(grants.ClientCredentialsGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = _WITH_SECRET


class _PersonaGrant(BaseGrant, TokenEndpointMixin):
    """Whoever holds the development secret becomes any person of the directory."""

    GRANT_TYPE = PERSONA_GRANT
    TOKEN_ENDPOINT_AUTH_METHODS = _WITH_SECRET
    server: _Server

    def validate_token_request(self) -> None:
        client = cast("Client", self.authenticate_token_endpoint_client())
        if not client.check_grant_type(PERSONA_GRANT):
            raise UnauthorizedClientError("This client may not act as a persona.")
        self.request.client = cast("Any", client)
        persona = self.request.form.get("persona", "")
        known = self.server.personas()
        if persona not in known:
            raise InvalidGrantError(f"There is no such person in the directory; known are {_listed(known)}.")
        self.request.user = self.server.promises.family(
            subject=persona, client_id=client.client_id, scope=self.request.payload.scope or ""
        )

    def create_token_response(self) -> tuple[int, object, object]:
        family = cast("Family", self.request.user)
        token = self.generate_token(user=family, scope=family.scope, include_refresh_token=False)
        return 200, token, self.TOKEN_RESPONSE_HEADER


def _listed(names: Sequence[str]) -> str:
    """Names for an `error_description`, which may hold nothing but plain ASCII (RFC 6749 §5.2)."""
    plain = [name for name in names if _PLAIN.fullmatch(name)][:_NAMED]
    return ", ".join(plain if len(plain) == len(names) else [*plain, "others"]) or "nobody"


class _Pkce(CodeChallenge):
    """Demands S256 at the authorisation endpoint, of every client."""

    SUPPORTED_CODE_CHALLENGE_METHOD: ClassVar[list[str]] = ["S256"]

    def validate_code_challenge(self, grant: Any, redirect_uri: str) -> None:
        asked: Mapping[str, str] = grant.request.payload.data
        if not asked.get("code_challenge") or asked.get("code_challenge_method") != "S256":
            raise InvalidRequestError("PKCE with S256 is required.", redirect_uri=redirect_uri)
        super().validate_code_challenge(grant, redirect_uri)


class _Request(OAuth2Request):
    """One request. The URI only satisfies Authlib's wish for https; the gateway knows its own doors."""

    def __init__(self, method: str, parameters: Mapping[str, str], headers: Mapping[str, str]) -> None:
        super().__init__(method, "https://issuer.invalid/", headers=headers)
        self._parameters = dict(parameters)
        self.payload = BasicOAuth2Payload(self._parameters)

    @property
    def args(self) -> dict[str, str]:
        return self._parameters

    @property
    def form(self) -> dict[str, str]:
        return self._parameters


def _request(method: str, parameters: Mapping[str, str], authorization: str = "") -> _Request:
    return _Request(method, parameters, {"Authorization": authorization} if authorization else {})


def _answer(status: int, body: object, headers: Sequence[tuple[str, str]]) -> Answer:
    content = cast("JsonObject", body) if isinstance(body, dict) else ""
    return Answer(status=status, headers=tuple(headers), body=content)
