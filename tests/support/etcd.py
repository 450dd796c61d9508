"""etcd, from wherever it can be had: the program, running, and its protos as a descriptor set.

The program is etcd on PATH, or Debian's package unpacked without root; the protos come from Debian's sources, or from
what the modules of PyPI's `etcd3` carry. What was fetched is kept in the user's cache, never here.
"""

import ast
import os
import shutil
import socket
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import grpc
from google.protobuf.descriptor_pb2 import FileDescriptorSet

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "interchange-tests" / "etcd"
PROTO_PACKAGES = ("golang-etcd-server-dev", "golang-github-gogo-protobuf-dev")
GO_SOURCES = Path("usr") / "share" / "gocode" / "src"
FETCH_SECONDS = 120.0
READY_SECONDS = 15.0


class AbsentError(Exception):
    """It is neither here nor to be fetched; the message says what was tried."""


def etcd_program() -> Path:
    """Where etcd is.

    Raises:
        AbsentError: not on PATH, and Debian's package cannot be had.
    """
    found = shutil.which("etcd")
    return Path(found) if found else _debian("etcd-server") / "usr" / "bin" / "etcd"


def etcd_descriptors(folder: Path) -> Path:
    """A file in `folder` with the FileDescriptorSet of etcd's KV service, made now.

    Raises:
        AbsentError: neither Debian's sources nor PyPI's `etcd3` can be had.
    """
    target = folder / "etcd.pb"
    try:
        _compile([_debian(package) / GO_SOURCES for package in PROTO_PACKAGES], target)
    except AbsentError as reason:
        target.write_bytes(_from_etcd3(folder, reason).SerializeToString())
    return target


@contextmanager
def running_etcd(program: Path, data: Path) -> Generator[str]:
    """etcd with an empty store on loopback: its `host:port`."""
    client, peer = _free_port(), _free_port()
    command = [str(program), "--data-dir", str(data), "--name", "test", "--log-level", "error"]
    command += ["--listen-client-urls", f"http://127.0.0.1:{client}"]
    command += ["--advertise-client-urls", f"http://127.0.0.1:{client}"]
    command += ["--listen-peer-urls", f"http://127.0.0.1:{peer}"]
    command += ["--initial-advertise-peer-urls", f"http://127.0.0.1:{peer}"]
    command += ["--initial-cluster", f"test=http://127.0.0.1:{peer}"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            with grpc.insecure_channel(f"127.0.0.1:{client}") as channel:
                grpc.channel_ready_future(channel).result(READY_SECONDS)  # pyright: ignore[reportUnknownMemberType]
            yield f"127.0.0.1:{client}"
        finally:
            process.terminate()


def _debian(package: str) -> Path:
    """A folder with Debian's package unpacked in it.

    Raises:
        AbsentError: there is no apt, or it does not have the package.
    """
    folder = CACHE / package
    if folder.exists():
        return folder
    if not (shutil.which("apt-get") and shutil.which("dpkg")):
        raise AbsentError(f"{package}: this is not Debian")
    fetched = CACHE / f"{package}.fetched"
    shutil.rmtree(fetched, ignore_errors=True)
    fetched.mkdir(parents=True)
    _download(package, fetched)
    for archive in fetched.glob("*.deb"):
        _call(["dpkg", "-x", str(archive), "unpacked"], fetched)
    (fetched / "unpacked").rename(folder)
    shutil.rmtree(fetched)
    return folder


def _download(package: str, folder: Path) -> None:
    """Fetch a package with the machine's lists, or with lists of our own where it has none."""
    try:
        _call(["apt-get", "download", package], folder)
    except AbsentError:
        own = CACHE / "apt"
        (own / "lists" / "partial").mkdir(parents=True, exist_ok=True)
        options = ["-o", f"Dir::State::lists={own / 'lists'}", "-o", f"Dir::Cache={own}", "-o", "Debug::NoLocking=1"]
        _call(["apt-get", *options, "update"], folder)
        _call(["apt-get", *options, "download", package], folder)


def _compile(sources: list[Path], target: Path) -> None:
    """Compile rpc.proto as etcd's own build lays the imports out; google/api comes from the environment."""
    roots = [sources[0] / "go.etcd.io", sources[1] / "github.com" / "gogo" / "protobuf", sysconfig.get_path("purelib")]
    command = [sys.executable, "-m", "grpc_tools.protoc", *(f"-I{root}" for root in roots)]
    command += ["--include_imports", "--include_source_info", f"--descriptor_set_out={target}"]
    _call([*command, "etcd/etcdserver/etcdserverpb/rpc.proto"], target.parent)


def _from_etcd3(folder: Path, reason: Exception) -> FileDescriptorSet:
    """The descriptors that the generated modules of `etcd3` carry; its imports come before a file."""
    try:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary=:all:"]
        _call([*pip, "--no-build-isolation", "etcd3==0.12.0"], folder)
    except AbsentError as error:
        raise AbsentError(f"{reason}; {error}") from None
    archive = next(folder.glob("etcd3-*.tar.gz"))
    files = FileDescriptorSet()
    with tarfile.open(archive) as contents:
        for name in ("kv", "auth", "rpc"):
            member = contents.extractfile(f"etcd3-0.12.0/etcd3/etcdrpc/{name}_pb2.py")
            assert member is not None
            files.file.add().ParseFromString(_serialized_file(member.read().decode()))
    return files


def _serialized_file(module: str) -> bytes:
    """The FileDescriptorProto written into a generated module (`serialized_pb=_b('…')`)."""
    calls = (node for node in ast.walk(ast.parse(module)) if isinstance(node, ast.Call))
    value = next(word.value for call in calls for word in call.keywords if word.arg == "serialized_pb")
    literal: str | bytes = ast.literal_eval(value.args[0] if isinstance(value, ast.Call) else value)
    return literal if isinstance(literal, bytes) else literal.encode("latin-1")


def _call(command: list[str], folder: Path) -> None:
    """Run a program in a folder.

    Raises:
        AbsentError: it is not here, failed or took too long.
    """
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=FETCH_SECONDS)
    except subprocess.CalledProcessError as error:
        raise AbsentError(f"{' '.join(command[:4])} failed: {error.stderr.decode()[-300:]}") from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise AbsentError(f"{' '.join(command[:4])}: {error}") from None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
