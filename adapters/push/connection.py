"""The connection on which a webhook is told something: to an address that has just passed, and to no other.

The name stays in the Host header, in SNI and in what the certificate has to say. A connection is for one attempt, so
none is ever found in a pool under another name. Redirects are answers like any other, proxies of the environment are
not used, and what a webhook answers is its status: of the rest little is read, and nothing kept.
"""

import asyncio
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

import httpx

from adapters.push.screening import Screen, Screened
from registry.addresses import is_address
from registry.model import InterchangeError

SECONDS = 15.0
"""For an attempt in all: resolving, connecting, and the head of the answer."""

CONNECT_SECONDS = 5.0
ADDRESSES_TRIED = 3
ANSWER_LIMIT = 4096
"""Bytes of an answer's body that are read, so that a webhook can finish it."""

_ANSWER_SECONDS = 1.0
_WAIT_LIMIT = 3600.0


class Untold(InterchangeError):
    """A webhook was not told something. `wait` is for how many seconds it asked to be left alone, `for_ever` that it
    wants to be told nothing any more."""

    code = "untold"

    def __init__(self, message: str, *, wait: float = 0.0, for_ever: bool = False) -> None:
        super().__init__(message)
        self.wait = wait
        self.for_ever = for_ever


@dataclass(frozen=True, slots=True)
class Answer:
    """What a webhook answered. `wait` is for how many seconds it asked to be left alone."""

    status: int
    wait: float = 0.0

    @property
    def is_told(self) -> bool:
        """Whether the webhook has taken what it was told; whoever redirects has not."""
        return 200 <= self.status < 300

    @property
    def is_gone(self) -> bool:
        """Whether there is nobody any more who wants to be told anything."""
        return self.status == 410


class Line:
    """Posts to webhooks. `tls` is what their certificates are checked against (None: what the system trusts)."""

    def __init__(self, screen: Screen, *, tls: ssl.SSLContext | None = None, seconds: float = SECONDS) -> None:
        self._screen = screen
        self._given_tls = tls
        self._seconds = seconds

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return self._given_tls or ssl.create_default_context()  # 30 ms, so only once something is told

    async def post(self, url: str, *, headers: Mapping[str, str], body: bytes) -> Answer:
        """Screen a webhook's URL, post to it, and return its answer, whatever that is.

        Raises:
            Untold: there was none in time; it says why.
        """
        try:
            async with asyncio.timeout(self._seconds):
                return await self._post(await self._screen.screened(url), headers, body)
        except TimeoutError:
            raise Untold(f"no answer within {self._seconds:g} seconds") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            raise Untold(f"{type(error).__name__}: {str(error)[:200]}") from None
        except InterchangeError as refused:
            raise Untold(refused.message) from None

    async def _post(self, screened: Screened, headers: Mapping[str, str], body: bytes) -> Answer:
        async with httpx.AsyncClient(verify=self._tls, trust_env=False, follow_redirects=False) as client:
            addresses = screened.addresses[:ADDRESSES_TRIED]
            for address in addresses[:-1]:
                with suppress(httpx.ConnectError, httpx.ConnectTimeout):  # nothing was said yet
                    return await self._send(client, _request(screened, address, headers, body))
            return await self._send(client, _request(screened, addresses[-1], headers, body))

    async def _send(self, client: httpx.AsyncClient, request: httpx.Request) -> Answer:
        answer = await client.send(request, stream=True)
        try:
            await _read_a_little(answer)
        finally:
            await answer.aclose()
        return Answer(answer.status_code, _read_wait(answer.headers.get("retry-after", "")))


def _request(screened: Screened, address: str, headers: Mapping[str, str], body: bytes) -> httpx.Request:
    """The request for a place, addressed to one of its addresses."""
    place = screened.place
    name = {} if is_address(place.host) else {"sni_hostname": place.host}
    timeout = httpx.Timeout(SECONDS, connect=CONNECT_SECONDS).as_dict()
    return httpx.Request(
        "POST",
        place.url.copy_with(host=address),
        headers={**headers, "Host": place.url.netloc.decode("ascii"), "Connection": "close"},
        content=body,
        extensions={**name, "timeout": timeout},
    )


async def _read_a_little(answer: httpx.Response) -> None:
    """Let a webhook finish a short answer. Its status was said: whatever goes wrong from here on changes nothing."""
    read = 0
    with suppress(httpx.HTTPError, TimeoutError):
        async with asyncio.timeout(_ANSWER_SECONDS):
            async for chunk in answer.aiter_raw(ANSWER_LIMIT):
                read += len(chunk)
                if read >= ANSWER_LIMIT:
                    return


def _read_wait(retry_after: str) -> float:
    """For how many seconds a webhook asks to be left alone; dates are not understood, and too much is not granted."""
    if not (retry_after.isascii() and retry_after.isdigit()):
        return 0.0
    return min(float(retry_after[:9]), _WAIT_LIMIT)
