"""Extensions of A2A that an agent declares: what they may be, wherever they were written."""

import re
from collections.abc import Iterator, Sequence

from registry.model import Extension

MOST = 16
"""Extensions of one agent."""

LENGTH = 256
"""Characters of a URI."""

# RFC 3986, section 3, but without commas: the header that activates extensions is a list of URIs with commas between.
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:(?:[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+;=]|%[0-9A-Fa-f]{2})+")


def extension_faults(extensions: Sequence[Extension]) -> Iterator[str]:
    """What is wrong with the extensions of an agent, a sentence each."""
    if len(extensions) > MOST:
        yield f"there are {len(extensions)} extensions; {MOST} are possible."
        return
    seen: set[str] = set()
    for extension in extensions:
        uri = extension.uri
        if len(uri) > LENGTH:
            yield f"the URI of an extension has {len(uri)} characters; {LENGTH} are possible."
        elif not _ABSOLUTE.fullmatch(uri):
            yield f'"{uri}" is not an absolute URI, or has a comma: an extension is named by one such as https://….'
        elif uri in seen:
            yield f'the extension "{uri}" is declared twice.'
        seen.add(uri)
