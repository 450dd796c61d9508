"""From a message of A2A to a call: what is invoked, what is said, and what is wrong with it."""

import time
from collections.abc import Sequence
from typing import Any, cast

import pytest
from a2a.types import a2a_pb2 as wire
from a2a.utils.errors import (
    A2AError,
    ContentTypeNotSupportedError,
    ExtensionSupportRequiredError,
    InvalidParamsError,
    TaskNotFoundError,
    UnsupportedOperationError,
    VersionNotSupportedError,
)
from google.protobuf.json_format import ParseDict
from starlette.types import Scope

from gateway.a2a.asked import Asked, activated, check_terms, read_asked
from gateway.a2a.reading import PARTS, read_message
from gateway.principal import VERIFIED
from policies.identity.tokens import Verified
from registry.catalog import AgentEntry
from registry.model import Action, Attention, Call, Extension, Part, Sending, Target, TargetKind
from tests.support.calls import RECRUITER
from tests.support.cards import agent, skill

CONVERSES = "/interchange.v1.ConversingAgent/Converse"
TRACEABLE = Extension(uri="https://example.com/traceable/v1", required=True)
BRIEF = Extension(uri="https://example.com/brief/v1")


def asked(
    params: object = None,
    *,
    entry: AgentEntry | None = None,
    headers: Sequence[tuple[bytes, bytes]] = ((b"a2a-version", b"1.0"),),
    query: bytes = b"",
) -> Asked:
    verified = Verified(
        principal=RECRUITER, scopes=frozenset(), groups=frozenset(), client_id="c", expires_at=time.time() + 60
    )
    scope: Scope = {"headers": list(headers), "query_string": query, VERIFIED: verified}
    return read_asked(scope, entry or agent(), lambda: [skill()], params=params)


def message(*parts: dict[str, Any], **members: Any) -> dict[str, Any]:
    return {"message": {"messageId": "m-1", "role": "ROLE_USER", "parts": list(parts), **members}}


def read(params: dict[str, Any], *, entry: AgentEntry | None = None) -> Call:
    request = ParseDict(params, wire.SendMessageRequest())
    call, _ = read_message(request, asked(params, entry=entry), seconds=10)
    return call


def sent(params: dict[str, Any], *, listening: bool = False) -> Sending:
    request = ParseDict(params, wire.SendMessageRequest())
    entry = agent(converse=CONVERSES)
    call, sending = read_message(request, asked(params, entry=entry), seconds=10, listening=listening)
    assert call.sending == sending
    return sending


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


def faults(error: A2AError) -> dict[str, str]:
    data = cast("dict[str, Any]", error.data)  # pyright: ignore[reportUnknownMemberType]
    return {fault["field"]: fault["message"] for fault in data["errors"]}


def test_a_data_part_that_names_a_skill_invokes_it() -> None:
    call = read(message({"data": {"skill": "candidates.search", "arguments": {"query": "rust", "limit": 3}}}))

    assert (call.action, call.target) == (Action.INVOKE, Target(TargetKind.SKILL, "candidates.search"))
    assert call.content == {"query": "rust", "limit": 3}
    assert call.door == "a2a"


def test_numbers_arrive_as_they_were_written() -> None:
    call = read(message({"data": {"skill": "candidates.search", "arguments": {"id": 9007199254740993, "limit": 3}}}))

    assert call.content == {"id": 9007199254740993, "limit": 3}


def test_a_skill_may_be_named_without_arguments() -> None:
    assert read(message({"data": {"skill": "candidates.search"}})).content == {}


def test_text_is_said_to_an_agent_that_converses() -> None:
    call = read(message({"text": "Find somebody"}, contextId="c-1"), entry=agent(converse=CONVERSES))

    assert (call.action, call.target) == (Action.MESSAGE, Target(TargetKind.AGENT, "candidates"))
    assert call.parts == (Part(text="Find somebody"),)
    assert call.content == {}
    assert call.sending is not None
    assert call.sending.context == "c-1"


def test_data_beside_other_parts_is_said_and_not_invoked() -> None:
    data = {"skill": "candidates.search"}

    call = read(message({"text": "Do this:"}, {"data": data}), entry=agent(converse=CONVERSES))

    assert call.parts == (Part(text="Do this:"), Part(data=data))


