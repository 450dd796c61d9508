"""Which rows each request has to see: no fewer, for it would decide blindly, and no more, for each costs a look."""

import pytest

from adapters.messaging.messages import Kind, Message, New, QuestionRef, To, TurnRef
from adapters.messaging.outcomes import (
    Ask,
    Asked,
    ChangeTurn,
    Dead,
    Deferred,
    Delivery,
    Done,
    Effect,
    EndHold,
    HoldCall,
    Outcome,
    Push,
    Reply,
    Retry,
)
from adapters.messaging.requests import (
    Append,
    Erase,
    Expire,
    Extend,
    Hold,
    Redrive,
    Request,
    Revoke,
    See,
    Settle,
    Wanted,
    wanted,
)
from adapters.messaging.turns import TurnChange
from registry.model import AgentName, ConversationId, TurnId

C, OTHER = ConversationId("c"), ConversationId("other")
ECHO, SCOUT = AgentName("echo"), AgentName("scout")
T, T2 = TurnId("t"), TurnId("t2")
ALICE = "person:alice"
OF = TurnRef(conversation=C, agent=ECHO, turn=T)
THE_TURN = Wanted(conversations={C}, turns={(C, T)}, mailboxes={(C, ECHO)})
HELD = Delivery(
    id="d",
    of=OF,
    message=Message(
        conversation=C,
        seq=7,
        id="m",
        sender=ALICE,
        issuer="",
        kind=Kind.SAID,
        turn=T,
        to=(ECHO,),
        answers="",
        updates="",
        body=b"",
        text="",
        digest=b"",
        at=0.0,
    ),
    attempt=1,
    fence=3,
    deadline=0.0,
)


def append(*messages: New, under: Delivery | None = None, effects: tuple[Effect, ...] = ()) -> Append:
    return Append(conversation=C, messages=messages, under=under, effects=effects)


def settle(outcome: Outcome, *effects: Effect) -> Settle:
    return Settle(delivery=HELD, outcome=outcome, effects=effects)


PLAIN = New(id="m", sender=ALICE, body=b"x")
TO_BOTH = New(id="m", sender=ALICE, body=b"x", to=(To(agent=ECHO, turn=T), To(agent=SCOUT, turn=T2)))
ANSWER = New(
    id="m", sender=ALICE, body=b"x", kind=Kind.ANSWERED, answers=QuestionRef(of=OF, question="q")
)  # fmt: skip
QUESTION = Ask(id="q", body=b"?")
REPLIES = (Reply(body=b"1"), Reply(body=b"2"))
M = (C, ALICE, "m")
CASES: list[tuple[Request, Wanted]] = [
    (append(PLAIN), Wanted(conversations={C}, known={M})),
    (
        append(TO_BOTH),
        Wanted(conversations={C}, known={M}, mailboxes={(C, ECHO), (C, SCOUT)}, turns={(C, T), (C, T2)}),
    ),
    (append(ANSWER), Wanted(conversations={C}, known={M}, mailboxes={(C, ECHO)}, turns={(C, T)})),
    (append(PLAIN, under=HELD), Wanted(conversations={C}, known={M}, mailboxes={(C, ECHO)}, turns={(C, T)})),
    (
        append(PLAIN, effects=(ChangeTurn(of=OF, change=TurnChange.ASKED, question=QUESTION),)),
        Wanted(
            conversations={C},
            known={M, (C, "agent:echo", "t:asked:q")},
            mailboxes={(C, ECHO)},
            turns={(C, T)},
        ),
    ),
    (
        append(
            PLAIN,
            effects=(
                HoldCall(id="h1", sealed=b"", expires_in=1),
                EndHold(id="h2", how="approved"),
                Push(id="p", channel="c", body=b""),
            ),
        ),
        Wanted(conversations={C}, known={M}, holds={"h1", "h2"}),
    ),
    (Extend(delivery=HELD, seconds=1), THE_TURN),
    (settle(Retry(after=1, error="e")), THE_TURN),
    (settle(Dead(error="e")), THE_TURN),
    (
        settle(Done(replies=REPLIES)),
        Wanted(
            conversations={C},
            turns={(C, T)},
            mailboxes={(C, ECHO)},
            known={(C, "agent:echo", "d:1"), (C, "agent:echo", "d:2")},
        ),
    ),
    (
        settle(Deferred(within=1, replies=REPLIES[:1])),
        Wanted(conversations={C}, turns={(C, T)}, mailboxes={(C, ECHO)}, known={(C, "agent:echo", "d:1")}),
    ),
    (
        settle(Asked(question=QUESTION), EndHold(id="h", how="approved")),
        Wanted(
            conversations={C},
            turns={(C, T)},
            mailboxes={(C, ECHO)},
            known={(C, "agent:echo", "t:asked:q")},
            holds={"h"},
        ),
    ),
    (
        Revoke(of=OF, by=ALICE),
        Wanted(conversations={C}, turns={(C, T)}, mailboxes={(C, ECHO)}, known={(C, ALICE, "t:cancelled")}),
    ),
    (Expire(of=OF), THE_TURN),
    (
        Redrive(conversation=C, agent=ECHO, seq=7, turn=T2),
        Wanted(
            conversations={C},
            letters={(C, ECHO, 7)},
            messages={(C, 7)},
            mailboxes={(C, ECHO)},
            turns={(C, T2)},
        ),
    ),
    (See(conversation=C, device="phone", seq=3), Wanted(conversations={C}, seen={(C, "phone")})),
    (Hold(conversation=C, reason="r"), Wanted(conversations={C})),
    (
        Erase(conversation=C, id="e", by=ALICE, issuer="", reason="r"),
        Wanted(conversations={C}, known={(C, ALICE, "e")}),
    ),
]


@pytest.mark.parametrize(("request_", "expected"), CASES, ids=[type(request).__name__ for request, _ in CASES])
def test_a_request_wants_what_it_has_to_see_and_nothing_else(request_: Request, expected: Wanted) -> None:
    assert wanted([request_]) == expected


def test_requests_want_together_what_each_of_them_wants() -> None:
    elsewhere = See(conversation=OTHER, device="phone", seq=3)
    together = wanted([append(PLAIN), elsewhere, Expire(of=OF)])
    assert together == Wanted(
        conversations={C, OTHER}, known={M}, seen={(OTHER, "phone")}, turns={(C, T)}, mailboxes={(C, ECHO)}
    )


def test_every_request_is_about_one_conversation() -> None:
    assert {request.conversation for request, _ in CASES} == {C}
