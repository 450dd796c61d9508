"""`make protos`: all code and manifests that are generated from protos and committed.

    registry/proto       → clients/python/interchange/v1
    examples/NAME/proto  → examples/NAME, with its interchange.manifest.json

Everything is first made in a temporary folder, so a failure leaves things as they were, and the test that generated
code is fresh compares with the same result.
"""

import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from google.protobuf.descriptor_pb2 import FileDescriptorSet

from registry.protoc.export import PROTOS, VALIDATE, validate_descriptors
from registry.protoc.plugin import FILE

ROOT = PROTOS.parent.parent
_PLUGINS = ("protoc-gen-interchange", "protoc-gen-mypy_grpc")
_GENERATED = ("*_pb2.py", "*_pb2.pyi", "*_pb2_grpc.py", "*_pb2_grpc.pyi", FILE)


class GenerationError(Exception):
    """protoc did not accept some protos; the message is what it said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """A folder of protos and where what is made of them goes; with a manifest unless the services are our own."""

    protos: Path
    out: Path
    has_manifest: bool


def main() -> int:
    for tree in trees(ROOT):
        files = generated(tree)
        for stale in sorted(present(tree) - files.keys()):
            (tree.out / stale).unlink()
        for name, content in files.items():
            target = tree.out / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        sys.stdout.write(f"{tree.out.relative_to(ROOT)}: {len(files)} files\n")
    return 0


def trees(root: Path) -> list[Tree]:
    """All trees of protos in the repository."""
    examples = sorted((root / "examples").glob("*/proto"))
    own = Tree(protos=root / "registry" / "proto", out=root / "clients" / "python", has_manifest=False)
    return [own, *(Tree(protos=each, out=each.parent, has_manifest=True) for each in examples)]


def generated(tree: Tree) -> Mapping[Path, bytes]:
    """What belongs into the tree's `out`, by path.

    Raises:
        GenerationError: with what protoc said.
    """
    with TemporaryDirectory() as temporary:
        made = Path(temporary) / "made"
        made.mkdir()
        validate = Path(temporary) / VALIDATE
        validate.write_bytes(validate_descriptors())
        names = sorted(str(path.relative_to(tree.protos)) for path in tree.protos.rglob("*.proto"))
        _run(tree, validate, made, names)
        return {path.relative_to(made): path.read_bytes() for path in sorted(made.rglob("*")) if path.is_file()}


def present(tree: Tree) -> set[Path]:
    """The generated files that are there now."""
    return {path.relative_to(tree.out) for path in _committed(tree.out) if tree.protos not in path.parents}


def _committed(folder: Path) -> Iterator[Path]:
    for pattern in _GENERATED:
        yield from folder.rglob(pattern)


def _run(tree: Tree, validate: Path, out: Path, names: Sequence[str]) -> None:
    inputs = [
        f"-I{tree.protos}",
        *([] if tree.protos == PROTOS else [f"-I{PROTOS}"]),
        f"--descriptor_set_in={validate}",
    ]
    code = [f"--{language}_out={out}" for language in ("python", "pyi", "grpc_python", "mypy_grpc")]
    _protoc([*inputs, *code, *names])
    if borrowed := _borrowed(inputs, names):
        _protoc([*inputs, f"--python_out={out}", *borrowed])
    if tree.has_manifest:
        _protoc([*inputs, f"--interchange_out={out}", *names])


def _borrowed(inputs: Sequence[str], names: Sequence[str]) -> list[str]:
    """Imported protos whose Python code nobody publishes: buf.validate's."""
    with TemporaryDirectory() as temporary:
        path = Path(temporary) / "all.binpb"
        _protoc([*inputs, "--include_imports", f"--descriptor_set_out={path}", *names])
        files = FileDescriptorSet.FromString(path.read_bytes()).file
    return [file.name for file in files if file.name.startswith("buf/validate/")]


def _protoc(arguments: Sequence[str]) -> None:
    scripts = Path(sysconfig.get_path("scripts"))
    plugins = [f"--plugin={name}={shutil.which(name, path=str(scripts)) or name}" for name in _PLUGINS]
    command = [sys.executable, "-m", "grpc_tools.protoc", *plugins, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  our own arguments
    if done.returncode:
        raise GenerationError(done.stderr.strip())


if __name__ == "__main__":
    sys.exit(main())
