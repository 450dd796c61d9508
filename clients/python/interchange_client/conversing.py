"""`interchange.v1.ConversingAgent` over an agent's code: who may call, one attempt at a time, what it says streamed.

Nothing of the agent runs before its gateway has proved itself by an internal token, and the chain that the code is
given is the one that this token is about.
"""

import asyncio
import inspect
import logging
import time
from collections.abc import Iterable, Mapping
from contextlib import aclosing
from typing import Final, NoReturn, Protocol

import grpc
from interchange.v1 import agent_pb2

from interchange_client.errors import GatewayError, TokenRefused
from interchange_client.gateway import BoundGateway, Gateway
from interchange_client.hands import IN_HAND, SUPERSEDED, Hands, InHandError, SupersededError
from interchange_client.speaking import speak
from interchange_client.tokens import InternalTokens, spoken_names
from interchange_client.traces import continued_trace
from interchange_client.turns import Answer, TurnInHand

logger = logging.getLogger(__name__)

SERVICE: Final = agent_pb2.DESCRIPTOR.services_by_name["ConversingAgent"].full_name
UNTOLD_SECONDS: Final = 300.0
"""How long a turn may take where nobody says."""


class Context(Protocol):
    """The part used here of the context that grpc.aio hands to a method."""

    def invocation_metadata(self) -> Iterable[tuple[str, str | bytes]] | None: ...
    def time_remaining(self) -> float | None: ...
    async def write(self, message: agent_pb2.TurnEvent) -> None: ...
    async def abort(self, code: grpc.StatusCode, details: str = "") -> NoReturn: ...


class ConversingAgent:
    """The servicer: add it to a server with `add_ConversingAgentServicer_to_server`, or let `serve` do everything.

    `tokens` verifies who calls; None lets anybody in who reaches the port, which is for tests only.
    """

    def __init__(self, answer: Answer, *, gateway: Gateway, tokens: InternalTokens | None) -> None:
        check_answer(answer)
        self._answer = answer
        self._gateway = gateway
        self._tokens = tokens
        self._hands = Hands()

    async def Converse(self, request: agent_pb2.Turn, context: Context) -> None:  # noqa: N802 - the method's name
        """One attempt at one turn."""
        metadata = _texts(context)
        await self._admit(request, context)
        turn = self._turn_in_hand(request, context, metadata.get("ix-call", ""))
        try:
            delivery = request.delivery_id or request.turn_id
            with self._hands.taking(delivery, number=request.attempt, fence=request.fence), continued_trace(metadata):
                await self._speak(turn, context)
        except InHandError:
            await context.abort(grpc.StatusCode.ALREADY_EXISTS, IN_HAND)
        except SupersededError:
            await context.abort(grpc.StatusCode.ABORTED, SUPERSEDED)

    async def _speak(self, turn: TurnInHand, context: Context) -> None:
        async with aclosing(speak(self._answer, turn)) as events:
            async for event in events:
                await context.write(event)

    async def _admit(self, request: agent_pb2.Turn, context: Context) -> None:
        """Let the RPC end here unless the gateway makes it, for the chain that it names."""
        if not request.chain:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "The turn is nobody's: its chain is empty.")
        if self._tokens is None:
            return
        try:
            _check_chain(request, await self._tokens.verify(_bearer(context)))
        except TokenRefused as refused:
            logger.warning("a call was refused: of its internal token, %s", refused.reason)
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "The internal token is invalid or has expired.")
        except GatewayError as error:
            logger.warning("a call could not be verified: %s", error.message)
            await context.abort(grpc.StatusCode.UNAVAILABLE, "Internal tokens cannot be verified at the moment.")

    def _turn_in_hand(self, request: agent_pb2.Turn, context: Context, call: str) -> TurnInHand:
        ends_at = asyncio.get_running_loop().time() + _seconds_left(request, context)
        gateway = BoundGateway(gateway=self._gateway, turn_token=request.turn_token, ends_at=ends_at)
        return TurnInHand(turn=request, gateway=gateway, call=call)


def check_answer(answer: Answer) -> None:
    """Say no to what cannot answer, before anything is started.

    Raises:
        TypeError: it is another kind of function.
    """
    if inspect.iscoroutinefunction(answer) or inspect.isgeneratorfunction(answer):
        raise TypeError("an agent is an async generator function: `async def`, and `yield` what it says")


def _texts(context: Context) -> Mapping[str, str]:
    """The metadata that is text."""
    return {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}


def _check_chain(request: agent_pb2.Turn, proved: tuple[str, ...]) -> None:
    """Refuse a turn whose chain is not the one that its token is about.

    Raises:
        TokenRefused: so it is.
    """
    if proved != spoken_names(request.chain):
        raise TokenRefused("it is about another chain than the turn")


def _bearer(context: Context) -> str:
    """The one token that a call came with.

    Raises:
        TokenRefused: there is none, or not one.
    """
    found = [value for key, value in context.invocation_metadata() or () if key == "authorization"]
    if len(found) != 1:
        raise TokenRefused("there is none" if not found else "there are several")
    scheme, _, token = str(found[0]).partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise TokenRefused("it is no bearer token")
    return token.strip()


def _seconds_left(request: agent_pb2.Turn, context: Context) -> float:
    """Until the turn must end. gRPC's own deadline counts first: it does not depend on two clocks being alike."""
    remaining = context.time_remaining()
    if remaining is not None:
        return remaining
    if request.HasField("deadline"):
        return request.deadline.ToMicroseconds() / 1e6 - time.time()
    return UNTOLD_SECONDS
