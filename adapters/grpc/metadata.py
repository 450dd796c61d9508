"""What the far side is told beside the message: who asks, which call this is, and the trace it belongs to.

    authorization          Bearer <internal token>; its audience is `grpc://<agent name>`, whatever the target
    ix-call                the call's id, the same in the audit log
    ix-delivery            what to deduplicate by: the same in every attempt (of a skill the call's id, else the turn's)
    ix-attempt             1, 2, …
    ix-fence               0 where no log is involved
    traceparent, …         as the configured propagators write them
    ix-answers-bin         JSON: the client's answers to an earlier round's input requests, by key
    ix-request-state-bin   the `request_state` that came with those requests

A service that is not ours (a binding of kind `foreign`) is told none of this: it has no use for our token, and may
take one it does not know for a reason to refuse.

Internal tokens on plain-text channels are by design: those are for loopback and meshes that encrypt.
"""

from typing import Final

import orjson
from grpc.aio import Metadata
from opentelemetry import propagate
from opentelemetry.context import Context

from registry.model import AgentName, Call, ClientOffer, TooLarge

Entries = list[tuple[str, str | bytes]]

TRACE_ENTRY: Final = 1_024
"""Longest trace entry passed on, in characters; clients choose some of them (baggage)."""


def audience(agent: AgentName) -> str:
    """Whom an internal token for this agent is for."""
    return f"grpc://{agent}"


def write_entries(call: Call, *, delivery: str, token: str, context: Context | None, limit: int) -> Entries:
    """Everything that is the same in every attempt.

    Raises:
        TooLarge: the client's answers and their state are over `limit` bytes.
    """
    entries: Entries = [("authorization", f"Bearer {token}"), ("ix-call", call.id), ("ix-delivery", delivery)]
    entries += write_trace(context).items()
    if call.offer.answers or call.offer.request_state:
        entries += _answers(call.offer, limit)
    return entries


def write_trace(context: Context | None) -> dict[str, str]:
    """The trace that a call belongs to, as the configured propagators write it."""
    carrier: dict[str, str] = {}
    propagate.inject(carrier, context)
    return {key.lower(): value for key, value in carrier.items() if _fits(value)}


def write_metadata(entries: Entries, *, attempt: int, fence: int = 0) -> Metadata:
    """The metadata of one attempt; nothing where there is nothing to tell."""
    if not entries:
        return Metadata()
    return Metadata(*entries, ("ix-attempt", str(attempt)), ("ix-fence", str(fence)))


def _answers(offer: ClientOffer, limit: int) -> Entries:
    answers = orjson.dumps(offer.answers)
    size = len(answers) + len(offer.request_state)
    if size > limit:
        raise TooLarge(f"The answers and their state are {size} bytes; a service can be sent {limit}.")
    return [("ix-answers-bin", answers), ("ix-request-state-bin", offer.request_state)]


def _fits(value: str) -> bool:
    return len(value) <= TRACE_ENTRY and value.isascii() and value.isprintable()
