"""An agent as a process: it attaches to its gateway, or listens to be called; it publishes itself, answers turns, and
drains when told to stop.
"""

import asyncio
import contextlib
import random
import signal
import socket
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator, Iterable, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Final, Protocol, TypeVar, Unpack, cast

import grpc
import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from interchange.v1 import registry_pb2
from interchange.v1.agent_pb2_grpc import add_ConversingAgentServicer_to_server

from interchange_client.attaching import Work
from interchange_client.conversing import SERVICE, ConversingAgent, check_answer
from interchange_client.credentials import AgentCredentials
from interchange_client.errors import GatewayError
from interchange_client.gateway import HttpGateway
from interchange_client.mailbox import SEATS, Entrance, Mailbox
from interchange_client.manifest import About, check_name, write_manifest
from interchange_client.presence import Changes, Place, Presence, takes_connections
from interchange_client.publish import publish, registry_mark
from interchange_client.servicing import Skills
from interchange_client.tokens import InternalTokens
from interchange_client.turns import Answer
from interchange_client.wire import base_url

GRACE: Final = 10.0
"""Seconds that turns in hand have to finish once the process is told to stop."""

PAUSES: Final = (0.2, 10.0)
"""Seconds before the second attempt to publish, and at most before any."""

TURN: Final = 16 << 20
"""Bytes of a turn, with its history."""

NO_SKILLS: Final[Skills] = MappingProxyType({})

_OPTIONS = (("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", TURN))
_NOT_OURS: Final = "cannot listen on {}: it is taken or not this machine's"
_ANYWHERE: Final = frozenset({"", "0.0.0.0", "[::]"})  # noqa: S104 - nobody can call an agent there

Pause = Callable[[float], Awaitable[object]]
Published = TypeVar("Published")


async def serve(
    answer: Answer | None,
    *,
    gateway: str | Sequence[str],
    listen: str | None = None,
    advertise: str = "",
    seats: int = SEATS,
    skills: Skills = NO_SKILLS,
    manifest: str = "",
    credentials: AgentCredentials | None = None,
    certificate: grpc.ServerCredentials | None = None,
    tls: registry_pb2.Tls | None = None,
    door: str = "",
    ca: Path | None = None,
    grace: float = GRACE,
    **about: Unpack[About],
) -> None:
    """Serve an agent until SIGTERM or SIGINT (or until cancelled), and have its gateway know it.

        asyncio.run(serve(answer, name="greeter", domain="hiring", gateway="http://127.0.0.1:8420"))

    Without an address the process attaches to the gateway, which brings it turns; nobody has to reach it. It prints
    `attached NAME` once they can come. With `listen` the gateway calls it: it prints `listening HOST:PORT` once it can
    be called, and `published NAME` once the gateway sends it turns. While the gateway is not up yet it waits, and says
    so on standard error, as it does when the gateway sends turns elsewhere (see `presence`). What is `about` the agent
    is in `manifest.About`.

    gateway      the gateway's URL, as it calls itself; without an address also several, of gateways that share the work
    listen       `host:port`; port 0 takes a free one
    advertise    where the gateway reaches this process, `host` or `host:port`, if that is not where it listens
    seats        without an address: turns, and calls of skills, that it has in hand at a time
    skills       without an address: methods that answer calls of its skills (`mailbox_skills`); `answer` may be None
    manifest     what the build plugin wrote, for an agent with skills, instead of what is `about` it
    credentials  the agent's own; else from INTERCHANGE_CLIENT_ID and INTERCHANGE_CLIENT_SECRET
    certificate  to be called by TLS; `tls` then says how the gateway is to do that
    door, ca     where the gateway's gRPC door is and whose certificate it has, if it does not say so itself
    grace        seconds that turns in hand have to finish; without an address the rest is then handed back

    Where nobody catches them, these end the process with their sentence alone.

    Raises:
        PublishRefused: the gateway does not take the agent, and waiting will not change that.
        GatewayError: the issuer refuses the credential, or the URL is not a gateway's.
        ValueError: a name, an address or a URL is none, there is no credential, or options do not go together.
        OSError: the address is taken.
    """
    with _in_one_line():
        check_name(about["name"])
        urls = [gateway] if isinstance(gateway, str) else list(gateway)
        if listen is None:
            _check_work(answer, seats=seats, skills=skills, manifest=manifest, urls=urls, door=door)
            known = credentials or AgentCredentials.from_environment(urls[0])
            entrances = [Entrance(url=base_url(url), door=door, ca=ca) for url in urls]
            async with HttpGateway(known, door=door, ca=ca, urls=urls) as outward:
                work = Work(name=about["name"], answer=answer, skills=skills, gateway=outward, seats=seats)
                told = manifest or write_manifest(about)
                await _attach(Mailbox(told, work, credentials=known, entrances=entrances), grace=grace)
            return
        place = _Listening(
            listen=listen,
            host=_callable_host(listen, advertise),
            advertise=advertise,
            certificate=certificate,
        )
        if answer is None or skills or len(urls) != 1:
            raise ValueError(
                "an agent with an address has an answer, one gateway, and its skills on a server of its own"
            )
        known = credentials or AgentCredentials.from_environment(urls[0])
        tokens = InternalTokens(known.gateway_url, f"grpc://{about['name']}")
        async with HttpGateway(known, door=door, ca=ca) as outward:
            agent = ConversingAgent(answer, gateway=outward, tokens=tokens)
            put = partial(publish, manifest or write_manifest(about), credentials=known, tls=tls, door=door, ca=ca)
            await _listen(agent, place, name=about["name"], gateway=known.gateway_url, put=put, grace=grace)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Listening:
    """An address to be called at, and how."""

    listen: str
    host: str
    advertise: str
    certificate: grpc.ServerCredentials | None


