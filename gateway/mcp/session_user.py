"""Who the MCP SDK believes a request's user to be: it binds sessions of older revisions to exactly this.

The SDK compares client, issuer and subject, and recognises only its own class. It never gets the token. An agent that
acts for somebody is somebody else than the same agent alone.
"""

from functools import lru_cache

from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken

from policies.identity.tokens import Verified


@lru_cache(maxsize=4096)
def session_user(verified: Verified) -> AuthenticatedUser:
    """The SDK's idea of a verified caller; goes into `scope["user"]`."""
    return AuthenticatedUser(
        AccessToken(
            token="",  # what is not there cannot leak
            client_id=verified.client_id,
            scopes=sorted(verified.scopes),
            expires_at=int(verified.expires_at),
            subject=_subject(verified),
            claims={"iss": verified.principal.issuer},
        )
    )


def _subject(verified: Verified) -> str:
    """The bearer, and all for whom it acts. No subject has the characters between them: the directory refuses it."""
    links = [f"{link.issuer}\x1e{link.subject}" for link in verified.behind]
    return "\x1f".join([*links, verified.principal.subject])
