"""What a run is: where the log is, who takes part and how fast; and what everybody says in it.

Everything that is said can be told again from its conversation, its sender and its number alone; so the checks know
what has to be in the log without asking whoever wrote it.
"""

import hashlib
import json
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from registry.model import AgentName, ConversationId

AGENTS = (AgentName("alpha"), AgentName("beta"))
SENDERS = ("person:left", "person:right")
"""Two write into each conversation, and use the same ids."""

WRITERS_EACH = 13
"""Every message whose number can be divided by this is appended together with the next one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One run. `lease`, `pace` and `poll` are in seconds; `pace` is how long a sender waits between two messages, on
    average. `roles` says how many processes play each role. `overstay` is the share of deliveries that are worked on
    for longer than their lease."""

    url: str
    folder: Path
    seed: int = 1
    conversations: int = 16
    lease: float = 1.0
    pace: float = 0.1
    poll: float = 0.1
    overstay: float = 0.01
    fabric: str = ""
    mutant: str = ""
    roles: Mapping[str, int] = field(default_factory=lambda: {"writer": 2, "dispatcher": 2, "answerer": 1, "reader": 1})

    def write(self) -> Path:
        """Keep it where the roles read it."""
        path = self.folder / "setting.json"
        path.write_text(json.dumps(asdict(self), default=str))
        return path

    @property
    def phase(self) -> Path:
        """A file whose words say how far the run is: `running`, `draining` or `over`."""
        return self.folder / "phase"

    @property
    def clocks(self) -> Path:
        """A folder with a file for each process whose time of day is wrong: by how many seconds."""
        return self.folder / "clocks"

    @property
    def cast(self) -> list[tuple[str, int]]:
        """Everybody who takes part: role and number."""
        return [(role, number) for role, count in self.roles.items() for number in range(count)]

    def notes_of(self, role: str, number: int) -> Path:
        """What a role notes, through all its lives."""
        return self.folder / f"{role}-{number}.notes"

    def errors_of(self, role: str, number: int) -> Path:
        """Where a role's last words go."""
        return self.folder / f"{role}-{number}.err"

    def conversation(self, number: int) -> ConversationId:
        return ConversationId(f"c{number}")


def read_setting(path: Path) -> Setting:
    """What a run that was begun is."""
    told: Any = json.loads(path.read_text())
    told["folder"] = Path(told["folder"])
    return Setting(**told)


def body_of(conversation: str, sender: str, number: int) -> bytes:
    """What a sender says in its message of this number. Every other time both senders say the same."""
    whose = "both" if number % 2 else sender
    head = f"{conversation} {whose} {number} "
    return (head + "." * (dice_of(head) % 300)).encode()


def id_of(number: int) -> str:
    """The id of a message; it is another sender's as well."""
    return f"m{number}"


def agents_of(conversation: str, number: int) -> tuple[AgentName, ...]:
    """Whom a message goes to: mostly one of the agents, sometimes both."""
    dice = dice_of(f"{conversation} {number}")
    return AGENTS if dice % 10 == 0 else (AGENTS[dice % len(AGENTS)],)


def goes_with_next(number: int) -> bool:
    """Whether a message is appended together with the one behind it."""
    return number % WRITERS_EACH == 0


def replies_of(delivery: str) -> list[bytes]:
    """What an agent replies to a delivery, in every attempt."""
    return [f"reply {number} to {delivery}".encode() for number in range(1, 2 + (dice_of(delivery) % 4 == 0))]


def is_left_to_expire(turn: str) -> bool:
    """Whether nobody answers this turn's questions."""
    return dice_of(turn) % 5 == 0


def dice_of(text: str) -> int:
    """A number that looks random, and is always the same for this text."""
    return zlib.crc32(text.encode())


def sha(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
