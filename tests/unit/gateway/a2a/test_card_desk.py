"""The desk over HTTP: what is answered to whom, and what may be kept how long."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from gateway.a2a.card_desk import CardDesk
from gateway.a2a.signing import CardSigner
from policies.identity.keys import generate_signing_key
from registry.catalog import AgentEntry, SkillEntry
from registry.model import JsonObject
from tests.support.cards import OFFER, PUBLIC_URL, agent, card_key, read_card, signer, skill, verify

AGENT = agent()
SEARCH = skill("candidates.search")
DELETE = skill("candidates.delete", scopes=("candidates:delete",))
THEN = 1_790_000_000.0


class CountingSigner(CardSigner):
    """Counts what it signs."""

    def __init__(self) -> None:
        super().__init__(card_key(), public_url=PUBLIC_URL)
        self.count = 0

    def signed(self, card: JsonObject, *readings: JsonObject) -> bytes:
        self.count += 1
        return super().signed(card, *readings)


@dataclass
class Clock:
    now: float = THEN

    def __call__(self) -> float:
        return self.now


@dataclass
class Counter:
    """A client of one desk, at which it sees what the test says it may."""

    desk: CardDesk
    entry: AgentEntry = AGENT
    skills: Sequence[SkillEntry] = (SEARCH, DELETE)
    public: bool = False
    clock: Clock = field(default_factory=Clock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = self.desk.answer(scope, self.entry, self.skills, public=self.public)
        await response(scope, receive, send)

    async def ask(self, method: str = "GET", query: str = "", **headers: str) -> httpx.Response:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        async with httpx.AsyncClient(transport=httpx.ASGITransport(self), base_url=PUBLIC_URL) as client:
            return await client.request(method, f"/agents/candidates/.well-known/agent-card.json{query}", headers=sent)


def counter(**seen: Any) -> Counter:
    clock = Clock()
    return Counter(desk=CardDesk(offer=OFFER, signer=signer(), clock=clock), clock=clock, **seen)


async def test_a_card_is_json_that_verifies() -> None:
    answer = await counter().ask()

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    verify(read_card(answer.content))


async def test_a_reader_s_card_is_kept_by_that_reader_only() -> None:
    answer = await counter().ask()

    assert answer.headers["cache-control"] == "private, max-age=60"
    assert answer.headers["vary"] == "Authorization, Ix-Turn-Token"
    assert "access-control-allow-origin" not in answer.headers


async def test_a_public_card_may_be_kept_by_anybody_and_read_by_scripts_of_any_page() -> None:
    answer = await counter(public=True).ask(origin="https://elsewhere.test")

    assert answer.headers["cache-control"] == "public, max-age=300"
    assert answer.headers["vary"] == "Authorization, Ix-Turn-Token"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["access-control-expose-headers"] == "ETag"


async def test_hidden_skills_are_on_no_card_and_change_its_tag_and_signature() -> None:
    here = counter()
    whole = await here.ask()
    here.skills = (SEARCH,)
    narrow = await here.ask()

    assert "candidates.delete" in whole.text
    assert "delete" not in narrow.text
    assert whole.headers["etag"] != narrow.headers["etag"]
    assert whole.json()["signatures"] != narrow.json()["signatures"]
    verify(read_card(narrow.content))


async def test_a_card_that_the_client_has_is_not_sent_again() -> None:
    here = counter(public=True)
    first = await here.ask()

    again = await here.ask(if_none_match=first.headers["etag"])

    assert again.status_code == 304
    assert again.content == b""
    for name in ("etag", "last-modified", "cache-control", "vary", "access-control-allow-origin"):
        assert again.headers[name] == first.headers[name]


async def test_the_date_counts_where_no_tag_is_sent() -> None:
    here = counter()
    first = await here.ask()
    here.clock.now += 3600

    assert first.headers["last-modified"] == "Mon, 21 Sep 2026 14:13:20 GMT"
    assert (await here.ask(if_modified_since=first.headers["last-modified"])).status_code == 304
    tagged = await here.ask(if_modified_since=first.headers["last-modified"], if_none_match='"other"')
    assert tagged.status_code == 200


async def test_a_card_that_went_back_to_what_it_was_is_not_taken_for_the_later_one() -> None:
    here = counter()
    await here.ask()
    here.clock.now += 60
    here.skills = (SEARCH,)
    narrow = await here.ask()
    here.skills = (SEARCH, DELETE)

    assert (await here.ask(if_modified_since=narrow.headers["last-modified"])).status_code == 200


async def test_head_is_get_without_the_card() -> None:
    here = counter()
    whole, head = await here.ask(), await here.ask("HEAD")

    assert head.status_code == 200
    assert head.content == b""
    assert head.headers == whole.headers
    assert (await here.ask("HEAD", if_none_match=whole.headers["etag"])).status_code == 304


async def test_the_tag_outlives_the_process_and_changes_with_the_key() -> None:
    def under(signs: CardSigner) -> Counter:
        return Counter(desk=CardDesk(offer=OFFER, signer=signs))

    first, after_restart = await counter().ask(), await under(signer()).ask()
    rotated = await under(CardSigner(generate_signing_key(), public_url=PUBLIC_URL)).ask()

    assert first.headers["etag"] == after_restart.headers["etag"]
    assert first.content == after_restart.content
    assert rotated.headers["etag"] != first.headers["etag"]


async def test_the_tag_is_strong() -> None:
    assert not (await counter().ask()).headers["etag"].startswith("W/")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_a_card_can_only_be_read(method: str) -> None:
    answer = await counter(public=True).ask(method)

    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, HEAD, OPTIONS"
    assert answer.headers["cache-control"] == "no-store"


async def test_a_browser_may_ask_first_whether_it_may_read_a_public_card() -> None:
    answer = await counter(public=True).ask(
        "OPTIONS", origin="https://elsewhere.test", access_control_request_headers="if-none-match"
    )

    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["access-control-allow-headers"] == "*, Authorization"


async def test_options_of_another_card_opens_nothing() -> None:
    answer = await counter().ask("OPTIONS", origin="https://elsewhere.test")

    assert answer.status_code == 204
    assert answer.headers["allow"] == "GET, HEAD, OPTIONS"
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("", 200),
        ("?interfaces=all", 200),
        ("?interfaces=all&interfaces=all", 200),
        ("?v=3", 200),
        ("?interfaces=", 400),
        ("?interfaces=grpc", 400),
        ("?interfaces=all&interfaces=grpc", 400),
        ("?interfaces=ALL", 400),
    ],
)
async def test_all_interfaces_may_be_asked_for_and_nothing_else(query: str, status: int) -> None:
    assert (await counter().ask(query=query)).status_code == status


async def test_a_card_is_signed_when_it_is_first_read_and_never_again() -> None:
    signs = CountingSigner()
    here = Counter(desk=CardDesk(offer=OFFER, signer=signs))
    assert signs.count == 0

    for _ in range(3):
        await here.ask()
        await here.ask("HEAD")
    await here.ask(query="?interfaces=all")
    here.public = True
    await here.ask()

    assert signs.count == 1


async def test_another_pin_is_another_card() -> None:
    here = counter()
    before = await here.ask()
    here.entry = agent(description="Knows more.")

    after = await here.ask()

    assert json.loads(after.content)["description"] == "Knows more."
    assert after.headers["etag"] != before.headers["etag"]


async def test_what_is_kept_is_bounded_and_what_was_read_last_stays() -> None:
    signs = CountingSigner()
    size = len((await counter().ask()).content)
    here = Counter(desk=CardDesk(offer=OFFER, signer=signs, kept_bytes=int(size * 2.9)))
    first, second, third = (agent(name) for name in ("first_agent", "other_agent", "third_agent"))

    for here.entry in (first, second, first, third):
        await here.ask()
    assert signs.count == 3
    here.entry = first
    await here.ask()
    assert signs.count == 3
    here.entry = second
    await here.ask()
    assert signs.count == 4


async def test_a_card_too_large_to_keep_is_served_all_the_same() -> None:
    here = Counter(desk=CardDesk(offer=OFFER, signer=signer(), kept_bytes=10))

    assert (await here.ask()).content == (await here.ask()).content
