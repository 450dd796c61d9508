"""What an agent may not settle by itself, though policy lets it publish itself (`baseline.agent-publishes-itself`).

Policies read tags, classifications and approvals that a manifest claims, of an agent also when it is the one who asks.
So what an agent says in its own favour waits for somebody else, even in its first revision; later ones wait anyway. So
do methods that it describes itself, since it could have the gateway call those of any service that it can name the
address of. And what somebody else has retired does not come back with the agent's next start.
"""

from typing import Final

from registry.ledger import Present
from registry.model import (
    Agent,
    Binding,
    Classification,
    Principal,
    PrincipalKind,
    Refused,
    Visibility,
)
from registry.revisions import Offered

CONVERSE: Final = "/interchange.v1.ConversingAgent/Converse"
"""The one method that an agent need not ask anybody about."""


def waits_for_others(offered: Offered, present: Present, by: Principal) -> bool:
    """Whether what somebody offers, where nothing is live, needs somebody else's eyes before it is."""
    if by.kind is not PrincipalKind.AGENT:
        return False
    if present.retired is None:
        return _in_its_own_favour(offered)
    return present.retired.settled is None or present.retired.settled.by != str(by)


def refuse_borrowed_keys(binding: Binding, by: Principal) -> None:
    """Let no agent have the gateway call with a key, or trust a root, that only operators know of; nor learn by asking
    which files there are.

    Raises:
        Refused: it names one.
    """
    tls = binding.tls
    if by.kind is PrincipalKind.AGENT and tls is not None and (tls.ca or tls.certificate or tls.key):
        raise Refused("An agent cannot bind itself with files of the gateway's (tls.ca, tls.certificate, tls.key).")


def _in_its_own_favour(offered: Offered) -> bool:
    """Whether it opens more doors than an agent that only converses and says nothing of itself."""
    content = offered.content
    if content.tags or content.classification < Classification.INTERNAL:
        return True
    if isinstance(content, Agent):
        return content.visibility is Visibility.PUBLIC or content.converse not in {"", CONVERSE}
    return True
