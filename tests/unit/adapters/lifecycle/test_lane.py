"""The lane of one who follows a turn: no piece twice, none out of its order, whatever gets lost on the way."""

from hypothesis import given
from hypothesis import strategies as st

from adapters.lifecycle.feeds import Chunk, Drafted, Lane, Piece, read_notice, write_notice
from registry.model import Artifact, Part, Progress


def piece(text: str, *, append: bool = True) -> Artifact:
    return Artifact(id="", parts=(Part(text=text),), append=append)


def chunk(number: int, *, fence: int = 1, text: str = "") -> Chunk:
    return Chunk(fence=fence, number=number, pieces=(piece(text or f"{number} ", append=number > 1),))


def words(pieces: tuple[Piece, ...]) -> list[str]:
    return [part.text or "" for each in pieces if isinstance(each, Artifact) for part in each.parts]


def test_chunks_in_their_order_are_handed_on_as_they_come() -> None:
    lane = Lane()
    assert [words(lane.hear(chunk(n))) for n in (1, 2, 3)] == [["1 "], ["2 "], ["3 "]]


def test_a_chunk_that_comes_twice_is_handed_on_once() -> None:
    lane = Lane()
    lane.hear(chunk(1))
    assert lane.hear(chunk(1)) == ()


def test_behind_a_gap_nothing_is_handed_on_until_a_draft_closes_it() -> None:
    lane = Lane()
    lane.hear(chunk(1))
    assert lane.hear(chunk(3)) == ()
    assert lane.is_short
    draft = Drafted(fence=1, number=2)
    assert lane.is_behind(draft)
    restarted = lane.restart(draft, [piece("1 2 ", append=False)])
    assert words(restarted) == ["1 2 ", "3 "]
    assert words(lane.hear(chunk(4))) == ["4 "]


def test_an_old_draft_closes_nothing() -> None:
    lane = Lane(fence=1, number=5)
    assert lane.restart(Drafted(fence=1, number=5), [piece("old")]) == ()


def test_a_new_attempt_begins_anew_and_the_old_one_is_heard_no_more() -> None:
    lane = Lane()
    lane.hear(chunk(1))
    assert words(lane.hear(chunk(1, fence=2, text="again"))) == ["again"]
    assert lane.hear(chunk(2, fence=1)) == ()


@given(
    lost=st.sets(st.integers(1, 30)),
    doubled=st.sets(st.integers(1, 30)),
    drafts=st.sets(st.integers(1, 30)),
    late=st.integers(0, 10),
)
def test_whatever_is_lost_doubled_or_late_what_was_told_is_how_it_began(
    lost: set[int], doubled: set[int], drafts: set[int], late: int
) -> None:
    lane = Lane(fence=1, number=late)
    told = "".join(f"{n} " for n in range(1, late + 1))
    for number in range(1, 31):
        heard = [] if number in lost else [chunk(number)] * (2 if number in doubled else 1)
        steps = [lane.hear(each) for each in heard]
        if number in drafts:
            whole = "".join(f"{n} " for n in range(1, number + 1))
            steps.append(lane.restart(Drafted(fence=1, number=number), [piece(whole, append=False)]))
        for step in steps:
            for each in step:
                assert isinstance(each, Artifact)
                said = "".join(part.text or "" for part in each.parts)
                told = told + said if each.append else said
        truth = "".join(f"{n} " for n in range(1, 31))
        assert truth.startswith(told)
        if number in drafts and number >= late:
            assert not lane.is_short
            assert told.endswith(f"{number} ")


def test_notices_cross_the_fabric_as_they_are() -> None:
    pieces: tuple[Piece, ...] = (
        Artifact(id="t", parts=(Part(data={"a": 1}), Part(raw=b"\x00")), name="n", append=True, last=True),
        Progress(progress=1.0, total=None, text="x"),
    )
    for notice in (Chunk(fence=3, number=4, pieces=pieces), Drafted(fence=3, number=4)):
        assert read_notice(write_notice(notice)) == notice


@given(st.binary(max_size=60))
def test_what_makes_no_sense_on_the_fabric_is_nothing(payload: bytes) -> None:
    read_notice(payload)  # it may be anything, and raises nothing
    assert read_notice(b"{" + payload) is None
