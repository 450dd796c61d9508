"""`interchange conform URL`: examine any server's MCP and A2A from outside, and say what holds and what does not.

It needs nothing of a gateway of ours: the examiner speaks plain HTTP to whatever is at the URL. Reports go to standard
output; the exit code is 0 only if nothing that a protocol demands is broken or could not be examined.
"""

import argparse
import asyncio
import json
import os
from pathlib import Path
from urllib.parse import urlsplit

from conformance.examination import SECONDS, examination
from conformance.papers import PAPERS
from conformance.report import Report, json_report, text_report
from conformance.requirement import Level, RequirementsError, load_requirements
from conformance.subject import Told, ToolCall
from conformance.wire import Wires
from gateway.cli.commands import Commands
from gateway.cli.places import with_scheme
from gateway.strict_json import StrictJsonError, read_strict
from registry.model import BadRequest, InterchangeError

LOOPBACK = ("localhost", "127.0.0.1", "::1")


def add_commands(commands: Commands) -> None:
    parser = commands.add_parser(
        "conform",
        help="examine a server's MCP and A2A from outside",
        description="Examine a server from outside: each requirement of MCP and A2A is held, broken or not offered. Of"
        " what is broken, the report shows what was sent, came and was expected. Any server will do.",
        epilog="The token may also be in INTERCHANGE_TOKEN; no report shows it. Exit code: 0 only if no MUST is broken"
        " or could not be examined.",
    )
    parser.add_argument("target", metavar="URL", help="of the MCP endpoint, of an agent, or of the whole server")
    parser.add_argument("--protocol", choices=(*PAPERS, "all"), default="all", help="which to examine (default: all)")
    parser.add_argument("--token", help="the bearer token to come with")
    parser.add_argument("--token-file", type=Path, metavar="FILE", help="a file that holds the token")
    parser.add_argument("--tool", metavar="NAME", help="the MCP tool to call; default: one that says it is read-only")
    parser.add_argument("--arguments", metavar="JSON", help="the arguments of --tool, a JSON object (default: {})")
    parser.add_argument(
        "--agent", action="append", default=[], metavar="URL", help="an A2A agent, or its card; may be repeated"
    )
    said = parser.add_mutually_exclusive_group()
    said.add_argument("--message", metavar="TEXT", help="what to say to agents (default: hello, where they take text)")
    said.add_argument("--data", metavar="JSON", help="a JSON object to send to agents instead of a text")
    parser.add_argument("--only", nargs="+", default=[], metavar="ID", help="examine only these requirements")
    parser.add_argument("--strict", action="store_true", help="fail for a broken SHOULD too")
    parser.add_argument("--seconds", type=float, default=SECONDS, help=f"deadline of each check (default: {SECONDS:g})")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report as JSON as well; - for only that")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Examine, print the report, and return its exit code."""
    options.target, options.agent = with_scheme(options.target), [with_scheme(url) for url in options.agent]
    told = _told(options)
    report = asyncio.run(
        examination(
            told,
            wires=Wires(token=_token(options), seconds=options.seconds),
            protocols=tuple(PAPERS) if options.protocol == "all" else (options.protocol,),
            only=_only(options.only),
            fatal=(Level.MUST, Level.SHOULD) if options.strict else (Level.MUST,),
            seconds=options.seconds,
        )
    )
    _print(report, options.json)
    return report.exit_code


def _told(options: argparse.Namespace) -> Told:
    for url in _urls(options):
        _check_url(url)
    if options.arguments is not None and options.tool is None:
        raise BadRequest("--arguments are those of a tool: name it by --tool.")
    tool = None if options.tool is None else ToolCall(name=options.tool, arguments=_arguments(options.arguments))
    data = None if options.data is None else _data(options.data)
    return Told(url=options.target, tool=tool, agents=tuple(options.agent), message=options.message, data=data)


def _urls(options: argparse.Namespace) -> list[str]:
    return [options.target, *options.agent]


def _check_url(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise BadRequest(f"{url} is not a URL of a server, such as http://127.0.0.1:8420.")
    if parts.username is not None:
        raise BadRequest("A URL with a name and a password is not taken: a report shows the URL. Give a --token.")


def _arguments(text: str | None) -> dict[str, object]:
    try:
        return dict(read_strict((text or "{}").encode()).content)
    except StrictJsonError as error:
        raise BadRequest(f"--arguments takes a JSON object: {error.message.replace('The body', 'it')}") from None


def _data(text: str) -> object:
    try:
        return read_strict(text.encode()).content
    except StrictJsonError as error:
        raise BadRequest(f"--data takes a JSON object: {error.message.replace('The body', 'it')}") from None


def _token(options: argparse.Namespace) -> str | None:
    """The token of the options, else of the environment; None without one."""
    if options.token is not None and options.token_file is not None:
        raise BadRequest("--token and --token-file both name a token: give one of them.")
    token = options.token
    if options.token_file is not None:
        token = options.token_file.read_text(encoding="utf-8")
    token = (token if token is not None else os.environ.get("INTERCHANGE_TOKEN", "")).strip()
    if token and not (token.isascii() and token.isprintable() and " " not in token):
        raise BadRequest("The token is not one word of ASCII.")
    for url in _urls(options):
        parts = urlsplit(url)
        if token and parts.scheme == "http" and parts.hostname not in LOOPBACK:
            raise BadRequest(f"{url} is neither https nor this machine: the token would travel in the clear.")
    return token or None


def _only(ids: list[str]) -> list[str]:
    """The requirements that were named, each of which there is."""
    try:
        known = {requirement.id for protocol in PAPERS for requirement in load_requirements(protocol)}
    except RequirementsError as error:
        raise InterchangeError(str(error)) from None
    unknown = sorted(set(ids) - known)
    if unknown:
        raise BadRequest(f"There is no requirement {', '.join(unknown)}: see the ids in a report without --only.")
    return ids


def _print(report: Report, file: Path | None) -> None:
    document = json.dumps(json_report(report), indent=2, ensure_ascii=False) if file is not None else ""
    if file == Path("-"):
        print(document)
        return
    if file is not None:
        file.write_text(document + "\n", encoding="utf-8")
    print(text_report(report))
