"""What the development issuer has promised and not yet kept: consent tickets, codes, refresh tokens.

All of it is in memory, bounded, short-lived and good for one use. Everything obtained from one consent is a family: a
code or refresh token that comes a second time was stolen, and the whole family is withdrawn (RFC 9700 §4.14).
"""

import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from policies.identity.cache import Recent

CODE_SECONDS = 60.0
TICKET_SECONDS = 600.0
FAMILY_SECONDS = 12 * 3600.0
CAPACITY = 1000


@dataclass(slots=True, kw_only=True)
class Family:
    """One person's consent to one client, and what came of it."""

    subject: str
    client_id: str
    scope: str
    until: float
    tokens: list[str] = field(default_factory=list[str])
    """The ids of access tokens that may still be alive; the latest are enough, since they live for minutes."""
    withdrawn: bool = False

    def get_user_id(self) -> str:
        return self.subject

    def issued(self, jti: str) -> None:
        self.tokens = [*self.tokens[-19:], jti]


@dataclass(slots=True, kw_only=True)
class Code:
    """An authorization code's record; Authlib reads it."""

    family: Family
    redirect_uri: str
    code_challenge: str
    until: float
    code_challenge_method: str = "S256"
    used: bool = False

    def get_redirect_uri(self) -> str:
        return self.redirect_uri

    def get_scope(self) -> str:
        return self.family.scope


@dataclass(slots=True, kw_only=True)
class Refresh:
    """A refresh token's record; Authlib reads it."""

    family: Family
    used: bool = False

    def check_client(self, client: object) -> bool:
        return getattr(client, "client_id", None) == self.family.client_id

    def get_scope(self) -> str:
        return self.family.scope


class Promises:
    """The store. `withdraw` is called with the ids of access tokens whose family was withdrawn."""

    def __init__(self, clock: Callable[[], float], withdraw: Callable[[Iterable[str]], None]) -> None:
        self._clock = clock
        self._withdraw = withdraw
        self._tickets: Recent[str, Mapping[str, str]] = Recent(CAPACITY)
        self._codes: Recent[str, Code] = Recent(CAPACITY)
        self._refreshes: Recent[str, Refresh] = Recent(CAPACITY)

    def ticket(self, request: Mapping[str, str]) -> str:
        """A ticket for a consent page: it stands for this authorisation request, once."""
        ticket = secrets.token_urlsafe(32)
        self._tickets.put(ticket, dict(request), self._clock() + TICKET_SECONDS)
        return ticket

    def redeem(self, ticket: str) -> Mapping[str, str] | None:
        return self._tickets.take(ticket, self._clock())

    def family(self, *, subject: str, client_id: str, scope: str) -> Family:
        return Family(subject=subject, client_id=client_id, scope=scope, until=self._clock() + FAMILY_SECONDS)

    def keep_code(self, code: str, *, family: Family, redirect_uri: str, code_challenge: str) -> None:
        now = self._clock()
        record = Code(family=family, redirect_uri=redirect_uri, code_challenge=code_challenge, until=now + CODE_SECONDS)
        # Remembered beyond its life, so that a late second use is still seen as one while its tokens live.
        self._codes.put(code, record, now + 16 * CODE_SECONDS)

    def use_code(self, code: str, client_id: str) -> Code | None:
        """The record of a code at its first use by its client within its life; a second use withdraws the family."""
        record = self._codes.get(code, self._clock())
        if record is None or record.family.client_id != client_id:
            return None
        return record if self._first_use(record) and self._clock() < record.until else None

    def refresh_token(self, family: Family) -> str:
        token = secrets.token_urlsafe(32)
        self._refreshes.put(token, Refresh(family=family), family.until)
        return token

    def use_refresh(self, token: str, client_id: str) -> Refresh | None:
        """The record of a refresh token at its first use by its client; a second use withdraws the family."""
        record = self._refreshes.get(token, self._clock())
        if record is None or record.family.client_id != client_id:
            return None
        return record if self._first_use(record) else None

    def _first_use(self, record: Code | Refresh) -> bool:
        if record.family.withdrawn:
            return False
        if record.used:
            record.family.withdrawn = True
            self._withdraw(record.family.tokens)
            return False
        record.used = True
        return True
