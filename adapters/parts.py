"""Content as it passes between us and an agent's process: `interchange.v1.Part` and ours.

What a stranger wrote is read here and nowhere else, so that every adapter refuses the same parts.
"""

from interchange.v1 import agent_pb2 as wire

from adapters.values import read_struct, read_value, write_struct, write_value
from registry.model import Part


def read_part(part: wire.Part) -> Part:
    """A part as ours.

    Raises:
        ValueError: it has no content, or a number that JSON does not have.
    """
    kind = part.WhichOneof("content")
    if kind is None:
        raise ValueError("a part without content")
    return Part(
        text=part.text if kind == "text" else None,
        raw=part.raw if kind == "raw" else None,
        url=part.url if kind == "url" else None,
        data=read_value(part.data) if kind == "data" else None,
        media_type=part.media_type,
        filename=part.filename,
        metadata=read_struct(part.metadata) if part.HasField("metadata") else {},
    )


def write_part(part: Part) -> wire.Part:
    """One of our parts in the agent's words.

    Raises:
        ValueError: its data or metadata hold what protobuf cannot.
    """
    written = wire.Part(media_type=part.media_type, filename=part.filename)
    if part.metadata:
        write_struct(part.metadata, written.metadata)
    if part.text is not None:
        written.text = part.text
    elif part.raw is not None:
        written.raw = part.raw
    elif part.url is not None:
        written.url = part.url
    else:
        write_value(part.data, written.data)
    return written
