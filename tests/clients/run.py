"""Clients that are too large for the suite: each in an environment of its own, against a demo started for them.

    make clients [ARGS=adk]

Prints one line per client, and ends with 1 if one of them did not see what it must: the same answer whether it was
sent or was kept of a stream, once and whole; and the pieces that it came in are its beginning, or all of it.
"""

import hashlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.support.demo import Demo, running_demo

HERE = Path(__file__).parent
ENVIRONMENTS = HERE.parents[1] / ".venv" / "clients"
CLIENTS = ("adk", "langchain")
QUESTION = "Find senior Rust engineers in Dublin"
INSTALL_SECONDS, TALK_SECONDS = 900.0, 120.0


def main() -> int:
    asked = sys.argv[1:] or CLIENTS
    interpreters = {name: installed(name) for name in asked}
    with tempfile.TemporaryDirectory() as folder, running_demo(Path(folder) / "state") as demo:
        faults = [talk(name, interpreter, demo) for name, interpreter in interpreters.items()]
    return 1 if any(faults) else 0


def installed(name: str) -> Path:
    """The Python of a client's environment, which is made anew when what it needs has changed."""
    folder, needs = ENVIRONMENTS / name, (HERE / name / "requirements.txt", HERE / name / "constraints.txt")
    python, stamp = folder / "bin" / "python", folder / ".interchange-needs"
    wanted = hashlib.sha256(b"".join(file.read_bytes() for file in needs)).hexdigest()
    if not stamp.exists() or stamp.read_text() != wanted:
        print(f"{name}: installing into {folder} …", file=sys.stderr)
        run(sys.executable, "-m", "venv", "--clear", str(folder), seconds=INSTALL_SECONDS)
        words = ("--requirement", str(needs[0]), "--constraint", str(needs[1]))
        run(str(python), "-m", "pip", "install", "--disable-pip-version-check", *words, seconds=INSTALL_SECONDS)
        stamp.write_text(wanted)
    return python


def talk(name: str, python: Path, demo: Demo) -> bool:
    """Have one client talk to the assistant and say what it saw; True where that is wrong."""
    card = demo.mcp_url.removesuffix("/mcp") + "/agents/assistant/.well-known/agent-card.json"
    script = str(HERE / name / "talk.py")
    try:
        output = run(str(python), script, card, demo.tokens["recruiter"], QUESTION, seconds=TALK_SECONDS)
    except subprocess.CalledProcessError as error:
        print(f"{name}: FAILED, it ended with {error.returncode}:\n{error.stderr}")
        return True
    report = json.loads(output.splitlines()[-1])
    faults = [*faults_of(report)]
    print(f"{report['client']}: {'FAILED: ' + '; '.join(faults) if faults else told(report)}")
    return bool(faults)


def faults_of(report: Mapping[str, Any]) -> list[str]:
    sent = report["sent"]
    return [
        *([] if "Dublin" in sent else [f"sent, the answer is {sent!r}"]),
        *([] if len(report["pieces"]) > 1 else [f"it came in {len(report['pieces'])} pieces"]),
        *([] if sent.startswith("".join(report["pieces"])) else ["the pieces are another answer"]),
        *([] if report["streamed"] == sent else [f"of the stream it keeps {report['streamed']!r}"]),
    ]


def told(report: Mapping[str, Any]) -> str:
    first, *rest = report["sent"].splitlines()
    remark = f" ({report['remark']})" if "remark" in report else ""
    return (
        f"card fetched; sent, {len(rest) + 1} lines: {first!r} …; streamed, the same in {len(report['pieces'])} pieces"
        f" and once more whole{remark}"
    )


def run(*command: str, seconds: float) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=True)
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
