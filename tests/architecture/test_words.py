"""The tree keeps to its own rules: its top level, its words, and what it never names."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOP = {
    "gateway", "adapters", "policies", "registry", "conformance", "tests", "clients", "examples", "docs", "bench",
    ".ci",
    "pyproject.toml", "constraints.txt", "Makefile", "README.md", "CHANGELOG.md", "LICENSE", ".gitignore",
}  # fmt: skip
ROOMS = ("gateway", "adapters", "policies", "registry", "conformance")
# Names that say nothing of what a thing is (docs/glossary.md has the words we use).
EMPTY_NAMES = re.compile(r"\bclass \w*(Manager|Helper|Util|Utils|Base|Info)\b")
SECRETS_OF_THE_WORKSHOP = ("/" + "work/", "pypi" + ".org", "npmjs" + ".org", "deb" + "ian.org", "/root" + "/")


def tracked() -> list[Path]:
    names = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


def test_nothing_else_stands_at_the_top() -> None:
    assert {path.relative_to(ROOT).parts[0] for path in tracked()} <= TOP


def test_no_class_is_named_for_nothing() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in tracked()
        if path.suffix == ".py" and path.relative_to(ROOT).parts[0] in ROOMS
        for line in path.read_text().splitlines()
        if EMPTY_NAMES.search(line)
    ]
    assert found == []


@pytest.mark.parametrize("needle", SECRETS_OF_THE_WORKSHOP)
def test_no_file_names_a_machine_or_a_package_registry(needle: str) -> None:
    found = [str(path.relative_to(ROOT)) for path in tracked() if needle.encode() in path.read_bytes()]
    assert found == []
