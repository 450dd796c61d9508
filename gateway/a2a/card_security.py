"""How a client gets a token for the agents here, in the words of a card (A2A 1.0, sections 4.5 and 7).

A scheme of the proto has one OAuth flow (`OAuthFlows` is a oneof), so that each flow is a scheme of its own. Whoever
has a token already finds the plain bearer scheme. Every requirement names at least one scope: an empty list would
vanish from the form that SDKs verify, and the requirement with it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, TypeAlias

from policies.identity.urls import well_known
from registry.model import JsonObject

ACCESS: Final = "interchange"
"""A scope that any token may have and none needs: what a requirement says where no skill demands more."""
_OPENID: Final = "openid"
"""What a client asks every OpenID provider for (OpenID Connect Core, section 3.1.2.1)."""
_BEARER: Final = "bearer"


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthIssuer:
    """The embedded development issuer."""

    authorization_url: str
    token_url: str
    metadata_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenIdProvider:
    """A configured provider, which says the rest itself."""

    configuration_url: str


TokenIssuer: TypeAlias = OAuthIssuer | OpenIdProvider


def read_issuer(metadata: JsonObject) -> OAuthIssuer:
    """An issuer as its own metadata describes it (RFC 8414)."""
    return OAuthIssuer(
        authorization_url=str(metadata["authorization_endpoint"]),
        token_url=str(metadata["token_endpoint"]),
        metadata_url=well_known(str(metadata["issuer"]), "oauth-authorization-server"),
    )


def provider_at(issuer: str) -> OpenIdProvider:
    """The provider of an issuer URL (OpenID Connect Discovery, section 4)."""
    return OpenIdProvider(configuration_url=f"{issuer.rstrip('/')}/.well-known/openid-configuration")


def security_schemes(issuer: TokenIssuer, scopes: Iterable[str]) -> JsonObject:
    """Every way to a token; `scopes` are those that some skill of the card demands."""
    bearer: JsonObject = {"httpAuthSecurityScheme": {"scheme": "Bearer", "bearerFormat": "JWT"}}
    if isinstance(issuer, OpenIdProvider):
        provider: JsonObject = {"openIdConnectSecurityScheme": {"openIdConnectUrl": issuer.configuration_url}}
        return {"openIdConnect": provider, _BEARER: bearer}
    known = {ACCESS: "To call the gateway.", **dict.fromkeys(sorted(scopes), "Demanded by skills that name it.")}
    renewable: JsonObject = {"tokenUrl": issuer.token_url, "refreshUrl": issuer.token_url, "scopes": known}
    return {
        "oauth2": _scheme(
            issuer,
            about="For a program that acts for a person.",
            flow={
                "authorizationCode": {
                    "authorizationUrl": issuer.authorization_url, "pkceRequired": True, **renewable
                }
            },
        ),
        "oauth2ClientCredentials": _scheme(
            issuer,
            about="For a program that acts for itself.",
            flow={"clientCredentials": {"tokenUrl": issuer.token_url, "scopes": known}},
        ),
        _BEARER: bearer,
    }  # fmt: skip


def security_requirements(issuer: TokenIssuer, scopes: Iterable[str] = ()) -> list[JsonObject]:
    """One alternative for each scheme, with the scopes that a token needs."""
    if isinstance(issuer, OpenIdProvider):
        general = {"openIdConnect": _OPENID, _BEARER: ACCESS}
    else:
        general = dict.fromkeys(("oauth2", "oauth2ClientCredentials", _BEARER), ACCESS)
    demanded = sorted(scopes)
    return [{"schemes": {name: {"list": [first, *demanded]}}} for name, first in general.items()]


def _scheme(issuer: OAuthIssuer, *, about: str, flow: JsonObject) -> JsonObject:
    return {
        "oauth2SecurityScheme": {"description": about, "flows": flow, "oauth2MetadataUrl": issuer.metadata_url},
    }
