"""`interchange messages`: what is asked, again where a stream ends, and how what others wrote is printed."""

import argparse
import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from gateway.cli import messages
from gateway.cli.messages_output import print_message, print_status, unfolded, words_of
from registry.model import Denied, JsonObject


class Log:
    """Answers what it was told to, and notes what it was asked."""

    lasts = True

    def __init__(self, *answers: Any) -> None:
        self.asked: list[tuple[str, JsonObject]] = []
        self._answers = list(answers)

    def perform(self, operation: str, content: JsonObject) -> JsonObject:
        self.asked.append((operation, content))
        answer = self._answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def stream(self, operation: str, content: JsonObject, tell: Callable[[JsonObject], None]) -> None:
        self.asked.append((operation, content))
        answer = self._answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        for piece in answer:
            tell(piece)


def piece(seq: int) -> JsonObject:
    message = {"conversation": "c-1", "seq": str(seq), "sender": "person:alice", "at": "2026-11-22T14:00:00.000Z"}
    return {"message": {**message, "body": json.dumps({"parts": [{"text": f"message {seq}"}]})}, "mark": str(seq)}


def run(log: Log, command: messages.Command, **options: Any) -> int:
    return command(argparse.Namespace(**{"json": False, **options}), lambda: log)


def message(body: object, **more: Any) -> dict[str, Any]:
    return {"body": body if isinstance(body, str) else json.dumps(body), **more}


def test_a_tail_goes_on_where_a_stream_ended(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(messages, "AGAIN_SECONDS", 0)
    log = Log([piece(1), piece(2)], [], [piece(3)], KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        run(log, messages.tail, conversation="c-1", last=2, follow=True)
    assert [content["mark"] for _, content in log.asked] == ["", "2", "2", "3"]
    printed = capsys.readouterr().out
    assert [line.strip() for line in printed.splitlines()[1::2]] == ["message 1", "message 2", "message 3"]


def test_a_tail_that_does_not_follow_is_asked_once(capsys: pytest.CaptureFixture[str]) -> None:
    log = Log([piece(1)])
    assert run(log, messages.tail, conversation="", last=1, follow=False, json=True) == 0
    assert json.loads(capsys.readouterr().out)["body"] == {"parts": [{"text": "message 1"}]}


def letters(*names: tuple[str, int]) -> Sequence[dict[str, Any]]:
    return [{"conversation": conversation, "agent": "clerk", "seq": str(seq)} for conversation, seq in names]


def test_all_letters_of_an_agent_are_redriven_conversation_by_conversation() -> None:
    log = Log(
        {"letters": letters(("c-2", 1), ("c-1", 1)), "mark": "m"},
        {"letters": letters(("c-1", 3))},
        {"letters": [{"agent": "clerk", "seq": "1", "redrivenAs": "4"}, {"agent": "clerk", "seq": "3", "error": "no"}]},
        Denied("Not yours."),
    )
    assert run(log, messages.redrive, letters=[], agent="clerk", conversation="") == 1
    listing, more, one, other = log.asked
    assert (listing[1]["mark"], more[1]["mark"]) == ("", "m")
    assert one == (
        "Redrive",
        {"conversation": "c-1", "letters": [{"agent": "clerk", "seq": 1}, {"agent": "clerk", "seq": 3}]},
    )
    assert other[1]["conversation"] == "c-2"


def test_so_many_letters_are_listed_as_are_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    log = Log({"letters": letters(("c-1", 1), ("c-2", 1)), "mark": "m"})
    run(log, messages.dead, conversation="", agent="", redriven=False, limit=2)
    assert len(log.asked) == 1
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == [
        "LETTER",
        "c-1/clerk/1",
        "c-2/clerk/1",
    ]


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (message({"parts": [{"text": "one"}, {"text": "two"}]}), "one\ntwo"),
        (message({"parts": [{"text": "\x1b[31mred\x07\u202e"}]}), "\ufffd[31mred\ufffd\ufffd"),
        (message({"parts": [{"data": {"amount": 3}}]}), '{"amount": 3}'),
        (
            message({"parts": [{"raw": "AAAA", "mediaType": "image/png", "filename": "a.png"}]}),
            "[image/png a.png 3 bytes]",
        ),
        (message({"parts": [{"url": "https://x.test/\x1b"}]}), "[a file https://x.test/\ufffd]"),
        (message({"artifacts": [{"id": "1", "name": "report", "parts": [{"text": "done"}]}]}), "[report]\ndone"),
        (message({"question": {"text": "Which one?"}}), "Which one?"),
        (message("asked for by alice\x1b"), "asked for by alice\ufffd"),
        (message({"parts": "odd"}), '{"parts": "odd"}'),
        (message({"parts": [5]}), '{"parts": [5]}'),
        (message("[1, 2]"), "[1, 2]"),
        (message(""), ""),
        ({"raw": "//4=", "size": 2}, "[2 bytes that are no text]"),
        ({"erased": True}, "[erased]"),
    ],
    ids=str,
)
def test_words_are_shown_and_nothing_that_a_terminal_obeys(said: dict[str, Any], shown: str) -> None:
    assert words_of(said) == shown


def test_who_wrote_to_whom_is_shown_without_what_a_terminal_obeys(capsys: pytest.CaptureFixture[str]) -> None:
    said = {"conversation": "c\x1b[2J", "seq": "1", "sender": "person:\x07", "to": ["a\x1b"], "kind": "ask\x1bed"}
    print_message(said, whole_log=True)
    assert capsys.readouterr().out == "-  c\ufffd[2J #1  person:\ufffd → a\ufffd  (ask\ufffded)  0 bytes\n"


def test_bodies_are_json_where_they_can_be() -> None:
    assert unfolded({"messages": [{"body": '{"a": 1}'}, {"body": "no"}], "mark": "5"}) == {
        "messages": [{"body": {"a": 1}}, {"body": "no"}],
        "mark": "5",
    }


def test_the_status_is_a_few_lines(capsys: pytest.CaptureFixture[str]) -> None:
    print_status({"engine": "sqlite", "revision": "0001", "messages": "12345", "ready": "2", "oldestSeconds": 61.4})
    assert [line.split("  ")[-1].strip() for line in capsys.readouterr().out.splitlines()] == [
        "sqlite, tables of revision 0001",
        "0",
        "12,345",
        "2 waiting, the oldest for 61 s, 0 in hand",
        "0 waiting for an answer",
        "0",
    ]
