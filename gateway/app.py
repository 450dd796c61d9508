"""The only place where parts are put together. It reads like a table of contents; nothing here decides anything.

`open_gateway` gives the whole gateway without sockets: `gateway.serving` opens its doors, `gateway.offline` uses its
corridor alone.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version

from starlette.types import ASGIApp

from adapters.grpc.adapter import GrpcAdapter
from adapters.grpc.channels import Channels
from adapters.grpc.converse import GrpcConverser
from adapters.grpc.limits import Limits as GrpcLimits
from adapters.langgraph.host import House, hosting
from adapters.turn_events import TurnLimits
from gateway.a2a.card_desk import CardDesk
from gateway.a2a.card_security import TokenIssuer, provider_at, read_issuer
from gateway.a2a.cards import Offer
from gateway.a2a.face import A2aFace
from gateway.a2a.signing import CardSigner
from gateway.config import Config
from gateway.corridor import Corridor
from gateway.facts import FactFinder
from gateway.far_sides import Agents, CatalogDesk, Skills
from gateway.limits import PrincipalLimits
from gateway.live import Live
from gateway.mcp.face import McpFace
from gateway.mcp.subscriptions import Subscriptions
from gateway.metadata import RegistryMark, key_set
from gateway.publishing import Judges, Publishing
from gateway.sight import Sight
from gateway.state import secret
from gateway.telemetry.setup import telemetry
from gateway.turns import TurnsInHand
from gateway.web import web_application
from policies.audit.lines import LineLog
from policies.identity.dev_issuer.issuer import DevIssuer
from policies.identity.directory import Directory, load_directory
from policies.identity.fetch import Fetcher
from policies.identity.internal import InternalIssuer
from policies.identity.keys import load_signing_key
from policies.identity.keysets import RemoteKeys
from policies.identity.tokens import InboundIssuer, TokenVerifier, Verified
from policies.identity.turn_tokens import TurnTokens
from policies.identity.urls import is_loopback, origin
from policies.load import load_policies
from policies.remarks import known_to
from registry.model import AgentName, BadRequest, BindingKind, Domain, Principal, PrincipalKind, TargetKind, nowhere
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
    reload_policies: Callable[[], Awaitable[None]]


@asynccontextmanager
async def open_gateway(config: Config) -> AsyncGenerator[Gateway]:
    """Put the parts together and keep them open. `config.public_url` must be set and the state folder held.

    Raises:
        InterchangeError: the configuration, the directory, a policy or the state is not right; nothing was opened.
    """
    async with AsyncExitStack() as opened:
        # What is registered, and the policies that judge it: in force together.
        store = Store.open(f"sqlite:///{config.state / 'catalog.db'}")
        opened.callback(store.close)
        directory = load_directory(config.directory)
        judges = Judges(load_policies(config.policies), known=known_to(directory))
        live = Live(judges.in_force(store.catalog()))
        registrar = Registrar(store, allowed_targets=config.registry.allowed_targets, vet=judges.vet)
        publishing = Publishing(store=store, registrar=registrar, judges=judges, live=live)

        def is_registered(name: str) -> bool:
            catalog = live.current().catalog
            return catalog.skill(name) is not None or catalog.agent(name) is not None

        opened.enter_context(telemetry(config.telemetry, registered=is_registered))

        # Who asks, and as whom we ask far sides.
        dev_issuer, inbound = _issuers(config, directory, opened)
        verifier = TokenVerifier([inbound], directory=directory, own_issuer=config.public_url)
        key, card_key = (load_signing_key(config.state / "keys", name) for name in ("gateway", "cards"))
        internal = InternalIssuer(issuer=config.public_url, key=key)
        turns = TurnsInHand(TurnTokens(issuer=config.public_url, key=key))

        # The corridor, from the facts to the far sides.
        channels = Channels(
            limits=GrpcLimits(answer=config.limits.result_bytes, in_hand=config.limits.calls_per_target)
        )
        opened.push_async_callback(channels.close)
        grpc = GrpcAdapter(channels, internal.token_for)
        conversing = GrpcConverser(channels, internal.token_for)
        house = House(
            deliver=lambda call: corridor.handle(call, nowhere),
            catalog=lambda: live.current().catalog,
            principal=lambda name: _hosted(name, config, directory),
        )
        graphs = await opened.enter_async_context(
            hosting(
                {name: graph.graph for name, graph in config.graphs.items()},
                house,
                limits=TurnLimits(answer=config.limits.result_bytes),
                in_hand=config.limits.calls_per_target,
            )
        )

        async def keep_channels() -> None:
            entries = live.current().catalog.agents.values()
            await channels.keep(entry.binding for entry in entries if entry.binding is not None)

        live.when_changed(keep_channels)
        audit = LineLog.open(config.state / "audit", fail_closed_reads=config.audit.fail_closed_reads)
        opened.push_async_callback(audit.close)
        limits = PrincipalLimits(
            calls=config.limits.calls_per_principal, subscriptions=config.limits.subscriptions_per_principal
        )
        corridor = Corridor(
            live=live,
            facts=FactFinder(directory=directory, environment=config.environment),
            audit=audit,
            limits=limits,
            turns=turns,
            far_sides={
                TargetKind.SKILL: Skills(dict.fromkeys((BindingKind.GRPC, BindingKind.FOREIGN), grpc)).answer,
                TargetKind.AGENT: Agents(
                    {BindingKind.GRPC: conversing, BindingKind.FOREIGN: conversing, BindingKind.PROCESS: graphs}, turns
                ).answer,
                TargetKind.CATALOG: CatalogDesk(live=live, publishing=publishing).answer,
            },
        )

        # The faces.
        sight = Sight(live=live, directory=directory, environment=config.environment)
        mcp = McpFace(
            corridor=corridor,
            live=live,
            sight=sight,
            subscriptions=Subscriptions(handle=corridor.handle, limits=limits),
            rules=config.mcp,
            limits=config.limits,
            version=version("interchange"),
            state_key=secret(config.state, "request-state"),
        )
        await opened.enter_async_context(mcp.run())
        a2a = A2aFace(
            handle=corridor.handle,
            live=live,
            sight=sight,
            desk=CardDesk(
                offer=Offer(public_url=config.public_url, issuer=_token_issuer(dev_issuer, inbound)),
                signer=CardSigner(card_key, public_url=config.public_url),
            ),
            default_agent=config.a2a.default_agent,
            seconds=config.limits.call_seconds,
        )

        async def reload_policies() -> None:
            sources = await asyncio.to_thread(load_policies, config.policies)
            await live.swap(await asyncio.to_thread(judges.replaced, sources, live.current().catalog))

        def drain(seconds: float) -> None:
            mcp.drain()
            corridor.drain(seconds)

        yield Gateway(
            corridor=corridor,
            asgi=web_application(
                config,
                mcp=mcp,
                a2a=a2a,
                verifier=verifier,
                turns=turns,
                keys=key_set(key.public(), card_key.public()),
                mark=RegistryMark(lambda: live.current().catalog),
                dev_issuer=dev_issuer,
            ),
            verify=verifier.verify,
            issuer=inbound.issuer,
            dev_issuer=dev_issuer,
            drain=drain,
            reload_policies=reload_policies,
        )


def _hosted(name: AgentName, config: Config, directory: Directory) -> Principal:
    """Who a hosted graph is to policies: the agent of its name, as the directory has it, or else its table."""
    listed = directory.agents.get(name)
    domain = listed.domain if listed is not None else Domain(config.graphs[name].domain)
    return Principal(kind=PrincipalKind.AGENT, issuer=config.public_url, subject=name, name=name, domain=domain)


def _token_issuer(dev_issuer: DevIssuer | None, inbound: InboundIssuer) -> TokenIssuer:
    """Where cards say that tokens are to be had."""
    return read_issuer(dev_issuer.metadata()) if dev_issuer else provider_at(inbound.issuer)


def _issuers(config: Config, directory: Directory, opened: AsyncExitStack) -> tuple[DevIssuer | None, InboundIssuer]:
    """Whose tokens are accepted: the embedded development issuer's, or those of the provider that is configured."""
    auth = config.auth
    if auth.embedded:
        issuer = DevIssuer.open(
            public_url=config.public_url, directory=directory, state=config.state, fetcher=Fetcher()
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
