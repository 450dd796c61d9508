"""Regular expressions for what ProtoJSON writes as text: 64-bit integers, the keys of maps, bytes.

JSON Schema cannot compare such strings, so a range becomes an expression that exactly its members match.
"""

from functools import lru_cache


@lru_cache(maxsize=256)
def decimal_pattern(low: int, high: int) -> str:
    """An anchored expression for the canonical decimals from `low` to `high`, both included."""
    parts: list[str] = []
    common = min(-low, high)
    if common > 0:
        parts.append(f"-?(?:{'|'.join(_between(1, common))})")
    if low <= 0 <= high:
        parts.append("0")
    parts += [f"-{part}" for part in _between(max(1, -high, common + 1), -low)]
    parts += _between(max(1, low, common + 1), high)
    return f"^(?:{'|'.join(parts)})$"


def _between(low: int, high: int) -> list[str]:
    """Expressions for the numbers from `low` to `high`, neither negative, without leading zeros."""
    found: list[str] = []
    while low <= high:
        end = _last_of_same_shape(low, high)
        found.append(_digits(low, end))
        low = end + 1
    return _merged(found, high)


def _last_of_same_shape(low: int, high: int) -> int:
    """The greatest end such that low..end differ from each other only in the last digits, each freely."""
    step = 1
    while low and low % (step * 10) == 0 and low + step * 10 - 1 <= high:
        step *= 10
    last = min(9 - (low // step) % 10, (high - low + 1) // step - 1)
    return low + step * (last + 1) - 1


def _digits(low: int, end: int) -> str:
    expression, free = "", 0
    for first, last in zip(str(low), str(end), strict=True):
        if first == "0" and last == "9":
            free += 1
        else:
            expression += first if first == last else f"[{first}-{last}]"
    return expression + ("" if not free else "[0-9]" if free == 1 else f"[0-9]{{{free}}}")


def _merged(parts: list[str], high: int) -> list[str]:
    """Joins what is `[1-9]` and any number of digits: the bulk of a large range in one part."""
    lengths = [number for number in range(1, len(str(high)) + 1) if _whole(number) in parts]
    if len(lengths) < 2 or lengths != list(range(lengths[0], lengths[-1] + 1)):
        return parts
    bulk = f"[1-9][0-9]{{{lengths[0] - 1},{lengths[-1] - 1}}}"
    return [*(part for part in parts if part not in map(_whole, lengths)), bulk]


def _whole(digits: int) -> str:
    return "[1-9]" if digits == 1 else "[1-9][0-9]" if digits == 2 else f"[1-9][0-9]{{{digits - 1}}}"


def base64_pattern(shortest: int, longest: int | None) -> str:
    """An anchored expression for the padded base64 of so many bytes; `longest` None is any number."""
    parts: list[str] = []
    for rest, tail in enumerate(_TAILS):
        least = max(0, -(-(shortest - rest) // 3))
        most = None if longest is None else (longest - rest) // 3
        if most is None or most >= least:
            parts.append(f"(?:[A-Za-z0-9+/]{{4}}){_times(least, most)}{tail}")
    return f"^(?:{'|'.join(parts)})$"


_TAILS = ("", "[A-Za-z0-9+/][AQgw]==", "[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=")


def _times(least: int, most: int | None) -> str:
    if most is None:
        return "*" if least == 0 else f"{{{least},}}"
    return f"{{{least},{most}}}"
