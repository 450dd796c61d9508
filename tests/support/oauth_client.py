"""What the official client needs for a login: a place to keep things, and a person at a browser."""

from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthToken

from tests.support.oauth_login import Redirected, log_in


class Storage:
    """What a client keeps."""

    def __init__(self) -> None:
        self.tokens: OAuthToken | None = None
        self.client: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


class Person:
    """Sits at the browser and picks a persona."""

    def __init__(self, persona: str) -> None:
        self._persona = persona
        self._back: Redirected | None = None
        self.logins = 0

    async def open(self, url: str) -> None:
        self.logins += 1
        self._back = await log_in(url, self._persona)

    async def come_back(self) -> AuthorizationCodeResult:
        assert self._back is not None
        return AuthorizationCodeResult(code=self._back.code, state=self._back.state, iss=self._back.iss)
