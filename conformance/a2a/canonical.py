"""The canonical form of JSON (RFC 8785) and of an agent card (A2A 1.0, section 8.4.1), as our own reading of both."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

_LARGEST_EXACT = 2**53
_DEEPEST = 100


class NotCanonical(Exception):
    """A value has no canonical form; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """An object of a card, as A2A 1.0 defines it.

    `kept` are the members that stay in the canonical form at their default value too: required ones, and those that are
    `optional`, of one kind among several or objects in the protocol's definition; `left_out` are those that do not.
    `inner` are the members, of either kind, with members of their own; where `named` is set the members are names that
    somebody chose, and each holds such an object.
    """

    kept: frozenset[str] = frozenset()
    left_out: frozenset[str] = frozenset()
    inner: Mapping[str, "Shape"] = field(default_factory=dict[str, "Shape"])
    named: "Shape | None" = None

    @property
    def members(self) -> frozenset[str]:
        """All that A2A 1.0 knows."""
        return self.kept | self.left_out | self.inner.keys()


def _shape(kept: str = "", left_out: str = "", **inner: Shape) -> Shape:
    return Shape(kept=frozenset(kept.split()), left_out=frozenset(left_out.split()), inner=inner)


_REQUIREMENTS = _shape(schemes=Shape(named=_shape(left_out="list")))
_FLOWS = _shape(
    "authorizationCode clientCredentials deviceCode implicit password",
    authorizationCode=_shape("authorizationUrl tokenUrl scopes", "refreshUrl pkceRequired"),
    clientCredentials=_shape("tokenUrl scopes", "refreshUrl"),
    deviceCode=_shape("deviceAuthorizationUrl tokenUrl scopes", "refreshUrl"),
    implicit=_shape(left_out="authorizationUrl refreshUrl scopes"),
    password=_shape(left_out="tokenUrl refreshUrl scopes"),
)
_SCHEME = _shape(
    "apiKeySecurityScheme httpAuthSecurityScheme oauth2SecurityScheme openIdConnectSecurityScheme mtlsSecurityScheme",
    apiKeySecurityScheme=_shape("location name", "description"),
    httpAuthSecurityScheme=_shape("scheme", "description bearerFormat"),
    oauth2SecurityScheme=_shape("flows", "description oauth2MetadataUrl", flows=_FLOWS),
    openIdConnectSecurityScheme=_shape("openIdConnectUrl", "description"),
    mtlsSecurityScheme=_shape(left_out="description"),
)
CARD = _shape(
    "name description supportedInterfaces version capabilities defaultInputModes defaultOutputModes skills"
    " provider documentationUrl iconUrl",
    "signatures",
    supportedInterfaces=_shape("url protocolBinding protocolVersion", "tenant"),
    provider=_shape("url organization"),
    capabilities=_shape(
        "streaming pushNotifications extendedAgentCard", extensions=_shape("params", "uri description required")
    ),
    securitySchemes=Shape(named=_SCHEME),
    securityRequirements=_REQUIREMENTS,
    skills=_shape("id name description tags", "examples inputModes outputModes", securityRequirements=_REQUIREMENTS),
)


def signed_bytes(card: Mapping[str, Any]) -> bytes:
    """What the signatures of a card are over.

    Raises:
        NotCanonical: it has no such form.
    """
    unsigned = {name: member for name, member in card.items() if name != "signatures"}
    return canonical(without_defaults(unsigned, CARD))


def without_defaults(value: Any, shape: Shape) -> Any:
    """A card, or a part of one, without the members that are at their default value and need not be told."""
    if isinstance(value, list):
        return [without_defaults(item, shape) for item in cast("list[Any]", value)]
    if not isinstance(value, dict):
        return value
    members = cast("dict[str, Any]", value)
    if shape.named is not None:
        return {name: without_defaults(member, shape.named) for name, member in members.items()}
    inner = {
        name: without_defaults(member, shape.inner[name]) if name in shape.inner else member
        for name, member in members.items()
    }
    return {
        name: member
        for name, member in inner.items()
        if member is not None and (name in shape.kept or not _is_default(member))
    }


def as_read(value: Any, shape: Shape) -> Any:
    """A card, or a part of one, as it is to readers who pass over members that A2A 1.0 does not know."""
    if isinstance(value, list):
        return [as_read(item, shape) for item in cast("list[Any]", value)]
    if not isinstance(value, dict):
        return value
    members = cast("dict[str, Any]", value)
    if shape.named is not None:
        return {name: as_read(member, shape.named) for name, member in members.items()}
    return {
        name: as_read(member, shape.inner[name]) if name in shape.inner else member
        for name, member in members.items()
        if name in shape.members
    }


def canonical(value: Any) -> bytes:
    """JSON in the form of RFC 8785.

    Raises:
        NotCanonical: a number, a text or the depth of the value is outside of what the form is defined for.
    """
    try:
        return _written(value, _DEEPEST).encode("utf-8")
    except UnicodeEncodeError:
        raise NotCanonical("a text has half a surrogate pair") from None


def _written(value: Any, depth: int) -> str:
    if depth == 0:
        raise NotCanonical(f"it is nested more than {_DEEPEST} deep")
    if isinstance(value, Mapping):
        members = sorted(cast("Mapping[str, Any]", value).items(), key=lambda member: _utf16(member[0]))
        return "{" + ",".join(f"{_text(name)}:{_written(member, depth - 1)}" for name, member in members) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ",".join(_written(item, depth - 1) for item in cast("Sequence[Any]", value)) + "]"
    if isinstance(value, str):
        return _text(value)
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    return _number(value)


def _utf16(name: str) -> bytes:
    return name.encode("utf-16-be", "surrogatepass")


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _number(number: float) -> str:
    """A number as ECMAScript writes it (RFC 8785, section 3.2.2.3)."""
    if isinstance(number, int) and abs(number) <= _LARGEST_EXACT:
        return str(number)
    real = float(number)
    if not math.isfinite(real):
        raise NotCanonical("a number is not finite")
    if real == 0:
        return "0"
    sign, digits, point = _decimal(real)
    if 0 < point <= 21:
        whole, fraction = digits[:point].ljust(point, "0"), digits[point:]
        return f"{sign}{whole}.{fraction}" if fraction else sign + whole
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    mantissa = f"{digits[0]}.{digits[1:]}" if len(digits) > 1 else digits
    return f"{sign}{mantissa}e{point - 1:+d}"


def _decimal(real: float) -> tuple[str, str, int]:
    """The shortest digits that mean a number, and where its point is: 0.digits times ten to the power of it."""
    mantissa, _, exponent = repr(abs(real)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    leading = len(whole + fraction) - len(digits)
    return "-" if real < 0 else "", digits.rstrip("0"), len(whole) - leading + int(exponent or 0)


def _is_default(member: object) -> bool:
    return member in ("", False, 0) or (isinstance(member, list | dict) and not member)
