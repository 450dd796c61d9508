"""What an agent answers: events in, emissions and a result out."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from google.protobuf.message import DecodeError
from google.protobuf.struct_pb2 import Struct, Value
from hypothesis import given
from hypothesis import strategies as st
from interchange.v1 import agent_pb2 as wire

from adapters.turn_events import PART_COST, TurnLimits, read_turn
from registry.model import (
    Artifact,
    Delta,
    Emission,
    FarSideError,
    FarSideFault,
    Part,
    Progress,
    Result,
    Said,
    TooLarge,
)
from tests.support.turns import Listener, artifact, delta, done, failed, message, status, texts, turn

Event = wire.TurnEvent


async def stream(*events: Event) -> AsyncIterator[Event]:
    for event in events:
        yield event


async def told(*events: Event, limits: TurnLimits | None = None) -> tuple[list[Emission], Result]:
    """What is emitted and what is the result, of those events."""
    listener = Listener()
    result = await read_turn(stream(*events), listener, turn=turn(), limits=limits or TurnLimits())
    return listener.heard, result


async def result_of(*events: Event) -> Result:
    return (await told(*events))[1]


async def refused(*events: Event, limits: TurnLimits | None = None) -> FarSideError:
    with pytest.raises(FarSideError) as caught:
        await told(*events, limits=limits)
    return caught.value


async def garbled(*events: Event) -> str:
    error = await refused(*events)
    assert (error.fault, error.retryable) == (FarSideFault.GARBLED, False)
    assert error.message.startswith("desk answered with what cannot be read: ")
    return error.message


# --- the answer


async def test_the_end_says_the_answer_and_of_which_turn_it_is() -> None:
    of = turn()
    result = await read_turn(stream(done("42", model="m", tokens=7)), Listener(), turn=of)
    assert result == Result(
        parts=texts("42"), metadata={"model": "m", "tokens": 7}, turn=of.id, conversation=of.conversation
    )


async def test_pieces_are_emitted_one_by_one_and_the_end_is_the_truth() -> None:
    heard, result = await told(delta("fourty"), delta("-two"), done("forty-two"))
    assert heard == [Delta(part=Part(text="fourty")), Delta(part=Part(text="-two"))]
    assert result.parts == texts("forty-two")


async def test_pieces_that_nothing_says_whole_are_what_was_said() -> None:
    assert (await result_of(delta("forty"), delta("-two"), done())).parts == texts("forty-two")


async def test_messages_are_said_before_the_end_and_part_of_the_answer_in_order() -> None:
    heard, result = await told(message("Wait.", "Please."), message("Here:"), done("42"))
    assert heard == [Said(parts=texts("Wait.", "Please.")), Said(parts=texts("Here:"))]
    assert result.parts == texts("Wait.", "Please.", "Here:", "42")


async def test_after_messages_the_end_may_be_empty() -> None:
    assert (await result_of(message("Done."), done())).parts == texts("Done.")


async def test_pieces_before_a_message_were_pieces_of_it() -> None:
    assert (await result_of(delta("Do"), delta("ne"), message("Done."), done())).parts == texts("Done.")


async def test_pieces_after_the_last_message_are_not_lost() -> None:
    assert (await result_of(message("Wait."), delta("4"), delta("2"), done())).parts == texts("Wait.", "42")


async def test_an_agent_may_have_nothing_to_say() -> None:
    assert (await result_of(done())).parts == ()


async def test_only_texts_that_differ_in_nothing_else_are_put_together() -> None:
    code = Part(text="x", media_type="text/x-python")
    pieces = [wire.Part(text="a"), wire.Part(text="b"), wire.Part(text="x", media_type="text/x-python")]
    pieces += [wire.Part(raw=b"1"), wire.Part(raw=b"1"), wire.Part(text="c"), wire.Part(text="d")]
    result = await result_of(*(Event(delta=wire.Delta(part=part)) for part in pieces), done())
    assert result.parts == (Part(text="ab"), code, Part(raw=b"1"), Part(raw=b"1"), Part(text="cd"))


async def test_pieces_of_nothing_are_passed_over() -> None:
    heard, result = await told(delta(""), delta("a"), delta(""), done())
    assert heard == [Delta(part=Part(text="a"))]
    assert result.parts == texts("a")


@given(st.lists(st.text(), max_size=10))
async def test_however_an_answer_is_cut_into_pieces_it_is_the_same(pieces: list[str]) -> None:
    result = await result_of(*map(delta, pieces), done())
    assert "".join(part.text or "" for part in result.parts) == "".join(pieces)
    assert len(result.parts) <= 1


async def test_every_kind_of_part_is_read() -> None:
    struct = Struct()
    struct.update({"n": 3})
    parts = [
        wire.Part(raw=b"\x89PNG", media_type="image/png", filename="a.png"),
        wire.Part(url="https://example.com/x"),
        wire.Part(data=Value(struct_value=struct)),
        wire.Part(text="x", metadata=struct),
    ]
    result = await result_of(Event(done=wire.Done(parts=parts)))
    assert result.parts == (
        Part(raw=b"\x89PNG", media_type="image/png", filename="a.png"),
        Part(url="https://example.com/x"),
        Part(data={"n": 3}),
        Part(text="x", metadata={"n": 3}),
    )


async def test_who_says_a_message_and_when_is_not_the_agents_to_tell() -> None:
    forged = wire.Message(
        id="m-1",
        conversation_id="another",
        turn_id="another",
        seq=7,
        sender=wire.Principal(kind=wire.Principal.PERSON, name="root"),
        parts=[wire.Part(text="hi")],
    )
    forged.at.FromDatetime(datetime(1999, 1, 1, tzinfo=UTC))
    heard, _ = await told(Event(message=forged), done())
    assert heard == [Said(parts=texts("hi"))]


# --- artifacts


async def test_an_artifact_grows_by_what_is_appended() -> None:
    events = [artifact("a", "one", title="A"), artifact("a", "two", append=True), artifact("a", "three", append=True)]
    heard, result = await told(*events, done())
    assert heard == [
        Artifact(id="a", parts=texts("one"), name="A"),
        Artifact(id="a", parts=texts("two"), append=True),
        Artifact(id="a", parts=texts("three"), append=True),
    ]
    assert result.artifacts == (Artifact(id="a", parts=texts("one", "two", "three"), name="A", last=True),)


async def test_an_artifact_that_does_not_append_replaces_the_one_before() -> None:
    events = [artifact("a", "one", description="first"), artifact("a", "two", title="A")]
    result = await result_of(*events, done())
    assert result.artifacts == (Artifact(id="a", parts=texts("two"), name="A", description="first", last=True),)


async def test_what_is_appended_to_nothing_begins_an_artifact() -> None:
    heard, _ = await told(artifact("a", "one", append=True), done())
    assert heard == [Artifact(id="a", parts=texts("one"))]


async def test_artifacts_are_in_the_order_in_which_they_were_begun() -> None:
    result = await result_of(artifact("b", "1"), artifact("a", "2"), artifact("b", "3", append=True), done())
    assert [made.id for made in result.artifacts] == ["b", "a"]


async def test_the_last_piece_of_an_artifact_may_be_empty() -> None:
    heard, result = await told(artifact("a", "one"), artifact("a", append=True, last=True), done())
    assert heard[1] == Artifact(id="a", parts=(), append=True, last=True)
    assert result.artifacts == (Artifact(id="a", parts=texts("one"), last=True),)


async def test_pieces_of_an_artifact_that_nothing_says_whole_are_the_artifact() -> None:
    heard, result = await told(delta("on", "a"), delta("e", "a"), done("ok"))
    assert heard == [Delta(part=Part(text="on"), artifact="a"), Delta(part=Part(text="e"), artifact="a")]
    assert result.artifacts == (Artifact(id="a", parts=texts("one"), last=True),)
    assert result.parts == texts("ok")


async def test_an_artifact_said_whole_replaces_its_pieces() -> None:
    heard, result = await told(delta("on", "a"), artifact("a", "one"), done())
    assert heard[1] == Artifact(id="a", parts=texts("one"))
    assert result.artifacts == (Artifact(id="a", parts=texts("one"), last=True),)


async def test_who_has_pieces_of_what_is_appended_is_told_the_whole_anew() -> None:
    heard, result = await told(artifact("a", "one"), delta("tw", "a"), artifact("a", "two", append=True), done())
    assert heard[2] == Artifact(id="a", parts=texts("one", "two"))
    assert result.artifacts == (Artifact(id="a", parts=texts("one", "two"), last=True),)


async def test_an_artifact_of_pieces_alone_may_be_closed() -> None:
    heard, result = await told(delta("one", "a"), artifact("a", append=True, last=True, title="A"), done())
    assert heard[1] == Artifact(id="a", parts=texts("one"), name="A", last=True)
    assert result.artifacts == (Artifact(id="a", parts=texts("one"), name="A", last=True),)


async def test_a_message_may_bring_artifacts() -> None:
    brought = wire.Message(parts=[wire.Part(text="See:")], artifacts=[artifact("a", "one").artifact])
    heard, result = await told(Event(message=brought), done())
    assert heard == [Said(parts=texts("See:")), Artifact(id="a", parts=texts("one"))]
    assert [made.id for made in result.artifacts] == ["a"]


# --- progress


async def test_a_status_is_progress() -> None:
    heard, _ = await told(status("Searching", 2, 5), done())
    assert heard == [Progress(progress=2, total=5, text="Searching")]


async def test_statuses_without_numbers_are_counted_so_that_they_grow() -> None:
    heard, _ = await told(status("a"), status("b"), done())
    assert heard == [Progress(progress=1, text="a"), Progress(progress=2, text="b")]


async def test_the_text_of_a_status_is_cut() -> None:
    [progress], _ = await told(status("é" * 2_000), done())
    assert isinstance(progress, Progress)
    assert 1_000 < len(progress.text.encode()) <= 1_024


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
async def test_a_status_whose_numbers_are_none_is_garbled(number: float) -> None:
    await garbled(status(progress=number), done())
    await garbled(status(total=number), done())


# --- ends


async def test_an_agent_that_gives_up_is_quoted() -> None:
    error = await refused(message("Let me see."), failed("Nobody fits.", "no_candidates"))
    assert error.message == "desk gave up (no_candidates): Nobody fits."
    assert (error.fault, error.retryable) == (FarSideFault.REJECTED, False)


async def test_an_agent_may_give_up_without_a_word_and_for_now() -> None:
    error = await refused(failed(retryable=True))
    assert error.message == "desk gave up."
    assert error.retryable


async def test_what_an_agent_says_when_it_gives_up_is_cleaned_and_cut() -> None:
    error = await refused(failed("\x1b[31m" + "Bearer abc.def " + "x" * 5_000, "c" * 500))
    assert error.message.isprintable()
    assert "abc.def" not in error.message
    assert len(error.message) < 1_200


async def test_a_question_ends_the_attempt_and_is_what_came_of_it() -> None:
    asked = wire.Question(id="q", text="Which?", kind=wire.Question.CLARIFICATION)
    asked.expires_at.FromSeconds(int(time.time()) + 600)
    result = await result_of(message("One of two."), Event(question=asked))
    assert result.question is not None
    assert (result.question.id, result.question.kind, result.question.text) == ("q", "clarification", "Which?")
    assert result.question.expires_in is not None
    assert 500 < result.question.expires_in <= 600
    assert result.said == 1


@pytest.mark.parametrize("kind", [wire.Question.APPROVAL, wire.Question.REVIEW, wire.Question.CONSENT])
async def test_what_only_others_could_answer_cannot_be_asked(kind: wire.Question.Kind) -> None:
    error = await refused(Event(question=wire.Question(id="q", text="May I?", kind=kind)))
    assert error.fault is FarSideFault.UNSUPPORTED
    assert error.message.startswith("desk asks for what nobody here can give")


@pytest.mark.parametrize("id_", ["", "x" * 300, "a\nb"])
async def test_a_question_has_an_id(id_: str) -> None:
    assert "the question id" in await garbled(Event(question=wire.Question(id=id_, text="Which?")))


async def test_an_answer_is_put_off_for_a_day_at_most() -> None:
    result = await result_of(delta("a"), Event(deferred=wire.Deferred(reason="later")))
    assert result.deferral is not None
    assert (result.deferral.seconds, result.deferral.reason) == (86_400.0, "later")
    assert [part.text for part in result.parts] == ["a"]


async def test_what_was_said_as_a_message_is_told_apart_from_the_end() -> None:
    result = await result_of(delta("he"), message("hello"), delta("by"), done("bye"))
    assert [part.text for part in result.parts] == ["hello", "bye"]
    assert result.said == 1


async def test_without_an_end_there_is_no_answer() -> None:
    assert "without an end" in await garbled()
    assert "without an end" in await garbled(delta("a"), message("b"))


@pytest.mark.parametrize("more", [done("b"), failed("x"), delta("b"), message("b"), status("b"), Event()])
async def test_nothing_comes_after_the_end(more: Event) -> None:
    assert "after its end" in await garbled(done("a"), more)


async def test_who_hangs_up_late_has_answered_all_the_same() -> None:
    async def events() -> AsyncIterator[Event]:
        yield done("a")
        await asyncio.Event().wait()

    result = await read_turn(events(), Listener(), turn=turn(), limits=TurnLimits(closing=0))
    assert result.parts == texts("a")


async def test_a_timeout_of_the_stream_itself_is_not_taken_for_a_late_end() -> None:
    async def events() -> AsyncIterator[Event]:
        yield done("a")
        raise TimeoutError

    with pytest.raises(TimeoutError):
        await read_turn(events(), Listener(), turn=turn())


# --- what is no event


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(Event(), id="empty"),
        pytest.param(Event.FromString(b"\xfa\x3e\x01x"), id="of a later protocol"),
        pytest.param(Event(delta=wire.Delta()), id="a piece of nothing"),
        pytest.param(Event(delta=wire.Delta(part=wire.Part(filename="x"))), id="a piece without content"),
        pytest.param(Event(message=wire.Message()), id="an empty message"),
        pytest.param(Event(message=wire.Message(parts=[wire.Part()])), id="a message of empty parts"),
        pytest.param(Event(message=wire.Message(kind=wire.Message.CANCELLED, parts=[wire.Part(text="x")])), id="kind"),
        pytest.param(artifact("", "x"), id="an artifact without an id"),
        pytest.param(artifact("a" * 257, "x"), id="an id too long"),
        pytest.param(artifact("a\nb", "x"), id="an id that does not print"),
        pytest.param(delta("x", "a\nb"), id="a piece of such an artifact"),
        pytest.param(artifact("a"), id="an empty artifact"),
        pytest.param(artifact("a", append=True), id="nothing appended to nothing"),
        pytest.param(Event(done=wire.Done(parts=[wire.Part()])), id="an end of empty parts"),
        pytest.param(
            Event(message=wire.Message(parts=[wire.Part(data=Value(number_value=float("nan")))])), id="no JSON"
        ),
    ],
)
async def test_an_event_that_says_nothing_that_can_be_read_is_garbled(event: Event) -> None:
    message = await garbled(event, done("fine"))
    assert message.isprintable()


async def test_metadata_that_json_cannot_hold_are_garbled() -> None:
    end = done()
    end.done.metadata.fields["x"].number_value = float("inf")
    await garbled(end)


@pytest.mark.parametrize("more", [artifact("a", "x", append=True), artifact("a", "x"), delta("x", "a")])
async def test_an_artifact_has_nothing_after_its_last_piece(more: Event) -> None:
    assert "after its last piece" in await garbled(artifact("a", "one", last=True), more, done())


# --- bounds


@pytest.mark.parametrize(
    "event",
    [delta("x" * 1_000), delta("x" * 1_000, "a"), message("x" * 1_000), artifact("a", "x" * 1_000, append=True)],
    ids=["pieces", "pieces of an artifact", "messages", "an artifact"],
)
async def test_all_that_is_said_is_bounded_together(event: Event) -> None:
    with pytest.raises(TooLarge, match="desk is over the limit of 10000 bytes"):
        await told(*[event] * 10, done(), limits=TurnLimits(answer=10_000))
    with pytest.raises(TooLarge):
        await told(*[event] * 5, done("x" * 6_000), limits=TurnLimits(answer=10_000))


async def test_titles_and_metadata_count_too() -> None:
    limits = TurnLimits(answer=1_000)
    with pytest.raises(TooLarge):
        await told(artifact("a", "x", description="d" * 1_000), limits=limits)
    with pytest.raises(TooLarge):
        await told(done("x", key="d" * 1_000), limits=limits)


async def test_parts_of_next_to_nothing_are_bounded_too() -> None:
    limits = TurnLimits(answer=100 * PART_COST)
    with pytest.raises(TooLarge):
        await told(Event(done=wire.Done(parts=[wire.Part(text="")] * 100)), limits=limits)


async def test_progress_is_not_kept_and_has_no_end() -> None:
    heard, _ = await told(*[status("x" * 1_000)] * 100, done(), limits=TurnLimits(answer=1_000))
    assert len(heard) == 100


async def test_artifacts_are_bounded_in_number() -> None:
    limits = TurnLimits(artifacts=2)
    await told(artifact("a", "x"), delta("x", "b"), artifact("a", "x", append=True), done(), limits=limits)
    for more in (artifact("c", "x"), delta("x", "c")):
        with pytest.raises(TooLarge, match="more than 2 artifacts"):
            await told(artifact("a", "x"), delta("x", "b"), more, limits=limits)


async def test_an_event_is_taken_when_the_one_before_was_emitted() -> None:
    taken: list[int] = []
    emitted: list[int] = []

    async def events() -> AsyncIterator[Event]:
        for number in range(3):
            taken.append(number)
            yield delta(str(number))
        yield done()

    async def emit(_emission: Emission) -> None:
        assert len(taken) == len(emitted) + 1
        emitted.append(taken[-1])

    await read_turn(events(), emit, turn=turn())
    assert emitted == [0, 1, 2]


async def test_what_listening_raises_passes_through() -> None:
    async def emit(_emission: Emission) -> None:
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await read_turn(stream(delta("a"), done()), emit, turn=turn())


@given(st.lists(st.binary(max_size=40) | st.sampled_from([event.SerializeToString() for event in (
    delta("a"), delta("b", "x"), message("m"), artifact("x", "1"), artifact("x", "2", append=True, last=True),
    status("s"), done("d"), done(), failed("f"),
)]), max_size=8))  # fmt: skip
async def test_whatever_comes_ends_in_a_result_or_in_an_error_of_ours(messages: list[bytes]) -> None:
    events: list[Event] = []
    for data in messages:
        try:
            events.append(Event.FromString(data))
        except DecodeError:  # the transport's business
            continue
    try:
        heard, result = await told(*events)
    except (FarSideError, TooLarge):
        return
    assert all(made.last and made.parts and not made.append for made in result.artifacts)
    assert {made.id for made in result.artifacts} >= {
        emission.artifact for emission in heard if isinstance(emission, Delta) and emission.artifact
    }
