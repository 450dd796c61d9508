"""The demo, once its services run: serve, publish and bind them as an operator would, and say what to paste."""

import argparse
import asyncio
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gateway.cli.demo_processes import AgentProcess
from gateway.cli.serve import with_options
from gateway.config import load_config
from gateway.offline import operate
from gateway.serving import Serving, run_until_stopped, serve
from registry.model import JsonObject, Refused

PERSONAS = {
    "recruiter": "searches, drafts, asks the assistant; sending needs somebody's approval",
    "intern": "reads, asks the assistant",
    "manager": "as a recruiter",
    "security": "sees every tool, approves what was published",
    "operator": "looks after the conversation log",
    "outsider": "a valid token, and nothing else",
}
WHO = "recruiter"
HOURS = 8.0
AGENT = "assistant"
TRY = (
    """call candidates.search --json '{"query": "rust", "limit": 3}' --as recruiter""",
    """call outreach.send --json '{"candidateId": "c-0042", "text": "Hello"}' --as recruiter""",
    """call assistant --json '{"message": "Find senior Rust engineers in Dublin"}' --as recruiter""",
    "registry list --as security",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What is ready: what `--json` prints, and what a page for people is made from."""

    mcp_url: str
    a2a_url: str
    grpc_address: str
    issuer: str
    tokens: Mapping[str, str]
    state: str

    def line(self) -> str:
        """One line of JSON."""
        return json.dumps({name: getattr(self, name) for name in self.__dataclass_fields__})


def play(options: argparse.Namespace, example: Path, targets: Mapping[str, str], assistant: AgentProcess) -> None:
    """Serve the example until told to stop. `targets` says where each of its agents' services listens; `assistant` is
    the agent that publishes itself."""
    path = example / "interchange.toml"
    manifest = (example / "interchange.manifest.json").read_text()
    config = with_options(load_config(path), options)

    async def ready(serving: Serving) -> None:
        notes = await _publish(serving, manifest, targets)
        if not await asyncio.to_thread(assistant.is_published):
            notes.append(f"the assistant did not start: {config.state / 'assistant.log'} says why")
        notes += _remarks(config.state / "assistant.log")
        stage = _stage(serving, str(config.state))
        sys.stdout.write((stage.line() if options.json else _page(stage, notes)) + "\n")
        sys.stdout.flush()

    run_until_stopped(serve(config, config_path=path, when_ready=ready))


async def _publish(serving: Serving, manifest: str, targets: Mapping[str, str]) -> list[str]:
    """Publish the manifest, bind each agent to its service, and return what somebody should know."""
    answer = await operate(serving.gateway.corridor, "Publish", {"manifest": manifest})
    for agent, target in targets.items():
        binding: JsonObject = {"kind": "grpc", "targets": [target]}
        await operate(serving.gateway.corridor, "Bind", {"name": agent, "binding": binding})
    changes = answer.get("changes", [])
    waiting = [change["name"] for change in changes if change.get("outcome") == "waiting"]  # type: ignore[union-attr, index, call-overload]
    return [f"{name} changed and waits for approval: interchange registry approve {name}" for name in waiting]


def _remarks(log: Path) -> list[str]:
    """What the assistant says of itself, such as which model answers."""
    return [line for line in log.read_text(errors="replace").splitlines() if line.startswith(f"{AGENT}: ")]


def _stage(serving: Serving, state: str) -> Stage:
    issuer = serving.gateway.dev_issuer
    if issuer is None:
        raise Refused("The demo needs the development issuer: take [auth] out of its configuration.")
    where = serving.whereabouts
    tokens = {persona: issuer.issue_for(persona, HOURS * 3600) for persona in PERSONAS}
    return Stage(
        mcp_url=where.mcp_url,
        a2a_url=f"{where.public_url}/agents/{AGENT}",
        grpc_address=where.grpc_address,
        issuer=where.issuer,
        tokens=tokens,
        state=state,
    )


def _page(stage: Stage, notes: list[str]) -> str:
    """What a person sees: where things are, who there is, and what to paste."""
    entry = {"url": stage.mcp_url, "headers": {"Authorization": f"Bearer {stage.tokens[WHO]}"}}
    people = "\n".join(f"  {name:10} {what}" for name, what in PERSONAS.items())
    commands = "\n".join(f"  .venv/bin/interchange {words} --state {stage.state}" for words in TRY)
    return f"""For an IDE or any MCP client, as {WHO}:

  {json.dumps({"mcpServers": {"interchange": entry}})}

Interchange is ready. The token above lives {HOURS:.0f} hours; its issuer is for development, on this machine only.

  MCP     {stage.mcp_url}
  A2A     {stage.a2a_url}
  gRPC    {stage.grpc_address}
  issuer  {stage.issuer}
  state   {stage.state}

{people}

An IDE that is given only the URL lets you log in as one of them. A token for an A2A client (`Authorization: Bearer …`):

  .venv/bin/interchange token --as {WHO} --state {stage.state}

From another terminal, in this folder:

{commands}
{"".join(f"{chr(10)}  {note}" for note in notes)}
Stop with Ctrl-C."""
