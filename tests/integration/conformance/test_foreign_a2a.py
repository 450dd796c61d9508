"""A server that is made of a2a-sdk's parts alone: what the examiner says of it was checked by hand.

Each verdict that is not "held" has its reason here; a new one, or one that is gone, is looked into before it is
written down.
"""

import logging

import pytest

from conformance.a2a.checks import PAPER
from conformance.runner import examine
from conformance.subject import Told
from conformance.verdict import Broke, Held, NotOffered, word
from conformance.wire import Wires
from tests.support.a2a_sample import sample_server
from tests.support.web import bound, serving

BROKEN = {
    # create_agent_card_routes sends Cache-Control only where it is told a value, and the sample tells none.
    "a2a.card.cache-control",
    # validate_version compares the major number alone: 1.97 is served.
    "a2a.version.minor",
    # The default context takes the version from the header and never looks at the URL, so that it is 0.3.
    "a2a.version.query",
    # Input modes are looked at only with validate_input_modes=True, and the default is False.
    "a2a.message.media-type",
    # Errors over REST are written by another JSONResponse than results, as application/json.
    "a2a.rest.content-type",
}
NOT_OFFERED_EVER = {
    # The sample is on loopback, signs nothing and asks nobody for credentials.
    "a2a.card.interfaces-encrypted",
    "a2a.card.security-schemes",
    "a2a.card.security-requirements",
    "a2a.signature.format",
    "a2a.signature.header",
    "a2a.signature.typ",
    "a2a.signature.key-published",
    "a2a.signature.key-public",
    "a2a.signature.verifies",
    "a2a.auth.required",
    "a2a.auth.invalid",
    "a2a.auth.status",
    "a2a.auth.challenge",
    # It streams, and has neither an extended card nor extensions.
    "a2a.stream.not-declared",
    "a2a.extended-card.served",
    "a2a.extended-card.authenticated",
    "a2a.extension.required",
    "a2a.extension.uri",
}
NOT_OFFERED_WITHOUT_TASKS = {
    name for name in PAPER.checks if name.startswith("a2a.task.") and not name.endswith("-unknown")
} | {
    "a2a.list.last-page",
    "a2a.list.order",
    "a2a.list.no-artifacts",
    "a2a.stream.same-task",
    "a2a.stream.updates",
    "a2a.stream.append",
}
NOT_OFFERED_WITHOUT_MESSAGES = {"a2a.message.role", "a2a.message.context"}


@pytest.mark.parametrize(
    ("message", "beside"),
    [("hello", NOT_OFFERED_WITHOUT_TASKS), ("stream these words", NOT_OFFERED_WITHOUT_MESSAGES)],
)
async def test_the_verdicts_on_a_foreign_server_are_those_found_by_hand(message: str, beside: set[str]) -> None:
    logging.getLogger("a2a").setLevel(logging.CRITICAL)
    with bound() as (door, url), serving(sample_server(url), door):
        wires = Wires(token=None, seconds=20)
        findings = [one async for one in examine(PAPER, Told(url=url, message=message), wires=wires, seconds=20)]

    found = {
        kind: {one.requirement.id for one in findings if isinstance(one.outcome, kind)} for kind in (Broke, NotOffered)
    }
    assert found[Broke] == BROKEN
    assert found[NotOffered] == NOT_OFFERED_EVER | beside
    assert {word(one.outcome) for one in findings} == {"held", "broke", "not offered"}
    assert sum(isinstance(one.outcome, Held) for one in findings) == len(PAPER.checks) - len(
        BROKEN | NOT_OFFERED_EVER | beside
    )