async def _listen(
    agent: ConversingAgent,
    place: _Listening,
    *,
    name: str,
    gateway: str,
    put: Callable[..., Awaitable[Changes]],
    grace: float,
) -> None:
    """Be called, and keep the gateway calling, until told to stop."""
    with _stop_signal() as stopped:
        async with _listening(agent, place.listen, certificate=place.certificate, grace=grace) as port:
            _say(f"listening {place.host}:{port}")
            take = partial(put, target=_target(place.advertise or place.host, port))
            kept = Place(
                name=name,
                mark=partial(registry_mark, gateway),
                join=partial(take, if_vacant=True),
                take=take,
                answers=takes_connections,
            )

            async def be_known() -> None:
                await _publish(take, gateway)
                _say(f"published {name}")
                await Presence(kept).keep()

            await _unless(stopped, be_known())


async def _attach(mailbox: Mailbox, *, grace: float) -> None:
    """Stay attached until told to stop; then finish what is in hand, and go."""
    with _stop_signal() as stopped:
        try:
            await _unless(stopped, mailbox.keep(_publish))
        finally:
            await mailbox.leave(grace)


async def _publish(attempt: Callable[[], Awaitable[Changes]], gateway: str) -> None:
    """Publish once the gateway is there, and say what is not in force yet."""
    _warn_of(await publish_when_possible(attempt, gateway=gateway))


def _check_work(
    answer: Answer | None, *, seats: int, skills: Skills, manifest: str, urls: Sequence[str], door: str
) -> None:
    """Say no to what cannot be attached.

    Raises:
        ValueError: so it is.
        TypeError: the answer is another kind of function.
    """
    if answer is not None:
        check_answer(answer)
    elif not skills:
        raise ValueError("an agent answers turns, or has skills, or both")
    if skills and not manifest:
        raise ValueError("an agent with skills is published by what the build plugin wrote: give it as manifest=")
    if seats < 1:
        raise ValueError(f"{seats} seats are too few to do anything")
    if not urls or (door and len(urls) > 1):
        raise ValueError("name at least one gateway, and a door= only where there is one")


async def publish_when_possible(
    attempt: Callable[[], Awaitable[Published]], *, gateway: str, pause: Pause = asyncio.sleep
) -> Published:
    """Try until the gateway answers, ever more slowly, and say once that it is being waited for.

    Raises:
        GatewayError: it answered no, and would again.
    """
    seconds, most = PAUSES
    waiting = False
    while True:
        try:
            return await attempt()
        except GatewayError as error:
            if not error.retryable:
                raise
            if not waiting:
                sys.stderr.write(f"waiting for the gateway at {gateway}: {error.message}\n")
                waiting = True
        await pause(seconds * random.uniform(0.8, 1.2))  # noqa: S311 - so that not all agents come at once
        seconds = min(seconds * 2, most)


@contextmanager
def _in_one_line() -> Generator[None]:
    """Have the errors that say what their reader did wrong print as that, should nobody catch them."""
    try:
        yield
    except (GatewayError, ValueError, OSError) as error:
        sys.excepthook = partial(_print_briefly, error, sys.excepthook)
        raise


