"""Client ID metadata documents: a client whose id is the https URL where its metadata is.

The URL comes from whoever asks, so it is fetched through the screened fetcher, small and rarely; what was read is kept
for five minutes. The document must name its own URL as `client_id`, and such a client never has a secret.
"""

import asyncio
from collections.abc import Callable
from urllib.parse import urlsplit

from policies.identity.cache import Recent
from policies.identity.dev_issuer.clients import CODE_GRANTS, Client, read_name, read_redirects
from policies.identity.fetch import Fetcher
from registry.model import BadRequest, JsonObject

SIZE_LIMIT = 64 * 1024
KEPT_SECONDS = 300.0
CAPACITY = 200
AT_ONCE = 4


def is_document_url(client_id: str) -> bool:
    """Whether a client id is a URL that may have a document: https, with a path, and nothing that hides another."""
    try:
        parts = urlsplit(client_id)
        _ = parts.port
    except ValueError:
        return False
    return (
        parts.scheme == "https"
        and bool(parts.hostname)
        and parts.path not in {"", "/"}
        and not {".", ".."} & set(parts.path.split("/"))
        and parts.username is None
        and "#" not in client_id
        and len(client_id) <= 1024
    )


class ClientDocuments:
    """Reads clients from their documents."""

    def __init__(self, fetcher: Fetcher, clock: Callable[[], float]) -> None:
        self._fetcher = fetcher
        self._clock = clock
        self._known: Recent[str, Client] = Recent(CAPACITY)
        self._gate = asyncio.Semaphore(AT_ONCE)

    def known(self, url: str) -> Client | None:
        """The client whose id is this URL, if its document was read of late."""
        return self._known.get(url, self._clock())

    async def load(self, url: str) -> Client:
        """Return the client whose id is this URL.

        Raises:
            BadRequest: its document is not acceptable.
            Unfetchable: its document could not be had.
        """
        client = self.known(url)
        if client is None:
            async with self._gate:
                client = read_document(await self._fetcher.get_json(url, limit=SIZE_LIMIT), url)
            self._known.put(url, client, self._clock() + KEPT_SECONDS)
        return client


def read_document(document: JsonObject, url: str) -> Client:
    """The client that a document describes.

    Raises:
        BadRequest: it names another client_id, wants a secret, or has redirect URIs that are not legal.
    """
    if document.get("client_id") != url:
        raise BadRequest("The client's metadata document does not name its own URL as client_id.")
    if document.get("token_endpoint_auth_method", "none") != "none" or "client_secret" in document:
        raise BadRequest("A client with a metadata document has no secret: token_endpoint_auth_method must be none.")
    return Client(
        client_id=url,
        name=read_name(document.get("client_name"), url),
        redirect_uris=read_redirects(document.get("redirect_uris")),
        grants=CODE_GRANTS,
    )
