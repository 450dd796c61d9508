"""google.rpc.Status beside a status: violations for the caller, a time to wait for whoever retries."""

import grpc
import pytest
from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, DebugInfo, RetryInfo
from google.rpc.status_pb2 import Status

from adapters.grpc.adapter import GrpcAdapter
from registry.model import FarSideError, nowhere
from tests.integration.adapters_grpc.far_side import binding, failing, permitted, serving


def packed(*details: Message) -> bytes:
    status = Status()
    for detail in details:
        wrapped = Any()
        wrapped.Pack(detail)
        status.details.append(wrapped)
    return status.SerializeToString()


async def failure(adapter: GrpcAdapter, code: grpc.StatusCode, details: bytes) -> FarSideError:
    trailing = (("grpc-status-details-bin", details),)
    async with serving(failing(code, "no", trailing=trailing)) as far_side:
        with pytest.raises(FarSideError) as caught:
            await adapter.deliver(permitted(binding(far_side.target)), nowhere)
    return caught.value


async def test_field_violations_are_told_to_the_caller(adapter: GrpcAdapter) -> None:
    violation = BadRequest.FieldViolation(field="limit", description="is too\nlarge")
    error = await failure(
        adapter,
        grpc.StatusCode.INVALID_ARGUMENT,
        packed(BadRequest(field_violations=[violation]), DebugInfo(detail="secret")),
    )
    assert "limit: is too large" in error.message
    assert "secret" not in error.message


async def test_violations_beside_a_status_whose_details_are_withheld_are_withheld_too(adapter: GrpcAdapter) -> None:
    violation = BadRequest.FieldViolation(field="table", description="users")
    error = await failure(adapter, grpc.StatusCode.INTERNAL, packed(BadRequest(field_violations=[violation])))
    assert "users" not in error.message


async def test_retry_info_says_when_to_try_again(adapter: GrpcAdapter) -> None:
    info = RetryInfo(retry_delay=Duration(seconds=2, nanos=500_000_000))
    error = await failure(adapter, grpc.StatusCode.RESOURCE_EXHAUSTED, packed(info))
    assert error.retry_after == 2.5


@pytest.mark.parametrize(
    "details",
    [
        b"\xff\xff",
        packed(RetryInfo(retry_delay=Duration(seconds=-1))),
        packed(RetryInfo(retry_delay=Duration(seconds=10**11))),
        Status(details=[Any(type_url="type.googleapis.com/google.rpc.RetryInfo", value=b"\xff")]).SerializeToString(),
    ],
)
async def test_details_that_make_no_sense_are_as_if_they_were_not_there(adapter: GrpcAdapter, details: bytes) -> None:
    error = await failure(adapter, grpc.StatusCode.RESOURCE_EXHAUSTED, details)
    assert error.retry_after is None
