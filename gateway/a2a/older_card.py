"""A card as clients of A2A 0.3 read it: the same document with the members that they know, beside those of 1.0.

Pure. Readers of 1.0 pass over what is added here, and write the same canonical form as without it, so that a signature
over the card before it was added holds for them. INVARIANT: a security scheme in the words of 0.3 has everything that
it has in those of 1.0, because some readers of 1.0 go by the former where there are both.
"""

from collections.abc import Mapping, Sequence
from typing import Final, cast

from gateway.a2a.asked import OLDEST
from registry.model import JsonObject, JsonValue

PATCH: Final = "0.3.0"
"""How 0.3 writes its version."""

_TYPES: Final = {
    "httpAuthSecurityScheme": "http",
    "oauth2SecurityScheme": "oauth2",
    "openIdConnectSecurityScheme": "openIdConnect",
}


def with_older(card: JsonObject) -> JsonObject:
    """A card of 1.0, without signatures, with what 0.3 wants; as it is where no interface of its speaks 0.3."""
    interfaces = [each for each in _objects(card["supportedInterfaces"]) if each["protocolVersion"] == OLDEST]
    if not interfaces:
        return card
    extended: JsonObject = {}
    if cast("JsonObject", card["capabilities"]).get("extendedAgentCard"):
        extended = {"supportsAuthenticatedExtendedCard": True}
    return {
        **card,
        **extended,
        "protocolVersion": PATCH,
        "url": interfaces[0]["url"],
        "preferredTransport": interfaces[0]["protocolBinding"],
        "additionalInterfaces": [{"url": each["url"], "transport": each["protocolBinding"]} for each in interfaces],
        "securitySchemes": {name: _scheme(scheme) for name, scheme in _members(card["securitySchemes"]).items()},
        "security": _security(card["securityRequirements"]),
        "skills": [_skill(skill) for skill in _objects(card.get("skills", ()))],
    }


def _scheme(scheme: JsonObject) -> JsonObject:
    """A security scheme that says its type, and what belongs to it."""
    ((name, inner),) = scheme.items()
    return {**scheme, "type": _TYPES[name], **cast("JsonObject", inner)}


def _skill(skill: JsonObject) -> JsonObject:
    required = skill.get("securityRequirements")
    return {**skill, "security": _security(required)} if required else skill


def _security(requirements: JsonValue) -> list[JsonValue]:
    """Alternatives, each with its schemes and their scopes."""
    return [
        {name: scopes["list"] for name, scopes in _members(one["schemes"]).items()} for one in _objects(requirements)
    ]


def _objects(value: JsonValue) -> Sequence[JsonObject]:
    return cast("Sequence[JsonObject]", value)


def _members(value: JsonValue) -> Mapping[str, JsonObject]:
    return cast("Mapping[str, JsonObject]", value)
