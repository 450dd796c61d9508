"""Reading servers by reflection: real ones, over real channels, well-behaved and not."""

import base64
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import grpc
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest, ServerReflectionResponse

from registry import reflection
from registry.model import BadRequest, FarSideError, FarSideFault, Refused, SkillId, Tls
from registry.operations import Registrar
from registry.reflection import reflect
from registry.store import Store
from tests.integration.adapters_grpc.certificates import Authority
from tests.support.desk import ask, outcomes
from tests.support.pets import PETS, manifest_of
from tests.support.protoc import compiled
from tests.support.reflecting import V1, V1ALPHA, describing, reflecting_server

FILES = compiled({"test.proto": PETS})
PLAIN = compiled(
    {
        "plain.proto": """
            syntax = "proto3"; package plain.v1;
            import "google/protobuf/timestamp.proto";
            service Clock { rpc Tell(Ask) returns (Answer); rpc Set(Answer) returns (Ask); }
            message Ask { string zone = 1; }
            message Answer { google.protobuf.Timestamp at = 1; }
        """
    }
)
OVERLAY = """
agents:
  plain.v1.Clock:
    name: clock
    domain: time
    skills:
      Tell: {read_only: true, description: Tells the time.}
"""


@pytest.mark.parametrize("versions", [(V1,), (V1ALPHA,), (V1, V1ALPHA)])
def test_a_server_gives_its_services_and_all_files_behind_them(versions: tuple[str, ...]) -> None:
    with reflecting_server(describing(FILES, ["pets.v1.Pets"]), versions=versions) as target:
        found = reflect(target)
    assert found.services == ("pets.v1.Pets",)
    assert {file.name for file in found.files} == {file.name for file in FILES}
    assert found.roots() == ("test.proto",)


def test_annotations_survive_so_that_discover_is_publish(registrar: Registrar, store: Store) -> None:
    with reflecting_server(describing(FILES, ["pets.v1.Pets"])) as target:
        answer = ask(registrar, "Discover", {"target": target})
    assert outcomes(answer) == {"pets": "bound", "pets.find": "live", "pets.feed": "live"}
    entry = store.catalog().skills[SkillId("pets.find")]
    assert entry.binding is not None
    assert entry.binding.targets == (target,)
    assert entry.skill.hints.read_only
    assert entry.skill.input_schema["properties"]
    # A server keeps no comments; all else is as the plugin writes it.
    assert store.catalog().descriptor_set(entry.descriptors) == manifest_of(PETS).descriptor_set


def test_an_overlay_names_the_skills_of_a_server_without_annotations(registrar: Registrar, store: Store) -> None:
    with reflecting_server(describing(PLAIN, ["plain.v1.Clock"])) as target:
        with pytest.raises(BadRequest, match=r"serves plain\.v1\.Clock; none of them is annotated"):
            ask(registrar, "Discover", {"target": target})
        ask(registrar, "Discover", {"target": target, "overlay": OVERLAY})
    [skill] = store.catalog().skills.values()
    assert (skill.skill.id, skill.skill.description) == ("clock.tell", "Tells the time.")


def test_import_takes_a_descriptor_set_the_same_way(registrar: Registrar, store: Store) -> None:
    data = base64.b64encode(FileDescriptorSet(file=PLAIN).SerializeToString()).decode()
    with pytest.raises(BadRequest, match=r"declares plain\.v1\.Clock; none"):
        ask(registrar, "Import", {"descriptorSet": data})
    ask(registrar, "Import", {"descriptorSet": data, "overlay": OVERLAY})
    assert list(store.catalog().skills) == ["clock.tell"]
    for wrong in ("!", base64.b64encode(b"\xff\xff").decode()):
        with pytest.raises(BadRequest):
            ask(registrar, "Import", {"descriptorSet": wrong})


def test_the_target_is_checked_before_anything_connects(registrar: Registrar) -> None:
    with pytest.raises(Refused, match="allowed_targets"):
        ask(registrar, "Discover", {"target": "192.0.2.1:443"})


def test_a_server_without_reflection_says_what_else_to_do() -> None:
    with (
        reflecting_server(describing(FILES, []), versions=("other.Service",)) as target,
        pytest.raises(FarSideError, match="no server reflection") as failed,
    ):
        reflect(target)
    assert failed.value.fault is FarSideFault.UNSUPPORTED


