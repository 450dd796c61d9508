"""What may be said to a task that is there: an answer to what it asks, and nothing else. Pure."""

from typing import cast

from a2a.utils.errors import UnsupportedOperationError

from adapters.lifecycle.views import PAUSED, TurnView
from adapters.messaging.bodies import write_body
from adapters.messaging.turns import ENDED, TurnState
from gateway.a2a.asking import invalid
from registry.checks import SchemaError, compile_schema, faults_in
from registry.model import Call, JsonObject


def was_said(view: TurnView, call: Call) -> bool:
    """Whether a message was said to its task before, so that only the answer to it was lost on the way.

    Raises:
        A2AError: another one was, under its id.
    """
    if call.sending is None:
        return False
    caller, sent = call.chain.caller, call.sending
    said = next((each for each in view.messages if (each.id, each.sender) == (sent.message, str(caller))), None)
    if said is None or said.issuer != caller.issuer:
        return False
    if said.seq == view.turn.opened or said.body != write_body(call.parts, metadata=sent.metadata):
        raise invalid({"message.messageId": "was used for another message before"})
    return True


def check_goes_on(view: TurnView, call: Call) -> None:
    """See that a message which names a task can go on with it.

    Raises:
        A2AError: the task has ended, asks nothing, belongs to another context, or asks for something else.
    """
    turn = view.turn
    if call.sending is not None and call.sending.context not in {"", view.grant.context, turn.conversation}:
        raise invalid({"message.contextId": "is not the context of the task"})
    if turn.state in ENDED:
        raise UnsupportedOperationError(
            f"Task {turn.id} has ended ({turn.state}): send a message without a taskId instead."
        )
    if turn.state not in PAUSED:
        raise UnsupportedOperationError(
            f"Task {turn.id} is under way and asks nothing: wait for its end, or cancel it."
        )
    if turn.state is TurnState.WAITING:
        _check_answer(view, call)


def _check_answer(view: TurnView, call: Call) -> None:
    """An answer in words is the agent's to understand; one in data fits the schema of the question."""
    question = (body := view.end()) and body.question
    schema = cast("JsonObject", (question or {}).get("answerSchema") or {})
    if not schema or len(call.parts) != 1 or call.parts[0].data is None:
        return
    try:
        validator = compile_schema(schema)
    except SchemaError:
        return  # the agent's own mistake: it reads what it gets
    given = cast("JsonObject", call.parts[0].data)  # any JSON can be checked
    if faults := faults_in(given, validator, schema):
        raise invalid({"message.parts[0].data" + each.path.replace("/", "."): each.sentence for each in faults})
