"""What a registry request may contain: `registry.proto`'s messages in proto3 JSON, read into our own words.

Requests of the platform face were parsed by protobuf before, others were not; so every field is checked here again.
"""

import base64
import binascii
from collections.abc import Mapping

from registry.model import BadRequest, Binding, BindingKind, JsonObject, JsonValue, Tls

TEXT = 2_000
"""Characters of a reason or a name."""

KINDS = {kind.value: kind for kind in BindingKind}


def read_text(content: JsonObject, key: str, *, limit: int = TEXT) -> str:
    """A string, empty where it is absent."""
    value = content.get(key, "")
    if not isinstance(value, str):
        raise BadRequest(f"{key} must be text.")
    if len(value) > limit:
        raise BadRequest(f"{key} has {len(value):,} characters; {limit:,} are allowed.")
    return value


def read_name(content: JsonObject) -> str:
    """The name of an agent or skill."""
    name = read_text(content, "name")
    if not name:
        raise BadRequest("name is missing: an agent such as candidates, or a skill such as candidates.search.")
    return name


def read_flag(content: JsonObject, key: str) -> bool:
    """A boolean, false where it is absent."""
    value = content.get(key, False)
    if not isinstance(value, bool):
        raise BadRequest(f"{key} must be true or false.")
    return value


def read_number(content: JsonObject, key: str) -> int:
    """A whole number from 0, which it is where it is absent."""
    value = content.get(key, 0)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**32:
        raise BadRequest(f"{key} must be a whole number from 0.")
    return value


def read_bytes(content: JsonObject, key: str) -> bytes:
    """Bytes, which are base64 in proto3 JSON."""
    try:
        return base64.b64decode(read_text(content, key, limit=32 << 20), validate=True)
    except binascii.Error:
        raise BadRequest(f"{key} must be base64.") from None


def read_forced(content: JsonObject) -> bool:
    """Whether a breaking change is accepted; that needs a reason."""
    forced = read_flag(content, "force")
    if forced and not read_text(content, "reason").strip():
        raise BadRequest("force needs a reason, for whoever asks later why it broke.")
    return forced


def read_binding(content: JsonObject) -> Binding | None:
    """`binding`, None where it is absent."""
    value = _object(content, "binding")
    if value is None:
        return None
    kind = read_text(value, "kind") or BindingKind.GRPC
    if kind not in KINDS:
        raise BadRequest(f"binding.kind is {kind}; use grpc, foreign or mailbox.")
    return Binding(kind=KINDS[kind], targets=_texts(value, "targets"), tls=read_tls(value))


def read_tls(content: JsonObject) -> Tls | None:
    """`tls`, None where it is absent: plain text."""
    value = _object(content, "tls")
    if value is None:
        return None
    return Tls(
        ca=read_text(value, "ca"),
        certificate=read_text(value, "certificate"),
        key=read_text(value, "key"),
        server_name=read_text(value, "serverName"),
    )


def write_binding(binding: Binding) -> JsonObject:
    """A binding as `interchange.v1.Binding`."""
    written: dict[str, JsonValue] = {"kind": binding.kind.value, "targets": list(binding.targets)}
    if binding.tls is not None:
        tls = binding.tls
        named = {"ca": tls.ca, "certificate": tls.certificate, "key": tls.key, "serverName": tls.server_name}
        written["tls"] = {name: path for name, path in named.items() if path}
    return written


def _object(content: JsonObject, key: str) -> JsonObject | None:
    value = content.get(key)
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise BadRequest(f"{key} must be an object.")
    return value


def _texts(content: JsonObject, key: str) -> tuple[str, ...]:
    value = content.get(key, ())
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
        raise BadRequest(f"{key} must be a list of strings.")
    return tuple(str(item) for item in value)
