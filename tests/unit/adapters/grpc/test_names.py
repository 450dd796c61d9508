"""Telemetry names are pinned: renaming one is a decision, not a slip."""

from adapters.grpc import names


def test_the_names_are_these() -> None:
    assert names.TRACER == "interchange.adapters.grpc"
    assert sorted(names.ALL) == [
        "error.type",
        "rpc.grpc.status_code",
        "rpc.method",
        "rpc.service",
        "rpc.system",
        "server.address",
        "server.port",
    ]
