"""Other people's text, made fit to be shown: cut to so many bytes and without control characters."""


def cut(text: str, limit: int) -> str:
    """The beginning of `text`, at most `limit` bytes of UTF-8, whole characters only."""
    return text[:limit].encode(errors="replace")[:limit].decode(errors="ignore")


def clean(text: str, limit: int) -> str:
    """`cut`, with a space for whatever does not print: controls, direction marks, lone surrogates."""
    return cut("".join(char if char.isprintable() else " " for char in text[:limit]), limit).strip()
