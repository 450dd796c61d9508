"""Short ways to say what an operator does to a registry, and to read what came of it."""

from typing import Any, cast

from registry.model import JsonObject, JsonValue, Principal, PrincipalKind
from registry.operations import Registrar

OLGA = Principal(kind=PrincipalKind.PERSON, issuer="https://issuer.test", subject="olga", name="olga")


def publish(registrar: Registrar, manifest: str, **more: JsonValue) -> dict[str, Any]:
    return ask(registrar, "Publish", {"manifest": manifest, **more})


def ask(registrar: Registrar, operation: str, content: JsonObject) -> dict[str, Any]:
    return dict(cast("dict[str, Any]", registrar.perform(operation, content, OLGA)))


def outcomes(answer: dict[str, Any]) -> dict[str, str]:
    """Name → outcome."""
    return {change["name"]: change["outcome"] for change in answer.get("changes", [])}
