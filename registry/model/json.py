"""JSON values as types, for what crosses rooms untyped: arguments, schemas, structured results.

Inside are only values that strict JSON can hold: the faces refuse NaN, infinities and duplicate keys at the door.
"""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

JsonValue: TypeAlias = "bool | int | float | str | Sequence[JsonValue] | Mapping[str, JsonValue] | None"
JsonObject: TypeAlias = Mapping[str, JsonValue]
