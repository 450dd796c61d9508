"""Between a turn's words and LangChain's: messages with parts become HumanMessage and AIMessage, and an answer becomes
parts again.

The sender tells which: what this very agent said is an AIMessage, everything else was said to it. Data goes to the
model as JSON text; images, audio, video and PDF as the content blocks that LangChain's models read; of any other file
the model is told that it is there.
"""

import base64
import json
from collections.abc import Iterable, Sequence
from typing import Any, cast

from interchange.v1 import agent_pb2 as pb
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from interchange_client.parts import data_of

Block = dict[str, Any]
"""A content block of LangChain, as JSON."""

_SEEN = ("image", "audio", "video")


def read_messages(messages: Iterable[pb.Message], *, agent: str) -> list[BaseMessage]:
    """What was said, in order, as `agent` remembers it; messages without content are left out.

    A message keeps its id, so that a graph with a memory takes a second attempt for what it is.
    """
    return [_read_message(message, agent) for message in messages if message.parts]


def _read_message(message: pb.Message, agent: str) -> BaseMessage:
    said_here = message.sender.kind == pb.Principal.AGENT and message.sender.name == agent
    kind = AIMessage if said_here else HumanMessage
    return kind(content=cast("Any", read_content(message.parts)), id=message.id or None)


def read_content(parts: Sequence[pb.Part]) -> str | list[Block]:
    """Parts as the content of a message: one text where text is all there is, otherwise content blocks."""
    blocks = [_read_part(part) for part in parts]
    if all(block["type"] == "text" for block in blocks):
        return "\n\n".join(block["text"] for block in blocks)
    return blocks


def _read_part(part: pb.Part) -> Block:
    kind, type_ = part.WhichOneof("content"), _block_type(part.media_type)
    if kind == "data":
        return _text(json.dumps(data_of([part]), ensure_ascii=False, sort_keys=True))
    if kind == "raw" and part.media_type.startswith("text/"):
        return _text(part.raw.decode(errors="replace"))
    if kind == "raw" and type_:
        return {"type": type_, "base64": base64.b64encode(part.raw).decode(), "mime_type": part.media_type}
    if kind == "url" and type_:
        return {"type": type_, "url": part.url, "mime_type": part.media_type}
    if kind in {"raw", "url"}:
        described = (part.filename or "A file", f"({part.media_type or 'of unknown type'})", part.url)
        return _text(f"[{' '.join(filter(None, described))}]")
    return _text(part.text)


def _text(text: str) -> Block:
    return {"type": "text", "text": text}


def _block_type(media_type: str) -> str:
    """The type of block that carries this; empty if models read nothing of the kind."""
    family = media_type.partition("/")[0]
    return family if family in _SEEN else "file" if media_type == "application/pdf" else ""


def write_parts(message: AIMessage) -> list[pb.Part]:
    """What a message says to others: its text and what it shows. Reasoning and calls of tools are its own business."""
    shown = [part for block in message.content_blocks if (part := _write_block(cast("Block", block))) is not None]
    return [pb.Part(text=message.text), *shown] if message.text else shown


def _write_block(block: Block) -> pb.Part | None:
    if block["type"] not in (*_SEEN, "file"):
        return None
    media_type = str(block.get("mime_type") or "")
    if "base64" in block:
        return pb.Part(raw=base64.b64decode(block["base64"]), media_type=media_type)
    return pb.Part(url=str(block["url"]), media_type=media_type) if "url" in block else None