def _print_briefly(
    known: BaseException,
    otherwise: Callable[[type[BaseException], BaseException, TracebackType | None], object],
    kind: type[BaseException],
    error: BaseException,
    trace: TracebackType | None,
) -> None:
    """A hook for errors that nobody catches: of the known one, its sentence; of all others, what was before."""
    if error is known:
        sys.stderr.write(f"interchange_client: {error}\n")
    else:
        otherwise(kind, error, trace)


@asynccontextmanager
async def _listening(
    agent: ConversingAgent, listen: str, *, certificate: grpc.ServerCredentials | None, grace: float
) -> AsyncGenerator[int]:
    """A server that answers turns and health checks, on the port it yields; leaving drains it.

    Raises:
        OSError: the address is taken or not this machine's.
    """
    _check_free(listen)
    server = cast("Any", grpc.aio).server(options=_OPTIONS)
    add_ConversingAgentServicer_to_server(cast("Any", agent), server)
    checks = _health(server)
    try:
        port = server.add_secure_port(listen, certificate) if certificate else server.add_insecure_port(listen)
    except RuntimeError:
        raise OSError(_NOT_OURS.format(listen)) from None
    await server.start()
    for name in ("", SERVICE):
        await checks.set(name, health_pb2.HealthCheckResponse.SERVING)
    try:
        yield port
    finally:
        await checks.enter_graceful_shutdown()
        await server.stop(grace)


def _check_free(listen: str) -> None:
    """Bind to an address and let go of it: gRPC would complain in words of its own before ours.

    Raises:
        OSError: it is taken or not this machine's.
    """
    host, _, port = listen.rpartition(":")
    if host in _ANYWHERE:
        return
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as door:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            door.bind((host.strip("[]"), int(port)))
        except (OSError, OverflowError):
            raise OSError(_NOT_OURS.format(listen)) from None


class _Health(Protocol):
    """The part used here of `grpc_health.v1.health.aio.HealthServicer`, which its stubs leave out."""

    async def set(self, service: str, status: health_pb2.HealthCheckResponse.ServingStatus) -> None: ...

    async def enter_graceful_shutdown(self) -> None: ...


def _health(server: Any) -> _Health:
    servicer = cast("Any", health).aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    return cast("_Health", servicer)


@contextmanager
def _stop_signal() -> Generator[asyncio.Event]:
    """An event that SIGTERM and SIGINT set; where signals cannot be listened to, only cancelling stops."""
    loop, stopped, heard = asyncio.get_running_loop(), asyncio.Event(), list[signal.Signals]()
    with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):  # Windows, or not the main thread
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopped.set)
            heard.append(number)
    try:
        yield stopped
    finally:
        for number in heard:
            loop.remove_signal_handler(number)


async def _unless(stopped: asyncio.Event, work: Coroutine[Any, Any, None]) -> None:
    """Do the work until it ends or is stopped."""
    working, stopping = asyncio.ensure_future(work), asyncio.ensure_future(stopped.wait())
    try:
        await asyncio.wait((working, stopping), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
    finally:
        working.cancel()
        stopping.cancel()


def _callable_host(listen: str, advertise: str) -> str:
    """The host that is listened on, which somebody can call, or which is advertised otherwise."""
    host = _host(listen)
    if not advertise and host in _ANYWHERE:
        raise ValueError(f"nobody can call {listen}: say with advertise= where the gateway reaches this agent")
    return host


def _host(listen: str) -> str:
    host, colon, port = listen.rpartition(":")
    if not colon or not port.isdecimal():
        raise ValueError(f"{listen!r} is not host:port, such as 127.0.0.1:0")
    return host


def _target(place: str, port: int) -> str:
    """`host:port` of a place that may lack the port; IPv6 addresses stand in brackets."""
    return place if place.rpartition(":")[2].isdecimal() and not place.endswith("]") else f"{place}:{port}"


def _warn_of(changes: Iterable[registry_pb2.Change]) -> None:
    """Say which changes are not in force yet."""
    for change in changes:
        if change.outcome == "waiting":
            why = "; ".join(change.differences) or "it is new"
            sys.stderr.write(
                f"{change.name} waits for somebody's approval ({why}); until then the gateway goes by what was approved"
                f" before: interchange registry approve {change.name}\n"
            )


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
