"""What of a message may be left out: buf.validate's own engine judges an empty one.

So `required`, a `min_len` on a field whose absence reads as "", and rules written in CEL are all found the same way,
and the answer is by construction the one a call would get.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import protovalidate
from google.protobuf.message import Message
from protovalidate import FieldPathElementPb


@dataclass(frozen=True, slots=True, kw_only=True)
class Needed:
    """Names (as in the proto) of the fields that must be there, and of the oneofs of which one member must be."""

    fields: frozenset[str] = frozenset()
    oneofs: frozenset[str] = frozenset()


EVERYTHING_OPTIONAL = Needed()


class BrokenRulesError(Exception):
    """The rules of a message cannot be enforced; the text says why, in buf.validate's words."""


class Presence:
    """Knows what is needed of each message, asked once per message."""

    def __init__(self) -> None:
        self._validator = protovalidate.Validator()
        self._known: dict[str, Needed] = {}

    def of(self, message: type[Message]) -> Needed:
        """What must be present in a message.

        Raises:
            BrokenRulesError: a rule does not compile or does not fit its field.
        """
        name = message.DESCRIPTOR.full_name
        if name not in self._known:
            self._known[name] = self._ask(message)
        return self._known[name]

    def faults(self, message: Message, *, apart_from: frozenset[str]) -> list[str]:
        """What buf.validate says against a message, a sentence each, leaving out some of its fields."""
        found: list[str] = []
        for violation in self._validator.collect_violations(message):
            path = violation.proto.field.elements if violation.proto.field else []
            if not path or path[0].field_name not in apart_from:
                found.append(".".join([*(each.field_name for each in path)]) + f": {violation.proto.message}")
        return found

    def _ask(self, message: type[Message]) -> Needed:
        fields: set[str] = set()
        oneofs: set[str] = set()
        for path in self._paths(message):
            (oneofs if path.field_number == 0 else fields).add(path.field_name)
        required = {field.name for field in message.DESCRIPTOR.fields if field.is_required}
        return Needed(fields=frozenset(fields | required), oneofs=frozenset(oneofs))

    def _paths(self, message: type[Message]) -> Iterator[FieldPathElementPb]:
        try:
            violations = self._validator.collect_violations(message())
        except protovalidate.CompilationError as error:
            raise BrokenRulesError(" ".join(str(error).split())) from error
        except protovalidate.EvaluationError:  # a rule that cannot judge an empty message, only a fuller one
            return
        for violation in violations:
            path = violation.proto.field
            if path is not None and len(path.elements) == 1:
                yield path.elements[0]
