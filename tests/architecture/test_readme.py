"""The README is true: its tree is the tree, its links lead somewhere, its commands exist."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
REGISTRY = ("publish", "discover", "import", "list", "diff", "approve", "retire", "bind")
SINGLE = ("serve", "demo", "login", "token", "call", "conform", "protos", "agents serve", "agents credentials")
MESSAGES = ("status", "tail", "show", "dead", "redrive", "hold", "release", "erase", "export")
OPTIONED = (
    *SINGLE,
    *(f"registry {verb}" for verb in REGISTRY),
    *(f"messages {verb}" for verb in MESSAGES),
    "db upgrade",
    "db status",
)
PROTOC = {"--descriptor_set_in", "--interchange_out", "--python_out", "--grpc_python_out"}
CURL = {"--header", "--data", "--silent", "--fail", "--no-buffer", "--write-out", "--user"}
STRANGERS = PROTOC | CURL


def test_the_folders_in_the_tree_are_those_that_exist() -> None:
    named = set(re.findall(r"^([a-z]+)/ ", (ROOT / "README.md").read_text(), flags=re.MULTILINE))
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    assert named == {Path(name).parts[0] for name in tracked if "/" in name} - {".ci"}


def test_every_file_a_page_names_exists() -> None:
    named = [
        (page.name, found)
        for page in PAGES
        for found in re.findall(r"`((?:gateway|policies|adapters|registry|examples|docs)/[\w./-]+)`", page.read_text())
    ]
    assert named
    assert [pair for pair in named if not (ROOT / pair[1]).exists()] == []


def test_every_link_leads_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            assert target.startswith("https://") or (page.parent / target).exists(), f"{page.name}: {target}"


def test_every_command_a_page_shows_is_understood() -> None:
    words = {
        found for page in PAGES for found in re.findall(r"^(?:\.venv/bin/)?interchange (\w+)", page.read_text(), re.M)
    }
    assert words
    for word in sorted(words):
        shown = subprocess.run(
            [sys.executable, "-m", "gateway.cli", word, "--help"], capture_output=True, text=True, check=False
        )
        assert shown.returncode == 0, f"interchange {word}: {shown.stderr}"


def test_every_option_a_page_names_exists() -> None:
    """Of ours: what a page says of protoc, pip, git and the like is in the list of strangers."""
    shown = [*map(_help, OPTIONED), _shown(sys.executable, "-m", "bench.log", "--help")]
    known = {option for text in shown for option in re.findall(r"(?<![\w-])--[a-z][\w-]*", text)}
    named = {
        (page.name, option) for page in PAGES for option in re.findall(r"(?<![\w-])--[a-z][\w-]*", page.read_text())
    }
    assert ("service-owner.md", "--tls-certificate") in named
    assert sorted(pair for pair in named if pair[1] not in known | STRANGERS) == []


def _help(words: str) -> str:
    return _shown(sys.executable, "-m", "gateway.cli", *words.split(), "--help")


def _shown(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout


def test_every_make_target_a_page_names_exists() -> None:
    known = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    named = {found for page in PAGES for found in re.findall(r"`make (\w+)`", page.read_text())}
    assert named <= known
