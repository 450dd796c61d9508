"""`interchange serve`: what a person reads once the doors are open."""

from gateway.cli.serve import page
from gateway.state import Whereabouts


def test_every_door_is_named_and_that_it_is_open() -> None:
    where = Whereabouts(
        public_url="https://gw.example.com",
        mcp_url="https://gw.example.com/mcp",
        grpc_address="127.0.0.1:8421",
        issuer="https://id.example.com",
        config="",
        pid=1,
    )
    assert [line.split() for line in page(where).splitlines()] == [
        ["Interchange", "is", "ready."],
        ["MCP", "https://gw.example.com/mcp"],
        ["A2A", "https://gw.example.com/agents/NAME"],
        ["gRPC", "127.0.0.1:8421"],
        ["issuer", "https://id.example.com"],
    ]