def test_every_kind_of_part_keeps_what_is_said_about_it() -> None:
    parts = (
        {"raw": "AAE=", "mediaType": "image/png", "filename": "a.png"},
        {"url": "https://example.com/a", "metadata": {"page": 3}},
        {"data": [1, None, 2.5]},
    )
    call = read(message(*parts), entry=agent(converse=CONVERSES, input_modes=("image/*",)))

    assert call.parts == (
        Part(raw=b"\x00\x01", media_type="image/png", filename="a.png"),
        Part(url="https://example.com/a", metadata={"page": 3}),
        Part(data=[1, None, 2.5]),
    )


@pytest.mark.parametrize("raw", ["AAE=", "AAE", "_-8=", "+/8=", ""])
def test_bytes_are_base64_of_either_alphabet(raw: str) -> None:
    assert read(message({"raw": raw}), entry=agent(converse=CONVERSES)).parts[0].raw is not None


@pytest.mark.parametrize("raw", ["%%%%", "AA=E", "AAE==\n", "AA E=", "ä"])
def test_bytes_that_are_no_base64_are_refused(raw: str) -> None:
    with pytest.raises(InvalidParamsError) as caught:
        read(message({"text": "x"}, {"raw": raw}), entry=agent(converse=CONVERSES))

    assert faults(caught.value) == {"message.parts[1].raw": "must be base64"}


@pytest.mark.parametrize("part", [{"raw": "AAE="}, {"url": "https://example.com/a"}])
def test_what_an_agent_does_not_take_is_refused_by_its_media_type(part: dict[str, Any]) -> None:
    entry = agent(converse=CONVERSES, input_modes=("image/png",))

    with pytest.raises(ContentTypeNotSupportedError, match="text/plain, application/json, image/png"):
        read(message({**part, "mediaType": "image/jpeg"}), entry=entry)

    read(message({**part, "mediaType": "Image/PNG; q=1"}), entry=entry)
    read(message({**part, "mediaType": "text/plain"}), entry=entry)


def test_text_to_an_agent_that_only_has_skills_is_refused_with_their_names() -> None:
    with pytest.raises(UnsupportedOperationError, match=r"candidates\.search"):
        read(message({"text": "hello"}), entry=agent(converse=""))


@pytest.mark.parametrize("name", ["outreach.send", "candidates", "search", "candidatesx.search", ""])
def test_a_skill_of_another_agent_is_no_skill_of_this_one(name: str) -> None:
    with pytest.raises(InvalidParamsError) as caught:
        read(message({"data": {"skill": name}}))

    assert faults(caught.value) == {"message.parts[0].data.skill": "names no skill of this agent"}


def test_arguments_are_an_object() -> None:
    with pytest.raises(InvalidParamsError) as caught:
        read(message({"data": {"skill": "candidates.search", "arguments": [1]}}))

    assert "message.parts[0].data.arguments" in faults(caught.value)


@pytest.mark.parametrize(
    ("params", "field"),
    [
        (message({"text": "x"}, messageId=""), "message.messageId"),
        (message({"text": "x"}, role="ROLE_AGENT"), "message.role"),
        (message(), "message.parts"),
        (message({"text": "x"}, {"filename": "a"}), "message.parts[1]"),
        (message({"text": "x"}, contextId="c" * 257), "message.contextId"),
        (message({"text": "x"}, contextId="a\nb"), "message.contextId"),
        (message(*[{"text": "x"}] * (PARTS + 1)), "message.parts"),
    ],
)
def test_what_is_wrong_with_a_message_is_named(params: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidParamsError) as caught:
        read(params, entry=agent(converse=CONVERSES))

    assert field in faults(caught.value)
    assert field in caught.value.message


@pytest.mark.parametrize("task", ["x" * 65, "a b", "../x", "\u20ac", "a\n"])
def test_a_task_that_can_be_none_of_ours_is_not_found(task: str) -> None:
    with pytest.raises(TaskNotFoundError):
        read(message({"text": "x"}, taskId=task, contextId="c-1"), entry=agent(converse=CONVERSES))


def test_what_goes_on_with_a_task_is_said_whatever_it_looks_like() -> None:
    call = read(message({"data": {"skill": "candidates.search"}}, taskId="t-1"), entry=agent(converse=""))

    assert (call.action, call.parts) == (Action.MESSAGE, (Part(data={"skill": "candidates.search"}),))
    assert call.sending is not None
    assert call.sending.follows == "t-1"


