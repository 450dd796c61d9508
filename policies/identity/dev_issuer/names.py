"""Names that both the issuer and its own commands use."""

import base64
import hmac

PERSONA_GRANT = "urn:interchange:persona"
"""The grant by which whoever holds the development secret becomes any person of the directory."""
CLI_CLIENT = "interchange-cli"
"""The client of the persona grant; its secret is the development secret."""
LOGIN_CLIENT = "interchange"
"""The public client of `interchange login`; on loopback its port is free."""
LOGIN_REDIRECT = "http://127.0.0.1/callback"


def agent_secret(secret: str, client_id: str) -> str:
    """The client secret of an agent of the directory: whoever can read `STATE/dev-secret` can work it out."""
    digest = hmac.digest(secret.encode(), f"agent:{client_id}".encode(), "sha256")
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")
