"""What goes in and out of the development issuer, in no framework's words."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from authlib.oauth2.rfc6749.errors import InvalidRequestError

from registry.model import JsonObject

NO_STORE = (("Cache-Control", "no-store"), ("Pragma", "no-cache"))
_STRICT = re.compile(r"[\x20-\x21\x23-\x5b\x5d-\x7e]*")
"""What most parameters are made of (RFC 6749 appendix A); Authlib repeats some in error texts that allow no more."""
_LOOSE = {
    "state": re.compile(r"[\x20-\x7e]*"),
    "client_secret": re.compile(r"[\x20-\x7e]*"),
    "persona": re.compile(r"[^\x00-\x1f\x7f]*"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An HTTP answer. `body` is a JSON object or plain text."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: JsonObject | str = ""

    @property
    def location(self) -> str:
        """Where the browser is sent; empty if nowhere."""
        return next((value for name, value in self.headers if name.lower() == "location"), "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Persona:
    """A person whom one may become."""

    name: str
    title: str
    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """What a person must see before deciding. `ticket` stands for the request, once."""

    ticket: str
    client_name: str
    client_id: str
    redirect_uri: str
    scopes: tuple[str, ...]
    personas: tuple[Persona, ...]


def read_parameters(pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """The parameters of a request; only `resource` may come more than once.

    Raises:
        InvalidRequestError: one is repeated, too long, or has characters that OAuth does not know.
    """
    parameters: dict[str, str] = {}
    for name, value in pairs:
        if name in parameters and name != "resource":
            raise InvalidRequestError("A parameter is repeated.")
        if len(value) > 4096 or not _LOOSE.get(name, _STRICT).fullmatch(value):
            raise InvalidRequestError("A parameter is too long or has illegal characters.")
        parameters[name] = value
    return parameters


def plain(sentence: str) -> str:
    """A sentence in the characters that an OAuth error may have."""
    return "".join(character if _STRICT.fullmatch(character) else "'" for character in sentence)


def told(sentence: str) -> Answer:
    """Tell the person at the browser, where sending them on to the client would not be safe."""
    return Answer(status=400, headers=NO_STORE, body=f"This sign-in cannot go on: {sentence}\n")


def registration_error(code: str, description: str) -> Answer:
    """RFC 7591 §3.2.2."""
    return Answer(status=400, headers=NO_STORE, body={"error": code, "error_description": description})
