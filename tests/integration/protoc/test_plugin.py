"""`protoc-gen-interchange` under protoc and buf, as processes; and what a service owner does with it."""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from gateway.cli import main
from registry.manifest import read_manifest
from registry.protoc.export import PROTOS
from registry.protoc.plugin import FILE
from tests.support.protoc import SCRIPTS

HIRING = """syntax = "proto3";
package hiring.v1;
import "buf/validate/validate.proto";
import "google/protobuf/timestamp.proto";
import "interchange/v1/agent.proto";
import "interchange/v1/annotations.proto";

// Finds candidates.
service Candidates {
  option (interchange.v1.agent) = { domain: "hiring" examples: "Find somebody" };

  // Search candidates.
  rpc Search(SearchRequest) returns (SearchResponse) {
    option (interchange.v1.skill) = { read_only: true  timeout: { seconds: 5 } };
  }
  rpc Converse(interchange.v1.Turn) returns (stream interchange.v1.TurnEvent);
}
message SearchRequest {
  // What to look for.
  optional string query = 1 [(interchange.v1.param).example = '"rust"', (buf.validate.field).string.min_len = 1];
  google.protobuf.Timestamp since = 2;
}
message SearchResponse { repeated string names = 1; }
"""
BUF = "version: v2\nplugins:\n  - {local: protoc-gen-interchange, out: out, strategy: all}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What a service owner has: a proto, and what `interchange protos` wrote."""
    (tmp_path / "proto" / "hiring").mkdir(parents=True)
    (tmp_path / "proto" / "hiring" / "candidates.proto").write_text(HIRING)
    assert main(["protos", str(tmp_path / "third_party")]) == 0
    return tmp_path


def run(command: Sequence[str], folder: Path) -> subprocess.CompletedProcess[str]:
    path = f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "BUF_CACHE_DIR": str(folder / "cache")}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def protoc(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    inputs = ["-Iproto", "-Ithird_party", "--descriptor_set_in=third_party/buf-validate.binpb"]
    return run([sys.executable, "-m", "grpc_tools.protoc", *inputs, *arguments, "hiring/candidates.proto"], folder)


def manifest_by_protoc(folder: Path) -> bytes:
    (folder / "made").mkdir(exist_ok=True)
    done = protoc(folder, "--interchange_out=made")
    assert done.returncode == 0, done.stderr
    return (folder / "made" / FILE).read_bytes()


def test_the_printed_line_makes_a_manifest_from_an_empty_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["protos", "my protos"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[:3] == [
        "my protos/interchange/v1/annotations.proto",
        "my protos/interchange/v1/agent.proto",
        "my protos/buf-validate.binpb",
    ]
    (tmp_path / "proto" / "your").mkdir(parents=True)
    (tmp_path / "proto" / "your" / "service.proto").write_text(HIRING)
    line = shlex.split(printed[-1])
    assert line[0] == "python"
    done = run([sys.executable, *line[1:]], tmp_path)
    assert done.returncode == 0, done.stderr
    assert [skill.id for skill in read_manifest((tmp_path / FILE).read_bytes()).skills] == ["candidates.search"]


def test_protos_that_cannot_be_written_are_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert main(["protos", str(tmp_path / "file")]) == 1
    assert capsys.readouterr().err.startswith("interchange: Cannot write to ")


def test_protoc_and_buf_write_the_same_bytes(folder: Path) -> None:
    made = protoc(folder, "--include_imports", "--include_source_info", "--descriptor_set_out=image.binpb")
    assert made.returncode == 0, made.stderr
    (folder / "buf.gen.yaml").write_text(BUF)
    done = run(["buf", "generate", "image.binpb"], folder)
    assert done.returncode == 0, done.stderr
    assert (folder / "out" / FILE).read_bytes() == manifest_by_protoc(folder)


def test_buf_compiles_sources_to_the_same_bytes(folder: Path) -> None:
    source = folder / "proto" / "hiring" / "candidates.proto"
    without = HIRING.replace('import "buf/validate/validate.proto";', "")
    source.write_text(without.replace(", (buf.validate.field).string.min_len = 1", ""))
    by_protoc = manifest_by_protoc(folder)
    shutil.copytree(PROTOS / "interchange", folder / "proto" / "interchange")
    (folder / "buf.yaml").write_text("version: v2\nmodules: [{path: proto}]\n")
    (folder / "buf.gen.yaml").write_text(BUF)
    done = run(["buf", "generate"], folder)
    assert done.returncode == 0, done.stderr
    assert (folder / "out" / FILE).read_bytes() == by_protoc


def test_the_same_input_gives_the_same_bytes(folder: Path) -> None:
    assert manifest_by_protoc(folder) == manifest_by_protoc(folder)


def test_editions_are_supported(folder: Path) -> None:
    source = folder / "proto" / "hiring" / "candidates.proto"
    source.write_text(HIRING.replace('syntax = "proto3";', 'edition = "2023";').replace("optional string", "string"))
    assert manifest_by_protoc(folder)


def test_mistakes_end_the_run_with_their_places(folder: Path) -> None:
    source = folder / "proto" / "hiring" / "candidates.proto"
    source.write_text(HIRING.replace('domain: "hiring" ', "").replace("'\"rust\"'", "'5'"))
    done = protoc(folder, "--interchange_out=.")
    assert done.returncode != 0
    assert "hiring/candidates.proto:10: Candidates has no domain: say who owns it." in done.stderr
    assert "hiring/candidates.proto:20: hiring.v1.SearchRequest.query: the example 5 does not fit" in done.stderr
    assert not (folder / FILE).exists()


def test_parameters_are_refused(folder: Path) -> None:
    done = protoc(folder, "--interchange_out=x=1:.")
    assert 'interchange takes no parameters, but was given "x=1".' in done.stderr
