"""Audit entries as JSON: what is kept of a call, and what is not.

No bodies and no tokens: of arguments and results the digest and the size, and the fields a skill declares
policy-visible. Pure: a call and what was decided in, one object out; `policies.audit.lines` numbers and stores it.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, cast

import orjson
from opentelemetry import trace

from policies.decision import Decision
from registry.model import Call, Part, Principal, Result

_LONGEST = 256

Entry = dict[str, Any]


def decision_entry(call: Call, decision: Decision, at: datetime) -> Entry:
    """What is known before a call is made; what is empty is left out."""
    entry: Entry = {
        "kind": "decision",
        "time": at,
        "call": call.id,
        "door": call.door,
        "action": call.action,
        "target": shortened(decision.target or str(call.target)),
        "chain": [_link(principal) for principal in call.chain.links],
        "verdict": decision.verdict,
        "policies": decision.policies,
        "policy_version": decision.policy_version,
        "catalog_version": decision.catalog_version,
        "arguments": digest(_arguments(call)),
    }
    if call.turn:
        entry["turn"] = call.turn
    if decision.pin:
        entry["pin"], entry["revision"] = decision.pin, decision.revision
    if decision.declared:
        entry["declared"] = decision.declared
    if decision.obligations:
        entry["obligations"] = decision.obligations
    if not decision.allowed:
        entry |= _refusal(decision)
    span = trace.get_current_span().get_span_context()
    if span.is_valid:
        entry["trace"], entry["span"] = f"{span.trace_id:032x}", f"{span.span_id:016x}"
    return entry


def _arguments(call: Call) -> object:
    """What stands for the arguments of a call: its content, and of a message that came in parts each part as well."""
    if not call.parts:
        return call.content
    return {"content": call.content, "parts": [_stated(part) for part in call.parts]}


def _stated(part: Part) -> Entry:
    """All that a part says; of bytes their digest."""
    return {
        "text": part.text,
        "raw": None if part.raw is None else _sha256(part.raw),
        "url": part.url,
        "data": part.data,
        "media_type": part.media_type,
        "filename": part.filename,
        "metadata": part.metadata,
    }


def _refusal(decision: Decision) -> Entry:
    """Why a call may not be made. Of faults only the paths: the sentences may quote what was sent."""
    entry: Entry = {
        "errors": [shortened(error) for error in decision.errors],
        "remedies": decision.remedies,
        "scopes": decision.scopes,
        "faults": [shortened(fault.path) for fault in decision.faults],
    }
    return {name: value for name, value in entry.items() if value}


def outcome_entry(call: Call, code: str, at: datetime, *, seconds: float, result: Result | None) -> Entry:
    """What came of a call: `ok`, `cancelled`, or the code of the error it ended with."""
    entry: Entry = {
        "kind": "outcome",
        "time": at,
        "call": call.id,
        "outcome": code,
        "latency_ms": round(seconds * 1000, 3),
    }
    if result is not None:
        content = _content(result)
        entry |= {"is_error": result.is_error, "size": len(content), "result": _sha256(content)}
        if result.turn:
            entry["turn"] = result.turn
    return entry


def shortened(text: str) -> str:
    """Text that a client chose, at a length that fills no disk."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… ({len(text)} characters)"


def digest(value: object) -> str:
    """`sha256:` of the canonical JSON (sorted keys, compact, UTF-8)."""
    return _sha256(as_json(value, orjson.OPT_SORT_KEYS))


def as_json(value: object, option: int = 0) -> bytes:
    """JSON of anything that can come here; what orjson refuses (large integers, lone surrogates) is still kept."""
    try:
        return orjson.dumps(value, default=_plain, option=option | orjson.OPT_UTC_Z)
    except TypeError:
        text = json.dumps(value, default=_plain_or_text, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return text.encode(errors="replace")


def _sha256(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(cast("Mapping[str, object]", value))
    if isinstance(value, (Sequence, frozenset, set)) and not isinstance(value, (str, bytes)):
        return list(cast("Sequence[object]", value))
    raise TypeError(f"{type(value).__name__} is not JSON")


def _plain_or_text(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    try:
        return _plain(value)
    except TypeError:
        return repr(value)


def _content(result: Result) -> bytes:
    """What stands for a result: its text where there is one, which is the structured content written once."""
    if result.parts or result.artifacts:
        made = [part for artifact in result.artifacts for part in artifact.parts]
        return b"\0".join(part.raw or as_json([part.text, part.url, part.data]) for part in (*result.parts, *made))
    return result.text.encode(errors="surrogatepass") if result.text else as_json(result.structured)


def _link(principal: Principal) -> Entry:
    return {
        "kind": principal.kind,
        "name": principal.name,
        "issuer": principal.issuer,
        "subject": principal.subject,
        "domain": principal.domain,
    }
