"""Pushing: webhooks are told what turns say, while the gateway runs; and the desk where they are named.

Put together here from `adapters.push`: the store on the log's own database, the screen with the networks that the
operator allows, and the outbox that tells. The desk knows turns and webhooks; whose turn it is and what a message looks
like on the wire is for those who call it.
"""

import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ssl import SSLContext

from adapters.messaging.beside import beside
from adapters.messaging.messages import TurnRef, unfit_for_storage
from adapters.messaging.opening import OpenLog
from adapters.push.channels import Channel, Webhook
from adapters.push.connection import SECONDS, Line
from adapters.push.database import open_database
from adapters.push.hints import Hints
from adapters.push.outbox import Outbox, Pace, Words, Write
from adapters.push.requests import Sign
from adapters.push.resolving import Resolver
from adapters.push.screening import Resolve, Screen, Screened
from adapters.push.sealing import open_webhook, seal_webhook
from adapters.push.store import ChannelStore
from adapters.sealing import Seal
from gateway.config import PushRules
from policies.identity.keys import SigningKey
from registry.model import BadRequest, JsonObject, TurnId, Unknown

__all__ = ["Admitted", "Outside", "PushDesk", "Webhook", "Write", "open_push", "signing"]

TYPE = "push+jwt"
"""What the header of a signature says it is, so that it is taken for no other token of the gateway."""

ID_LIMIT = 128
TOKEN_LIMIT = 4096
CREDENTIALS_LIMIT = 8192

_SCHEME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")
_HEADER_VALUE = re.compile(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """What pushing meets outside: how names are resolved (None: as the system does), what certificates are checked
    against (None: what the system trusts), and how many seconds an attempt may take in all."""

    resolve: Resolve | None = None
    tls: SSLContext | None = None
    seconds: float = SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """A webhook that may be told, and where it is."""

    webhook: Webhook
    screened: Screened


class PushDesk:
    """Names webhooks of turns, shows them and drops them. Whether the caller may is decided before."""

    def __init__(self, store: ChannelStore, *, screen: Screen, seal: Seal, hints: Hints, pace: Pace) -> None:
        self._store = store
        self._screen = screen
        self._seal = seal
        self._hints = hints
        self._clock = pace.clock

    async def admit(self, webhook: Webhook) -> Admitted:
        """See whether a webhook may be told. To be asked before anything is written that it is to be told of.

        Raises:
            BadRequest: its URL, its address or something else about it is not allowed; it says what.
        """
        _check(webhook)
        return Admitted(webhook=webhook, screened=await self._screen.screened(webhook.url))

    async def put(self, admitted: Admitted, *, of: TurnRef, owner: str, context: str = "", after: int = 0) -> Webhook:
        """Have a webhook told what its turn says behind message number `after`; one with its id is replaced, and what
        that one was told is not told again. `context` is what the owner calls the conversation.

        Raises:
            Refused: the turn has as many webhooks as it may have.
        """
        now = self._clock()
        webhook = admitted.webhook
        channel = Channel(
            turn=webhook.turn,
            id=webhook.id,
            conversation=of.conversation,
            agent=of.agent,
            owner=owner,
            context=context,
            place=admitted.screened.place.name,
            sealed=seal_webhook(self._seal, webhook),
            cursor=after,
            created_at=now,
            ready_at=now,
            looked_at=now,
            fence=int(now * 1000),  # higher than that of any channel of this id that was deleted
        )
        await self._store.put(channel)
        self._hints.listen(of.conversation)
        self._hints.note(of.conversation)
        return webhook

    async def get(self, turn: TurnId, id: str) -> Webhook:  # noqa: A002  the word of the field
        """The webhook of this turn with this id.

        Raises:
            Unknown: there is none; it may have been told everything, or given up.
        """
        channel = await self._store.get(turn, id)
        if channel is None:
            raise Unknown(f"The turn has no webhook {id[:ID_LIMIT]!r}.")
        return self._opened(channel)

    async def list(self, turn: TurnId) -> Sequence[Webhook]:
        """All webhooks of a turn, the oldest first."""
        return [self._opened(channel) for channel in await self._store.of_turn(turn)]

    async def delete(self, turn: TurnId, id: str) -> None:  # noqa: A002  the word of the field
        """See that the turn has no such webhook. What is being told at this moment may still arrive."""
        await self._store.delete(turn, id)

    def _opened(self, channel: Channel) -> Webhook:
        return open_webhook(self._seal, channel.sealed, turn=channel.turn, id=channel.id)


@asynccontextmanager
async def open_push(
    rules: PushRules,
    opened: OpenLog,
    *,
    url: str,
    words: Words,
    outside: Outside = Outside(),
    pace: Pace = Pace(),  # noqa: B008  frozen
) -> AsyncGenerator[PushDesk]:
    """Tell webhooks while the body lasts. `url` is that of the log, whose database has the channels; `words` say how
    messages are written and signed.

    Raises:
        BadRequest: `allowed_networks` has something that is no network.
        LogUnavailable: the database cannot be reached.
    """
    # Look-ups of their own: whoever names webhooks at slow name servers keeps nobody from being told.
    telling = Screen(allowed=rules.allowed_networks, resolve=outside.resolve or Resolver())
    naming = Screen(allowed=rules.allowed_networks, resolve=outside.resolve or Resolver())
    hints = Hints(opened.wakes)
    async with open_database(url) as database:
        store = ChannelStore(database)
        line = Line(telling, tls=outside.tls, seconds=outside.seconds)
        outbox = Outbox(store, opened.history, line=line, words=words, hints=hints, pace=pace)
        try:
            async with beside(outbox.run()):
                yield PushDesk(store, screen=naming, seal=words.seal, hints=hints, pace=pace)
        finally:
            hints.close()


def signing(key: SigningKey, *, issuer: str) -> Sign:
    """Signs what webhooks are told, in the name of the gateway at `issuer`."""

    def sign(claims: JsonObject) -> str:
        return key.sign({"iss": issuer, **claims}, typ=TYPE)

    return sign


def _check(webhook: Webhook) -> None:
    if not 0 < len(webhook.id) <= ID_LIMIT or unfit_for_storage([webhook.id]) is not None:
        raise BadRequest(f"A webhook's id has 1 to {ID_LIMIT} characters, none of them NUL or half a surrogate pair.")
    if webhook.scheme and not _SCHEME.fullmatch(webhook.scheme):
        raise BadRequest("A webhook's authentication scheme is one word, such as Bearer.")
    if webhook.credentials and not webhook.scheme:
        raise BadRequest("A webhook's credentials need an authentication scheme, such as Bearer.")
    _check_header(webhook.credentials, "secret", limit=CREDENTIALS_LIMIT)
    _check_header(webhook.token, "token", limit=TOKEN_LIMIT)


def _check_header(value: str, name: str, *, limit: int) -> None:
    if len(value) > limit or (value and not _HEADER_VALUE.fullmatch(value)):
        raise BadRequest(
            f"A webhook's {name} has at most {limit:,} printable ASCII characters, and no spaces around them."
        )
