"""Who calls over gRPC: one bearer token, at most one turn token, and nothing else that begins with ix-."""

from typing import Any, cast

import pytest

from gateway.platform.callers import Callers
from gateway.platform.rpc import Context
from policies.identity.tokens import Verified
from registry.model import (
    AgentName,
    BadRequest,
    InterchangeError,
    Principal,
    PrincipalKind,
    TurnId,
    Unauthenticated,
)

ISSUER = "https://issuer.test"
ADA = Principal(kind=PrincipalKind.PERSON, issuer=ISSUER, subject="ada", name="ada")
BEARER = ("authorization", "Bearer assistant")
TURN = ("ix-turn-token", "of-ada")


class Metadata:
    """All of a context that is looked at."""

    def __init__(self, *pairs: tuple[str, str | bytes]) -> None:
        self._pairs = pairs

    def invocation_metadata(self) -> tuple[tuple[str, str | bytes], ...] | None:
        return self._pairs or None


async def verify(token: str) -> Verified:
    who = Principal(kind=PrincipalKind.AGENT, issuer=ISSUER, subject=token, name=AgentName(token))
    return Verified(principal=who, scopes=frozenset(), groups=frozenset(), client_id=token, expires_at=0.0)


async def acting(token: str, bearer: Verified) -> Verified:
    if token != "of-ada":
        raise Unauthenticated("The turn token is invalid or has expired.")
    return Verified(
        principal=bearer.principal,
        scopes=bearer.scopes,
        groups=bearer.groups,
        client_id=bearer.client_id,
        expires_at=bearer.expires_at,
        behind=(ADA,),
        groups_behind=(frozenset({"recruiters"}),),
        turn=TurnId("t-1"),
    )


async def known(*pairs: tuple[str, str | bytes]) -> Verified:
    context = cast("Context", cast("Any", Metadata(*pairs)))
    return await Callers(verify=verify, acting=acting).verified_of(context)


async def test_a_bearer_alone_calls_for_itself() -> None:
    assert [link.name for link in (await known(BEARER, ("user-agent", "x"))).chain] == ["assistant"]


async def test_with_the_token_of_its_turn_an_agent_calls_for_others() -> None:
    found = await known(TURN, BEARER)
    assert [link.name for link in found.chain] == ["ada", "assistant"]
    assert (found.turn, found.groups_behind) == ("t-1", (frozenset({"recruiters"}),))


async def test_metadata_in_bytes_is_read_alike() -> None:
    assert (await known(("authorization", b"Bearer assistant"), ("ix-turn-token", b"of-ada"))).behind == (ADA,)


@pytest.mark.parametrize(
    ("pairs", "error"),
    [
        ((), Unauthenticated),
        ((BEARER, BEARER), Unauthenticated),
        ((("authorization", "Basic x"),), Unauthenticated),
        ((("authorization", "Bearer "),), Unauthenticated),
        ((TURN,), Unauthenticated),
        ((BEARER, ("ix-turn-token", "forged")), Unauthenticated),
        ((BEARER, TURN, TURN), BadRequest),
        ((BEARER, TURN, ("ix-turn-token", "other")), BadRequest),
        ((BEARER, ("ix-turn-token", "")), BadRequest),
        ((BEARER, ("ix-turn-token-bin", "x")), BadRequest),
        ((BEARER, ("ix-principal", "ada")), BadRequest),
        ((BEARER, TURN, ("ix-chain", "x")), BadRequest),
    ],
)
async def test_whatever_else_is_refused(pairs: tuple[tuple[str, str], ...], error: type[InterchangeError]) -> None:
    with pytest.raises(error):
        await known(*pairs)


async def test_where_nobody_acts_for_anybody_a_turn_token_is_refused() -> None:
    context = cast("Context", cast("Any", Metadata(BEARER, TURN)))
    with pytest.raises(Unauthenticated, match="not taken here"):
        await Callers(verify=verify).verified_of(context)
