"""Parts of messages between us and an agent's process."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from interchange.v1 import agent_pb2 as wire

from adapters.parts import read_part, write_part
from registry.model import JsonObject, Part

METADATA = st.dictionaries(st.text(), st.text() | st.booleans() | st.integers(-1_000, 1_000), max_size=3)
CONTENT = (
    st.builds(dict[str, object], text=st.text())
    | st.builds(dict[str, object], raw=st.binary())
    | st.builds(dict[str, object], url=st.text())
    | st.builds(dict[str, object], data=st.none() | st.lists(st.text()) | METADATA)
)


@given(CONTENT, st.text(), st.text(), METADATA)
def test_a_part_that_is_written_is_read_again(
    content: dict[str, str], media_type: str, filename: str, metadata: JsonObject
) -> None:
    part = Part(**content, media_type=media_type, filename=filename, metadata=metadata)  # pyright: ignore[reportArgumentType]
    assert read_part(wire.Part.FromString(write_part(part).SerializeToString())) == part


def test_a_part_has_content() -> None:
    with pytest.raises(ValueError, match="without content"):
        read_part(wire.Part(media_type="text/plain"))


def test_an_empty_text_is_content() -> None:
    assert read_part(wire.Part(text="")) == Part(text="")
