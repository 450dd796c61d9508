"""The development secret: whoever can read `STATE/dev-secret` may become anybody whom the directory knows.

People by the persona grant, agents by a client secret that is worked out from it, so that an agent's process can be
given its credential before the gateway has ever run.
"""

import base64
import hmac
import secrets
from collections.abc import Mapping
from pathlib import Path

from policies.identity.private import read_or_create

FILE = "dev-secret"


def dev_secret(state: Path) -> str:
    """The secret of a state folder, made when absent.

    Raises:
        BadRequest: others may read it.
    """
    return read_or_create(state / FILE, lambda: secrets.token_urlsafe(32).encode()).decode().strip()


def agent_secret(secret: str, client_id: str) -> str:
    """The client secret of an agent's client."""
    digest = hmac.digest(secret.encode(), f"agent:{client_id}".encode(), "sha256")
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def agent_credentials(state: Path, client_id: str) -> Mapping[str, str]:
    """What the process of an agent needs in its environment to be known here.

    Raises:
        BadRequest: others may read the secret of this folder.
    """
    return {"INTERCHANGE_CLIENT_ID": client_id, "INTERCHANGE_CLIENT_SECRET": agent_secret(dev_secret(state), client_id)}
