"""Records: dataclasses that nobody changes, for what is made anew with every message.

A frozen dataclass sets each of its fields through a check, and takes three times as long to make. Here the type checker
alone forbids to change one; when it runs, nothing does. Everything that is not made by the thousand is better frozen.
"""

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
def record(cls: type[T]) -> type[T]:
    """Make a class a dataclass with keyword arguments, equal by value, that is not to be changed."""
    return dataclass(slots=True, kw_only=True, unsafe_hash=True)(cls)
