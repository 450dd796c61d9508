"""What can go wrong between an agent and its gateway, and how an agent says that it failed.

`GatewayError` is what an agent's code catches; `AgentFailure` is what it raises. `TokenRefused` stays inside: whoever
calls an agent without a good token is told nothing more than that.
"""

RETRYABLE = frozenset({"unavailable", "overloaded", "deadline_passed"})
"""Codes of errors that may be gone a moment later."""


class GatewayError(Exception):
    """The gateway refused, failed or could not be reached; `message` is its own sentence wherever it said one.

    `code` is one word: `denied`, `unauthenticated`, `needs_scope`, `bad_request`, `unknown`, `too_large`, `overloaded`,
    `unavailable`, `deadline_passed`, `garbled`, `internal`, or what the gateway called it.
    """

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.message = message
        self.code = code

    @property
    def retryable(self) -> bool:
        """Whether the same may work a moment later."""
        return self.code in RETRYABLE


class PublishRefused(GatewayError):
    """The gateway does not take what an agent publishes, and asking again will not change that."""


class AgentFailure(Exception):
    """Raised by an agent's code to end its turn as failed; `text` is shown to whoever asked.

    Of any other exception the caller learns nothing but that the agent failed.
    """

    def __init__(self, text: str, *, code: str = "failed", retryable: bool = False) -> None:
        super().__init__(text)
        self.text = text
        self.code = code
        self.retryable = retryable


class TokenRefused(Exception):
    """A call to the agent came without a good internal token; `reason` is for the agent's own log."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