def test_a_message_is_sent_under_its_own_id_as_a_turn_of_ours() -> None:
    params = message({"text": "x"}, contextId="c-1", metadata={"colour": "red"})
    first, second = sent(params), sent(params)

    assert (first.message, first.context, first.metadata) == ("m-1", "c-1", {"colour": "red"})
    assert first.turn != second.turn
    assert not first.follows


def test_an_invocation_is_a_turn_too() -> None:
    call = read(message({"data": {"skill": "candidates.search"}}))

    assert call.sending is not None
    assert call.sending.message == "m-1"


def test_who_waits_listens_or_leaves_is_known() -> None:
    params = message({"text": "x"})
    leaving = {**params, "configuration": {"returnImmediately": True}}

    assert sent(params).attention is Attention.WAITS
    assert sent(leaving).attention is Attention.LEAVES
    assert sent(leaving, listening=True).attention is Attention.LISTENS


def test_a_message_may_wait_for_the_off_peak_window() -> None:
    assert sent(message({"text": "x"}, metadata={"interchange/background": True})).background
    assert not sent(message({"text": "x"}, metadata={"interchange/background": False})).background
    assert not sent(message({"text": "x"})).background


@pytest.mark.parametrize(
    ("metadata", "field"),
    [
        ({"interchange/background": "yes"}, "message.metadata.interchange/background"),
        ({"a": {"b": nested(40)}}, "message.metadata"),
    ],
)
def test_metadata_that_cannot_be_kept_is_refused(metadata: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidParamsError) as caught:
        sent(message({"text": "x"}, metadata=metadata))

    assert field in faults(caught.value)


def test_a_webhook_that_comes_with_a_message_goes_with_it() -> None:
    config = {
        "url": "https://hooks.example/a",
        "token": "t",
        "authentication": {"scheme": "Bearer", "credentials": "c"},
    }
    params = {**message({"text": "x"}), "configuration": {"taskPushNotificationConfig": config}}

    assert sent(params).webhook == {
        "id": "inline",
        "url": "https://hooks.example/a",
        "token": "t",
        "scheme": "Bearer",
        "credentials": "c",
    }
    assert sent(message({"text": "x"})).webhook is None


def test_a_webhook_has_a_url() -> None:
    params = {**message({"text": "x"}), "configuration": {"taskPushNotificationConfig": {"token": "t"}}}

    with pytest.raises(InvalidParamsError) as caught:
        sent(params)

    assert list(faults(caught.value)) == ["configuration.taskPushNotificationConfig.url"]


@pytest.mark.parametrize("version", [b"1.0", b"1.0.1", b" 1.0 "])
def test_a_patch_number_does_not_matter(version: bytes) -> None:
    check_terms(asked(headers=[(b"a2a-version", version)]))


@pytest.mark.parametrize("headers", [[], [(b"a2a-version", b"")]])
def test_who_does_not_say_speaks_the_oldest(headers: list[tuple[bytes, bytes]]) -> None:
    with pytest.raises(VersionNotSupportedError, match=r"0\.3|is in"):
        check_terms(asked(headers=headers))


@pytest.mark.parametrize("version", [b"0.3", b"1.7", b"2.0", b"1", b"1.0x", b"9" * 400, b"\xff"])
def test_another_version_is_not_supported(version: bytes) -> None:
    with pytest.raises(VersionNotSupportedError):
        check_terms(asked(headers=[(b"a2a-version", version)]))


def test_a_version_may_stand_in_the_query() -> None:
    check_terms(asked(headers=[], query=b"A2A-Version=1.0"))
    with pytest.raises(VersionNotSupportedError):
        check_terms(asked(headers=[], query=b"A2A-Version=0.3"))


def test_two_versions_are_none() -> None:
    with pytest.raises(VersionNotSupportedError):
        check_terms(asked(headers=[(b"a2a-version", b"1.0"), (b"a2a-version", b"0.3")]))


def test_an_extension_that_an_agent_insists_on_must_be_activated() -> None:
    entry = agent(extensions=(TRACEABLE, BRIEF))

    with pytest.raises(ExtensionSupportRequiredError, match="traceable"):
        check_terms(asked(entry=entry))

    named = f"https://example.com/unknown, {TRACEABLE.uri}".encode()
    request = asked(entry=entry, headers=[(b"a2a-version", b"1.0"), (b"a2a-extensions", named)])
    check_terms(request)
    assert activated(request) == (TRACEABLE.uri,)
