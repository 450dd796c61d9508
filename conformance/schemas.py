"""JSON Schema as an examiner uses it: is a schema one, and does a value fit. Nothing is fetched from any network."""

from typing import Any, cast

import jsonschema_rs
from jsonschema_rs import ReferencingError, ValidationError

_DIALECTS = (
    "https://json-schema.org/draft/2020-12/schema",
    "https://json-schema.org/draft/2019-09/schema",
    "http://json-schema.org/draft-07/schema",
    "http://json-schema.org/draft-06/schema",
    "http://json-schema.org/draft-04/schema",
)


def mistake_in_schema(schema: Any) -> str | None:
    """What is wrong with a schema by its own dialect (2020-12 if it names none), or None.

    A dialect that is not known here is given the benefit of the doubt.
    """
    if not isinstance(schema, dict | bool):
        return "it is no JSON object"
    dialect = cast("dict[str, Any]", schema).get("$schema", _DIALECTS[0]) if isinstance(schema, dict) else _DIALECTS[0]
    if not isinstance(dialect, str):
        return "its $schema is no text"
    if dialect.rstrip("#") not in _DIALECTS:
        return None
    try:
        jsonschema_rs.meta.validate(cast("Any", schema))
    except (ValidationError, ReferencingError, ValueError) as error:
        return _sentence(error)
    return None


def misfit(value: Any, schema: Any) -> str | None:
    """Why a value does not fit a schema, or None if it does.

    Raises:
        ValueError: the schema cannot be used, for example because it points at a network address.
    """
    try:
        validator = jsonschema_rs.validator_for(schema, offline=True)
    except (ValidationError, ReferencingError) as error:
        raise ValueError(_sentence(error)) from None
    error = next(iter(validator.iter_errors(value)), None)
    return None if error is None else f"at {_pointer(error)}: {error.message}"


def _pointer(error: ValidationError) -> str:
    return "/" + "/".join(str(step) for step in error.instance_path)


def _sentence(error: Exception) -> str:
    return str(error).partition("\n")[0]
