"""Pins: the digest of everything a client sees and a policy reads of a skill or an agent.

Two revisions with one pin are interchangeable to whoever looked at the first; any other change waits for somebody who
looks at it. Outside a pin are only how long the gateway waits, the way a call travels there, and where the far side is.
"""

import hashlib
import json
from dataclasses import replace

from registry.manifest import write_agent, write_skill
from registry.model import Agent, BadRequest, Digest, Invocation, JsonObject, Pin, Skill, TurnRules


def pin_skill(skill: Skill) -> Pin:
    """The pin of a skill: all of it except its timeout and invocation."""
    return Pin(digest_json(write_skill(replace(skill, timeout=0.0, invocation=Invocation.DIRECT))))


def pin_agent(agent: Agent) -> Pin:
    """The pin of an agent: all of it except its turn rules and its skills, which have pins of their own."""
    return Pin(digest_json(write_agent(replace(agent, turns=TurnRules(), skills=()))))


def digest_json(document: JsonObject) -> str:
    """`sha256:` and the digest of a document's canonical JSON: sorted keys, no spaces, UTF-8.

    Raises:
        BadRequest: a text in it cannot be written as UTF-8.
    """
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    try:
        return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
    except UnicodeEncodeError as error:
        around = text[max(0, error.start - 40) : error.start]
        raise BadRequest(f"After {around!r} the text is not Unicode: half of a surrogate pair.") from None


def digest_bytes(data: bytes) -> Digest:
    """`sha256:` and the digest of some bytes."""
    return Digest(f"sha256:{hashlib.sha256(data).hexdigest()}")
