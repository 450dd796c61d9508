"""The runner: the checks of a paper one by one, each with a wire and a deadline of its own.

A check that crashes, is cut off by the deadline or finds no server says nothing about the requirement: that is
`Unexamined`, never held.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from dataclasses import dataclass, replace
from typing import TypeVar

import httpx

from conformance.requirement import Requirement, load_requirements
from conformance.subject import Paper, S, Told
from conformance.verdict import CannotExamine, Inapplicable, NotOffered, Outcome, Unexamined, Verdict
from conformance.wire import Exchange, Wire, Wires

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What came out for one requirement, and the exchanges that show it."""

    requirement: Requirement
    outcome: Outcome
    exchanges: tuple[Exchange, ...] = ()


async def examine(
    paper: Paper[S], told: Told, *, wires: Wires, seconds: float, only: Collection[str] = ()
) -> AsyncIterator[Finding]:
    """Survey a server, then yield a finding for each requirement of the paper, or for those in `only`.

    `seconds` is the deadline of each check, and of the survey.
    """
    requirements = [one for one in load_requirements(paper.protocol) if not only or one.id in only]
    if not requirements:
        return
    subject, exchanges = await _attempt(lambda wire: paper.survey(told, wire), wires=wires, seconds=seconds)
    for requirement in requirements:
        if isinstance(subject, Unexamined):
            why = Unexamined(f"The survey before the checks failed. {subject.why}")
            yield Finding(requirement=requirement, outcome=why, exchanges=exchanges)
        else:
            yield await _judge(paper, requirement, subject, wires=wires, seconds=seconds)


async def _judge(paper: Paper[S], requirement: Requirement, subject: S, *, wires: Wires, seconds: float) -> Finding:
    async def check(wire: Wire) -> Verdict:
        try:
            return await paper.checks[requirement.id](replace(subject, wire=wire))
        except Inapplicable as error:
            return NotOffered(str(error))

    outcome, exchanges = await _attempt(check, wires=wires, seconds=seconds)
    return Finding(requirement=requirement, outcome=outcome, exchanges=exchanges)


async def _attempt(
    work: Callable[[Wire], Awaitable[T]], *, wires: Wires, seconds: float
) -> tuple[T | Unexamined, tuple[Exchange, ...]]:
    """What came of some work with a wire of its own, or why it came to nothing; and what was said on the wire."""
    async with wires.open() as wire:
        try:
            async with asyncio.timeout(seconds):
                return await work(wire), wire.exchanges
        except CannotExamine as error:
            why = str(error)
        except TimeoutError:
            why = f"It was not answered within {seconds:g} s."
        except httpx.TimeoutException as error:
            why = f"The server did not answer in time ({type(error).__name__})."
        except (httpx.RequestError, httpx.InvalidURL) as error:
            why = f"No exchange came about: {error or type(error).__name__}"
        except Exception as error:  # a crash of one check must not end the examination
            why = f"The check crashed, which is a mistake of the examiner: {type(error).__name__}: {error}"
        return Unexamined(why), wire.exchanges
