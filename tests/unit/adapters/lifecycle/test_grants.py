"""Grants: what a turn keeps of its starter's authority, read back as it was written, and for nobody else to change."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.lifecycle.conversations import conversation_of
from adapters.lifecycle.grants import DAY, Grant, open_grant, owner_of, read_grant, seal_grant, write_grant
from adapters.lifecycle.rules import OffPeak
from gateway.seal import Seal
from registry.model import (
    Action,
    AgentName,
    BadRequest,
    Chain,
    ConversationId,
    Domain,
    InterchangeError,
    Principal,
    PrincipalKind,
    Target,
    TargetKind,
    TurnId,
)

text = st.text(st.characters(codec="utf-8"), max_size=12)
principals = st.builds(
    Principal, kind=st.sampled_from(PrincipalKind), issuer=text, subject=text, name=text, domain=text.map(Domain)
)


@st.composite
def grants(draw: st.DrawFn) -> Grant:
    links = draw(st.lists(principals, min_size=1, max_size=4))
    return Grant(
        chain=Chain(tuple(links)),
        groups=tuple(draw(st.frozensets(text, max_size=3)) for _ in links),
        scopes=draw(st.frozensets(text, max_size=3)),
        granted_at=draw(st.floats(0, 4e9)),
        action=draw(st.sampled_from([Action.MESSAGE, Action.INVOKE])),
        target=Target(draw(st.sampled_from([TargetKind.AGENT, TargetKind.SKILL])), draw(text)),
        context=draw(text),
        extensions=tuple(draw(st.lists(text, max_size=2))),
        attended=draw(st.booleans()),
        background=draw(st.booleans()),
        root=draw(text.map(TurnId)),
        opening=draw(text),
    )


@given(grants())
def test_a_grant_is_read_back_as_it_was_written(grant: Grant) -> None:
    assert read_grant(write_grant(grant)) == grant


@given(grants())
def test_a_sealed_grant_is_opened_by_its_own_gateway_alone_and_in_its_own_conversation(grant: Grant) -> None:
    here, elsewhere = ConversationId("here"), ConversationId("elsewhere")
    sealed = seal_grant(grant, Seal([bytes(32)]), place=here)
    assert open_grant(sealed, Seal([bytes(32)]), place=here) == grant
    with pytest.raises(InterchangeError):
        open_grant(sealed, Seal([b"1" * 32]), place=here)
    with pytest.raises(InterchangeError):
        open_grant(sealed, Seal([bytes(32)]), place=elsewhere)


@given(st.binary(max_size=80))
def test_what_is_no_grant_is_refused(data: bytes) -> None:
    with pytest.raises(BadRequest):
        read_grant(data)


@given(grants())
def test_a_grant_is_good_for_a_day(grant: Grant) -> None:
    assert grant.is_good(grant.granted_at)
    assert grant.is_good(grant.granted_at + DAY - 1)
    assert not grant.is_good(grant.granted_at + DAY + 1)
    assert not grant.is_good(grant.granted_at - 3600)


@given(st.lists(principals, min_size=1, max_size=3), st.lists(principals, min_size=1, max_size=3))
def test_every_chain_owns_its_own(one: list[Principal], other: list[Principal]) -> None:
    def who(links: list[Principal]) -> list[tuple[str, str, str]]:
        return [(link.kind, link.issuer, link.subject) for link in links]

    same = who(one) == who(other)
    first, second = Chain(tuple(one)), Chain(tuple(other))
    assert (owner_of(first) == owner_of(second)) is same
    name = AgentName("echo")
    assert (conversation_of(first, name, "c") == conversation_of(second, name, "c")) is same


@pytest.mark.parametrize(
    ("begin", "end", "hour", "hours"),
    [(22, 6, 23, 0), (22, 6, 5, 0), (22, 6, 6, 16), (22, 6, 21, 1), (1, 5, 1, 0), (1, 5, 5, 20), (3, 3, 12, 0)],
)
def test_the_off_peak_window_opens_when_it_says(begin: int, end: int, hour: int, hours: int) -> None:
    now = datetime(2026, 11, 22, hour, tzinfo=UTC).timestamp()
    assert OffPeak(begin=begin, end=end).seconds_until(now) == hours * 3600
