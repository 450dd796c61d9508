"""Plans: what is the same for every call of a revision, made at its first call and kept while it is used."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from adapters.base import Permitted
from adapters.grpc.codec import Codec, codec_for
from adapters.grpc.metadata import audience
from adapters.grpc.results import Answers, MessageAnswers, SpokenAnswers
from adapters.grpc.spans import Opening, opening
from adapters.grpc.statuses import Asked
from registry.model import Digest, Pin, Skill, SkillId

KEPT: Final = 4_096
"""Plans kept; the least recently used go first."""

PlanKey = tuple[SkillId, Pin, Digest]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How to speak to one revision of a skill."""

    codec: Codec
    answers: Answers
    asked: Asked
    audience: str
    opening: Opening


class Plans:
    """A bounded store of plans."""

    def __init__(self) -> None:
        self._plans: OrderedDict[PlanKey, Plan] = OrderedDict()

    def plan(self, permitted: Permitted) -> Plan:
        """The plan of this call's revision."""
        entry = permitted.entry
        key = (entry.skill.id, entry.pin, entry.descriptors)
        found = self._plans.get(key)
        if found is not None:
            self._plans.move_to_end(key)
            return found
        found = self._plans[key] = _made(entry.skill, permitted.descriptor_set())
        if len(self._plans) > KEPT:
            self._plans.popitem(last=False)
        return found


def _made(skill: Skill, descriptor_set: bytes) -> Plan:
    codec = codec_for(descriptor_set, input_type=skill.input_type, output_type=skill.output_type)
    return Plan(
        codec=codec,
        answers=SpokenAnswers(skill.id) if skill.speaks_for_itself else MessageAnswers(codec),
        asked=Asked(name=skill.id, repeatable=skill.hints.repeatable),
        audience=audience(skill.agent),
        opening=opening(skill.method),
    )