def test_nobody_there_is_unavailable_soon() -> None:
    with reflecting_server(describing(FILES, [])) as target:
        pass
    started = time.perf_counter()
    with pytest.raises(FarSideError, match="cannot be reached") as failed:
        reflect(target)
    assert failed.value.retryable
    assert time.perf_counter() - started < 25


def hanging(requests: Iterator[Any], context: Any) -> Iterable[Any]:
    gone = threading.Event()
    context.add_callback(gone.set)
    gone.wait(10)
    return iter(())


def test_a_hanging_server_costs_no_more_than_the_time_it_is_given() -> None:
    with reflecting_server(hanging) as target:
        started = time.perf_counter()
        with pytest.raises(FarSideError, match="did not answer in time"):
            reflect(target, seconds=0.5)
        assert time.perf_counter() - started < 15


def endless(requests: Iterator[ServerReflectionRequest], _: Any) -> Iterable[ServerReflectionResponse]:
    """Every file imports the next, for ever."""
    for request in requests:
        answer = cast("Any", ServerReflectionResponse())
        if request.list_services:
            answer.list_services_response.service.add(name="a.B")
        else:
            number = int(request.file_by_filename or 0)
            file = FileDescriptorProto(name=str(number), dependency=[str(number + 1)])
            answer.file_descriptor_response.file_descriptor_proto.append(file.SerializeToString())
        yield answer


def test_a_server_that_never_comes_to_an_end_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reflection, "FILES", 50)
    with reflecting_server(endless) as target, pytest.raises(FarSideError, match="more than 50 files"):
        reflect(target)


def heavy(requests: Iterator[ServerReflectionRequest], _: Any) -> Iterable[ServerReflectionResponse]:
    for request in requests:
        answer = cast("Any", ServerReflectionResponse())
        if request.list_services:
            for number in range(6):
                answer.list_services_response.service.add(name=f"a.B{number}")
        else:
            file = FileDescriptorProto(name=request.file_containing_symbol, package="x" * 3_500_000)
            answer.file_descriptor_response.file_descriptor_proto.append(file.SerializeToString())
        yield answer


def test_a_server_that_sends_too_much_is_cut_off() -> None:
    with reflecting_server(heavy) as target, pytest.raises(FarSideError, match="more than 16 MiB"):
        reflect(target)


def garbled(requests: Iterator[ServerReflectionRequest], _: Any) -> Iterable[ServerReflectionResponse]:
    for request in requests:
        answer = cast("Any", ServerReflectionResponse())
        if request.list_services:
            answer.list_services_response.service.add(name="a.B")
        else:
            answer.file_descriptor_response.file_descriptor_proto.append(b"\xff\xff\xff")
        yield answer


def refusing(requests: Iterator[ServerReflectionRequest], _: Any) -> Iterable[ServerReflectionResponse]:
    for _request in requests:
        answer = cast("Any", ServerReflectionResponse())
        answer.error_response.error_message = "not today"
        yield answer


def silent(requests: Iterator[ServerReflectionRequest], _: Any) -> Iterable[ServerReflectionResponse]:
    return iter(())


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [(garbled, "a descriptor that is not one"), (refusing, "not today"), (silent, "stopped answering")],
)
def test_nonsense_is_said_to_be_nonsense(answer: Any, sentence: str) -> None:
    with reflecting_server(answer) as target, pytest.raises(FarSideError, match=sentence) as failed:
        reflect(target)
    assert failed.value.fault is FarSideFault.GARBLED


def test_a_server_is_read_by_tls_and_only_by_who_trusts_and_is_trusted(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "authority")
    own, ours = authority.sign("pets.internal"), authority.sign("gateway")
    server = cast("Any", grpc).ssl_server_credentials(
        [(own.key.read_bytes(), own.certificate.read_bytes())], authority.certificate.read_bytes(), True
    )
    known = Tls(ca=str(authority.certificate), server_name="pets.internal")
    with reflecting_server(describing(FILES, ["pets.v1.Pets"]), credentials=server) as target:
        found = reflect(target, replace(known, certificate=str(ours.certificate), key=str(ours.key)))
        assert found.services == ("pets.v1.Pets",)
        for lacking in (None, known, replace(known, ca="")):
            with pytest.raises(FarSideError, match="cannot be reached"):
                reflect(target, lacking)


def test_a_tls_file_that_cannot_be_read_is_named() -> None:
    with pytest.raises(BadRequest, match=r"/no/such\.pem"):
        reflect("127.0.0.1:1", Tls(ca="/no/such.pem"))
