"""Limits per principal: what counts, for whom, and that it is given back."""

from contextlib import ExitStack

import pytest

from gateway.limits import PrincipalLimits
from registry.model import Overloaded, Principal, PrincipalKind


def person(subject: str, issuer: str = "https://idp") -> Principal:
    return Principal(kind=PrincipalKind.PERSON, issuer=issuer, subject=subject, name=subject)


def test_one_more_than_the_limit_is_refused_and_the_others_are_not_harmed() -> None:
    limits = PrincipalLimits(calls=2)
    with limits.call(person("ada")), limits.call(person("ada")):
        with pytest.raises(Overloaded, match="2 calls in hand"), limits.call(person("ada")):
            pass
        with limits.call(person("bob")), limits.call(person("ada", issuer="https://other")):
            pass


def test_a_call_that_fails_is_given_back() -> None:
    limits = PrincipalLimits(calls=1)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), limits.call(person("ada")):
            raise ZeroDivisionError


def test_calls_and_subscriptions_are_counted_apart() -> None:
    limits = PrincipalLimits(calls=1, subscriptions=2)
    with ExitStack() as open_ones:
        for _ in range(2):
            open_ones.enter_context(limits.subscription(person("ada")))
        with limits.call(person("ada")):
            pass
        with pytest.raises(Overloaded, match="open subscriptions"):
            open_ones.enter_context(limits.subscription(person("ada")))
    with limits.subscription(person("ada")):
        pass


def test_the_same_subject_of_another_kind_is_somebody_else() -> None:
    limits = PrincipalLimits(calls=1)
    agent = Principal(kind=PrincipalKind.AGENT, issuer="https://idp", subject="ada", name="ada")
    with limits.call(person("ada")), limits.call(agent):
        pass
