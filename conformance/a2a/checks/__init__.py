"""The checks of A2A, one for each of its requirements, and the paper they make."""

from collections.abc import Mapping

from conformance.a2a.answers import NothingToExamine
from conformance.a2a.checks import (
    authentication,
    bindings,
    capability,
    card,
    jsonrpc,
    listing,
    message,
    rest,
    signature,
    stream,
    task,
    version,
)
from conformance.a2a.survey import A2aSubject, survey
from conformance.subject import Check, Paper
from conformance.verdict import CannotExamine, NotOffered, Verdict

_FIRST = "a2a.card.served"
_FEATURES = (
    card,
    signature,
    version,
    message,
    task,
    listing,
    stream,
    capability,
    jsonrpc,
    rest,
    bindings,
    authentication,
)


def _of_an_agent(check: Check[A2aSubject]) -> Check[A2aSubject]:
    """A check that needs a card to begin with."""

    async def checked(subject: A2aSubject) -> Verdict:
        if not subject.card_was_served and not subject.told.agents:
            return NotOffered(f"There is no agent's card at {subject.card_url}.")
        if not subject.card:
            raise CannotExamine(f"There is no card to go by at {subject.card_url}.")
        try:
            return await check(subject)
        except NothingToExamine as error:
            return NotOffered(str(error))

    return checked


def _checks() -> Mapping[str, Check[A2aSubject]]:
    all_of_them = {name: check for feature in _FEATURES for name, check in feature.CHECKS.items()}
    return {name: check if name == _FIRST else _of_an_agent(check) for name, check in all_of_them.items()}


PAPER = Paper(protocol="a2a", survey=survey, checks=_checks())
