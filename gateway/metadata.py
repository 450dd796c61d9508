"""What the gateway says of itself as a protected resource: RFC 9728 documents, and the keys of its internal tokens.

Public, small, and open to scripts of any origin that the guard lets in, since MCP clients run in browsers too.
"""

import secrets
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from policies.identity.urls import well_known
from registry.catalog import Catalog
from registry.model import JsonObject

RESOURCE = "oauth-protected-resource"
OPEN_TO_BROWSERS = (
    Middleware(CORSMiddleware, allow_origins=["*"], allow_methods=["GET", "POST"], allow_headers=["*"], max_age=3600),
)
_CACHED = {"Cache-Control": "public, max-age=300"}


def resource_metadata_url(public_url: str, prefix: str = "") -> str:
    """Where the RFC 9728 document about the face under `prefix` is."""
    return well_known(public_url.rstrip("/") + prefix, RESOURCE)


def key_set_url(public_url: str) -> str:
    """Where the public halves of the gateway's own keys are."""
    return f"{public_url.rstrip('/')}/.well-known/jwks.json"


def key_set(*keys: JsonObject) -> JsonObject:
    """The key set of these public keys (RFC 7517, section 5)."""
    return {"keys": list(keys)}


def metadata_routes(
    *,
    public_url: str,
    issuers: Sequence[str],
    jwks: JsonObject,
    prefixes: Sequence[str] = ("/mcp",),
    scopes: Sequence[str] = (),
) -> list[Route]:
    """Routes of one document for the gateway as a whole and one for each face, and of the key set."""
    base = public_url.rstrip("/")
    documents = [
        open_document(resource_metadata_url(base, prefix), _resource(base + prefix, issuers, scopes))
        for prefix in ("", *prefixes)
    ]
    return [*documents, open_document(key_set_url(base), jwks)]


def whereabouts_route(*, public_url: str, grpc: str, issuer: str, mark: Callable[[], str]) -> Route:
    """Where all doors are, for whoever was given only one address: agents' processes, and the examiner.

    `mark` is another word whenever the registry is another, so that an agent's process knows when to look after its
    own entry. It says nothing else of what is registered.
    """
    base = public_url.rstrip("/")
    document: JsonObject = {"mcp": f"{base}/mcp", "agents": f"{base}/agents/", "grpc": grpc, "issuer": issuer}

    async def endpoint(request: Request) -> Response:  # noqa: ARG001 - Starlette's signature
        return JSONResponse({**document, "registry": mark()}, headers={"Cache-Control": "no-cache"})

    path = "/.well-known/interchange.json"
    return Route(urlsplit(base + path).path, endpoint, methods=["GET", "OPTIONS"], middleware=list(OPEN_TO_BROWSERS))


class RegistryMark:
    """The mark of the catalog in force: drawn anew for each, so nobody can tell from it what is in there."""

    def __init__(self, catalog: Callable[[], Catalog]) -> None:
        self._catalog = catalog
        self._marked: Catalog | None = None
        self._mark = ""

    def __call__(self) -> str:
        """The same word for the same catalog."""
        catalog = self._catalog()
        if catalog is not self._marked:
            self._marked, self._mark = catalog, secrets.token_urlsafe(12)
        return self._mark


def open_document(url: str, document: JsonObject) -> Route:
    """A route that answers with one JSON document that never changes while the process lives."""
    answer = JSONResponse(document, headers=_CACHED)

    async def endpoint(request: Request) -> Response:  # noqa: ARG001 - Starlette's signature
        return answer

    return Route(urlsplit(url).path, endpoint, methods=["GET", "OPTIONS"], middleware=list(OPEN_TO_BROWSERS))


def _resource(resource: str, issuers: Sequence[str], scopes: Sequence[str]) -> JsonObject:
    """RFC 9728 §2. Clients refuse a `resource` that is not the URL they were given, or a parent of it."""
    return {
        "resource": resource,
        "resource_name": "Interchange",
        "authorization_servers": list(issuers),
        "bearer_methods_supported": ["header"],
        **({"scopes_supported": list(scopes)} if scopes else {}),
    }
