"""Evidence of a run of turns: what clients were told, agents did and webhooks got; what the database and the audit logs
say after that."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from policies.audit.segments import read_entries
from tests.crash.database import snapshot
from tests.crash.turns.agent import noted
from tests.crash.turns.clients import Clients
from tests.crash.turns.house import House
from tests.support.push import Received

ENDED = frozenset({"completed", "failed", "cancelled", "rejected"})

_TURN = ("conversation", "id", "agent", "opened", "state", "attempts")
_MESSAGE = ("conversation", "seq", "id", "sender", "kind", "turn")
_QUERIES = {
    "turns": f"SELECT {', '.join(_TURN)} FROM turn ORDER BY conversation, opened",
    "messages": f"SELECT {', '.join(_MESSAGE)}, body FROM message ORDER BY conversation, seq",
}


@dataclass(frozen=True, slots=True)
class Row:
    """A message as the database has it."""

    conversation: str
    seq: int
    id: str
    sender: str
    kind: str
    turn: str
    body: Mapping[str, Any]

    @property
    def text(self) -> str:
        return "".join(part.get("text", "") for part in self.body.get("parts", ()))

    @property
    def artifacts(self) -> dict[str, str]:
        """What was made, and the answer itself."""
        made = {
            each["id"]: "".join(part.get("text", "") for part in each.get("parts", ()))
            for each in self.body.get("artifacts", ())
        }
        return {**made, "answer": self.text}


@dataclass(frozen=True, slots=True)
class TurnRow:
    conversation: str
    id: str
    agent: str
    opened: int
    state: str
    attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All of it. `did` are the lines of all journals, by when they were written; `audits` the entries of each gateway,
    which are whole if it is `over`; `strikes` what befell whom, and when; `wrong` what went wrong meanwhile."""

    clients: Clients
    did: Sequence[Mapping[str, Any]]
    hooks: Sequence[Received]
    turns: Mapping[str, TurnRow]
    messages: Mapping[str, Sequence[Row]]
    audits: Sequence[Sequence[Mapping[str, Any]]]
    strikes: Sequence[tuple[str, float]]
    wrong: Sequence[str]
    over: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What was seen while a run was on; see `Evidence`."""

    clients: Clients
    hooks: Sequence[Received]
    strikes: Sequence[tuple[str, float]]
    wrong: Sequence[str]


def gather(house: House, seen: Seen, *, over: bool) -> Evidence:
    """What is known now of the run that these clients were in. `over`: both gateways have been ended since."""
    rows = snapshot(house.log, _QUERIES)
    messages: dict[str, list[Row]] = defaultdict(list)
    for row in rows["messages"]:
        messages[row["turn"]].append(Row(*(row[name] for name in _MESSAGE), body=orjson.loads(row["body"])))
    ours = {turn for turn, said in messages.items() if said[0].id.startswith(seen.clients.run_name)}
    turns = [TurnRow(*(row[name] for name in _TURN)) for row in rows["turns"]]
    lines = [line for path in house.journals.values() for line in noted(path)]
    return Evidence(
        clients=seen.clients,
        did=sorted(
            (line for line in lines if line["key"].startswith(seen.clients.run_name)), key=lambda line: line["at"]
        ),
        hooks=seen.hooks,
        turns={turn.id: turn for turn in turns if turn.id in ours},
        messages={turn: said for turn, said in messages.items() if turn in ours},
        audits=[list(read_entries(gateway.folder / "state" / "audit")) for gateway in house.gateways],
        strikes=seen.strikes,
        wrong=seen.wrong,
        over=over,
    )


def unended(house: House) -> int:
    """How many turns have not ended."""
    rows = snapshot(house.log, {"turns": _QUERIES["turns"]})["turns"]
    return sum(row["state"] not in ENDED for row in rows)
