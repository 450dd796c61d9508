"""The only place where parts are put together. It reads like a table of contents; nothing here decides anything.

`open_gateway` gives the whole gateway without sockets: `gateway.serving` opens its doors, `gateway.offline` uses its
corridor alone.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from importlib.metadata import version

from starlette.types import ASGIApp

from adapters.grpc.adapter import GrpcAdapter
from adapters.grpc.channels import Channels
from adapters.grpc.converse import GrpcConverser
from adapters.grpc.limits import Limits as GrpcLimits
from adapters.langgraph.host import House, hosting
from adapters.lifecycle.attempts import Deliver
from adapters.lifecycle.service import Lifecycle
from adapters.mailbox.adapter import MailboxAdapter
from adapters.mailbox.attachments import Attachments
from adapters.mailbox.converse import MailboxConverser
from adapters.messaging.opening import OpenLog
from adapters.push.outbox import Words
from adapters.turn_events import TurnLimits
from gateway.a2a.card_desk import CardDesk
from gateway.a2a.card_security import TokenIssuer, provider_at, read_issuer
from gateway.a2a.cards import Offer
from gateway.a2a.face import A2aFace
from gateway.a2a.pushes import TurnPushes
from gateway.a2a.signing import CardSigner
from gateway.config import Config
from gateway.conversation_desk import ConversationDesk
from gateway.corridor import Corridor, FarSide
from gateway.elsewhere import ElsewhereInTheLog
from gateway.facts import FactFinder
from gateway.far_sides import Agents, CatalogDesk, Skills
from gateway.limits import PrincipalLimits
from gateway.live import Live
from gateway.mcp.face import McpFace
from gateway.mcp.subscriptions import Subscriptions
from gateway.messages.room import MessageRoom, OpenRoom, log_url, served_log
from gateway.metadata import RegistryMark, key_set
from gateway.platform.server import Agents as AgentsDoor
from gateway.platform.work import Workplace
from gateway.principal import Acting
from gateway.publishing import Grounds, Judges, Publishing, Reloading
from gateway.pushing import open_push, signing
from gateway.seal import open_seal
from gateway.sight import Sight
from gateway.state import secret
from gateway.telemetry.setup import telemetry
from gateway.turn_desk import TurnDesk, WebhooksBeside, answering, finding
from gateway.turn_room import find_work, lifecycle_rules, own_name, reach
from gateway.turns import TurnsInHand
from gateway.web import web_application
from policies.audit.lines import LineLog
from policies.identity.dev_issuer.issuer import DevIssuer
from policies.identity.directory import Directory, load_directory
from policies.identity.fetch import Fetcher
from policies.identity.internal import InternalIssuer
from policies.identity.keys import SigningKey, load_signing_key
from policies.identity.keysets import RemoteKeys
from policies.identity.tokens import InboundIssuer, TokenVerifier, Verified
from policies.identity.turn_tokens import TurnTokens
from policies.identity.urls import is_loopback, origin
from policies.load import load_policies
from registry.catalog import Catalog
from registry.model import (
    AgentName,
    BadRequest,
    BindingKind,
    Call,
    Domain,
    Emit,
    Principal,
    PrincipalKind,
    Result,
    TargetKind,
    nowhere,
)
from registry.operations import Registrar
from registry.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """An open gateway: its one way in for calls, its HTTP application, and what its doors need."""

    corridor: Corridor
    asgi: ASGIApp
    verify: Callable[[str], Awaitable[Verified]]
    issuer: str
    dev_issuer: DevIssuer | None
    drain: Callable[[float], None]
    acting: Acting
    agents: AgentsDoor
    reload: Callable[[], Awaitable[None]]
    workplace: Workplace


@asynccontextmanager
async def open_gateway(config: Config, *, log: OpenRoom = served_log) -> AsyncGenerator[Gateway]:
    """Put the parts together and keep them open. `config.public_url` must be set and the state folder held. `log` says
    how much of the conversation log is wanted.

    Raises:
        InterchangeError: the configuration, the directory, a policy or the state is not right; nothing was opened.
    """
    async with AsyncExitStack() as opened:
        book = _open_book(config, opened)
        messages = await opened.enter_async_context(log(config))
        identity = _open_identity(config, book, messages, opened)
        ground = _Ground(config=config, book=book, identity=identity, messages=messages, opened=opened)

        async def deliver(call: Call, emit: Emit) -> Result:
            return await corridor.handle(call, emit)

        turns = await _open_turns(ground, messages.opened, deliver) if messages.opened else None
        corridor = await _open_corridor(ground, turns)
        if turns is not None:
            ground.attachments.when_changed(turns.lifecycle.look)
            await opened.enter_async_context(turns.lifecycle.running())
        sight = Sight(live=book.live, environment=config.environment)
        mcp = _mcp_face(config, book, identity, corridor, sight)
        await opened.enter_async_context(mcp.run())
        a2a = _a2a_face(config, book, identity, corridor, sight)

        def drain(seconds: float) -> None:
            if turns is not None:
                turns.lifecycle.drain(seconds)
            ground.attachments.drain("The gateway stops.")
            mcp.drain()
            corridor.drain(seconds)

        yield Gateway(
            corridor=corridor,
            asgi=web_application(
                config,
                mcp=mcp,
                a2a=a2a,
                verifier=identity.verifier,
                turns=identity.turns,
                keys=key_set(identity.key.public(), identity.card_key.public()),
                mark=RegistryMark(lambda: book.live.current().catalog),
                dev_issuer=identity.dev_issuer,
            ),
            verify=identity.verifier.verify,
            issuer=identity.inbound.issuer,
            dev_issuer=identity.dev_issuer,
            drain=drain,
            acting=identity.turns.acting,
            agents=lambda callers: a2a.over_grpc(callers, config.limits),
            reload=book.reload,
            workplace=Workplace(
                attachments=ground.attachments, live=book.live, facts=FactFinder(environment=config.environment)
            ),
        )


# ---- what is registered, the policies that judge it, and those who are judged: in force together


@dataclass(frozen=True, slots=True, kw_only=True)
class _Book:
    """The registry, the policies, and whom both are about."""

    live: Live
    publishing: Publishing
    reload: Callable[[], Awaitable[None]]


def _open_book(config: Config, opened: AsyncExitStack) -> _Book:
    store = Store.open(f"sqlite:///{config.state / 'catalog.db'}")
    opened.callback(store.close)

    def read_grounds() -> Grounds:
        return Grounds(load_policies(config.policies), load_directory(config.directory))

    judges = Judges(read_grounds())
    live = Live(judges.in_force(store.catalog()))
    registrar = Registrar(store, allowed_targets=config.registry.allowed_targets, vet=judges.vet)

    def is_registered(name: str) -> bool:
        catalog = live.current().catalog
        return catalog.skill(name) is not None or catalog.agent(name) is not None

    opened.enter_context(telemetry(config.telemetry, registered=is_registered))

    return _Book(
        live=live,
        publishing=Publishing(store=store, registrar=registrar, judges=judges, live=live),
        reload=Reloading(read_grounds, judges=judges, live=live).reload,
    )


# ---- who asks, and as whom we ask far sides


@dataclass(frozen=True, slots=True, kw_only=True)
class _Identity:
    """Whose tokens are accepted, how much each may have going, and the keys that our own tokens are signed with."""

    dev_issuer: DevIssuer | None
    inbound: InboundIssuer
    verifier: TokenVerifier
    key: SigningKey
    card_key: SigningKey
    internal: InternalIssuer
    turns: TurnsInHand
    limits: PrincipalLimits


def _open_identity(config: Config, book: _Book, messages: MessageRoom, opened: AsyncExitStack) -> _Identity:
    dev_issuer, inbound = _issuers(config, book.live, opened)
    key, card_key = (load_signing_key(config.state / "keys", name) for name in ("gateway", "cards"))
    return _Identity(
        dev_issuer=dev_issuer,
        inbound=inbound,
        verifier=TokenVerifier([inbound], directory=book.live.directory, own_issuer=config.public_url),
        key=key,
        card_key=card_key,
        internal=InternalIssuer(issuer=config.public_url, key=key),
        turns=TurnsInHand(
            TurnTokens(issuer=config.public_url, key=key),
            elsewhere=ElsewhereInTheLog(messages.opened) if messages.opened else None,
        ),
        limits=PrincipalLimits(
            calls=config.limits.calls_per_principal, subscriptions=config.limits.subscriptions_per_principal
        ),
    )


# ---- turns of agents, from the message that opens one to its end


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ground:
    """What everything that calls pass through stands on. `attachments` are the agents that come to fetch their work."""

    config: Config
    book: _Book
    identity: _Identity
    messages: MessageRoom
    opened: AsyncExitStack
    attachments: Attachments = field(default_factory=Attachments)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Turns:
    """The lifecycle service, the desk of its turns, and that of what agents say in them."""

    lifecycle: Lifecycle
    desk: TurnDesk
    said: FarSide


async def _open_turns(ground: _Ground, log: OpenLog, deliver: Deliver) -> _Turns:
    config, identity = ground.config, ground.identity
    seal, told = open_seal(config.state), TurnPushes()
    words = Words(write=told.write, sign=signing(identity.key, issuer=config.public_url), seal=seal)
    pushes = await ground.opened.enter_async_context(open_push(config.push, log, url=log_url(config), words=words))

    def catalog() -> Catalog:
        return ground.book.live.current().catalog

    lifecycle = told.lifecycle = Lifecycle(
        log,
        deliver=deliver,
        find=lambda target: find_work(catalog(), target),
        reach=reach(catalog, ground.attachments, hosted=config.graphs),
        seal=seal,
        rules=lifecycle_rules(config),
        fabric=ground.messages.fabric,
        name=own_name(),
        beside=WebhooksBeside(pushes),
    )
    desk = TurnDesk(log, lifecycle=lifecycle, pushes=pushes)
    return _Turns(lifecycle=lifecycle, desk=desk, said=ConversationDesk(log).answer)


# ---- the corridor, from the facts to the far sides


async def _open_corridor(ground: _Ground, turns: _Turns | None) -> Corridor:
    config, identity, messages, opened = ground.config, ground.identity, ground.messages, ground.opened
    live = ground.book.live
    channels = _open_channels(config, live, opened)
    grpc = GrpcAdapter(channels, identity.internal.token_for)
    conversing = GrpcConverser(channels, identity.internal.token_for)
    house = House(
        deliver=lambda call: corridor.handle(call, nowhere),
        catalog=lambda: live.current().catalog,
        principal=lambda name: _hosted(name, config, live.directory()),
    )
    graphs = await opened.enter_async_context(
        hosting(
            {name: graph.graph for name, graph in config.graphs.items()},
            house,
            limits=TurnLimits(answer=config.limits.result_bytes),
            in_hand=config.limits.calls_per_target,
        )
    )
    mailbox = MailboxAdapter(ground.attachments, identity.internal.token_for)
    fetching = MailboxConverser(ground.attachments, limits=TurnLimits(answer=config.limits.result_bytes))
    lifecycle = turns.lifecycle if turns is not None else None
    audit = LineLog.open(config.state / "audit", fail_closed_reads=config.audit.fail_closed_reads)
    opened.push_async_callback(audit.close)
    corridor = Corridor(
        live=live,
        facts=FactFinder(
            environment=config.environment,
            conversation=finding(turns.desk, messages.find) if turns is not None else messages.find,
        ),
        audit=audit,
        limits=identity.limits,
        turns=identity.turns,
        far_sides={
            TargetKind.SKILL: Skills(
                {BindingKind.GRPC: grpc, BindingKind.FOREIGN: grpc, BindingKind.MAILBOX: mailbox}, lifecycle=lifecycle
            ).answer,
            TargetKind.AGENT: Agents(
                {
                    BindingKind.GRPC: conversing,
                    BindingKind.FOREIGN: conversing,
                    BindingKind.PROCESS: graphs,
                    BindingKind.MAILBOX: fetching,
                },
                identity.turns,
                lifecycle=lifecycle,
            ).answer,
            TargetKind.CATALOG: CatalogDesk(live=live, publishing=ground.book.publishing).answer,
            TargetKind.CONVERSATION: (
                answering(turns.desk, said=turns.said, others=messages.answer) if turns is not None else messages.answer
            ),
            TargetKind.MESSAGE_LOG: messages.answer,
        },
    )
    return corridor


def _open_channels(config: Config, live: Live, opened: AsyncExitStack) -> Channels:
    """Connections to far sides, kept for as long as somebody is bound there."""
    each = config.limits.calls_per_target  # as many turns as the lifecycle service has in hand, beside as many calls
    channels = Channels(limits=GrpcLimits(answer=config.limits.result_bytes, in_hand=each, turns=each))
    opened.push_async_callback(channels.close)

    async def keep_channels() -> None:
        entries = live.current().catalog.agents.values()
        await channels.keep(entry.binding for entry in entries if entry.binding is not None)

    live.when_changed(keep_channels)
    return channels


# ---- the faces


def _mcp_face(config: Config, book: _Book, identity: _Identity, corridor: Corridor, sight: Sight) -> McpFace:
    return McpFace(
        corridor=corridor,
        live=book.live,
        sight=sight,
        subscriptions=Subscriptions(handle=corridor.handle, limits=identity.limits),
        rules=config.mcp,
        limits=config.limits,
        version=version("interchange"),
        state_key=secret(config.state, "request-state"),
    )


def _a2a_face(config: Config, book: _Book, identity: _Identity, corridor: Corridor, sight: Sight) -> A2aFace:
    return A2aFace(
        handle=corridor.handle,
        live=book.live,
        sight=sight,
        desk=CardDesk(
            offer=Offer(
                public_url=config.public_url,
                issuer=_token_issuer(identity.dev_issuer, identity.inbound),
                grpc=_grpc_address(config),
            ),
            signer=CardSigner(identity.card_key, public_url=config.public_url),
        ),
        default_agent=config.a2a.default_agent,
        limits=identity.limits,
        seconds=config.limits.call_seconds,
    )


def _grpc_address(config: Config) -> str:
    """Where cards say that agents are to be reached over gRPC; empty where nobody could."""
    listens = config.listen.grpc
    return config.a2a.grpc_address or (listens if is_loopback(f"http://{listens}") else "")


# ---- principals


def _hosted(name: AgentName, config: Config, directory: Directory) -> Principal:
    """Who a hosted graph is to policies: the agent of its name, as the directory has it, or else its table."""
    listed = directory.agents.get(name)
    domain = listed.domain if listed is not None else Domain(config.graphs[name].domain)
    return Principal(kind=PrincipalKind.AGENT, issuer=config.public_url, subject=name, name=name, domain=domain)


def _token_issuer(dev_issuer: DevIssuer | None, inbound: InboundIssuer) -> TokenIssuer:
    """Where cards say that tokens are to be had."""
    return read_issuer(dev_issuer.metadata()) if dev_issuer else provider_at(inbound.issuer)


def _issuers(config: Config, live: Live, opened: AsyncExitStack) -> tuple[DevIssuer | None, InboundIssuer]:
    """Whose tokens are accepted: the embedded development issuer's, or those of the provider that is configured."""
    auth = config.auth
    if auth.embedded:
        issuer = DevIssuer.open(
            public_url=config.public_url, directory=live.directory, state=config.state, fetcher=Fetcher()
        )
        return issuer, issuer.inbound()
    if not auth.issuer.startswith("https://") and not is_loopback(auth.issuer):
        raise BadRequest(f"[auth] issuer: {auth.issuer!r} must be an https URL")
    # The operator named this issuer, so its own address is not screened; nobody else's is spared.
    keys = RemoteKeys(auth.issuer, Fetcher(unscreened=[origin(auth.issuer)]))
    opened.push_async_callback(keys.close)
    inbound = InboundIssuer(
        issuer=auth.issuer,
        # Providers that know RFC 8707 name the resource a client asked for, others what they were told.
        audiences=(auth.audience,) if auth.audience else (config.public_url, f"{config.public_url}/mcp"),
        keys=keys,
        groups_claim=auth.groups_claim,
        scope_claims=(auth.scope_claim, "scp"),
    )
    return None, inbound
