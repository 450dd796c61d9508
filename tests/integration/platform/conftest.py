"""A gateway without its HTTP door: its corridor, its log and its gRPC port, and somebody who writes conversations."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import grpc
import grpc.aio
import pytest
from google.protobuf.json_format import MessageToDict
from interchange.v1 import messages_pb2, messages_pb2_grpc

from gateway.app import Gateway, open_gateway
from gateway.config import Config
from gateway.platform.server import serve_platform
from policies.audit.segments import read_entries
from policies.identity.tokens import Verified
from registry.model import Domain, Principal, PrincipalKind
from tests.support.conversations import PEOPLE, POLICIES, Writer, writing

ISSUER = "https://issuer.test"
DOMAINS = {"operator": "operations", "manager": "hiring", "clerk": "hiring"}


@dataclass
class Office:
    """What a test drives: the door, whoever writes, and the rooms behind."""

    folder: Path
    gateway: Gateway
    writer: Writer
    channel: grpc.aio.Channel
    token_seconds: float = 900.0

    @property
    def log(self) -> Path:
        return self.folder / "state" / "log.db"

    async def verify(self, token: str) -> Verified:
        domain = Domain(DOMAINS.get(token, ""))
        who = Principal(kind=PrincipalKind.PERSON, issuer=ISSUER, subject=token, name=token, domain=domain)
        return Verified(
            principal=who,
            scopes=frozenset(),
            groups=frozenset(),
            client_id="cli",
            expires_at=time.time() + self.token_seconds,
        )

    async def ask(self, who: str, operation: str, **content: Any) -> dict[str, Any]:
        """One call of the service, as somebody."""
        answer = await self._method(operation)(self._request(operation, content), metadata=_as(who), timeout=20)
        return MessageToDict(answer)

    def stream(self, who: str, operation: str, *, timeout: float = 20, **content: Any) -> Any:
        """One call whose answer is a stream."""
        return self._method(operation)(self._request(operation, content), metadata=_as(who), timeout=timeout)

    async def all(self, who: str, operation: str, **content: Any) -> list[dict[str, Any]]:
        """A whole stream."""
        return [MessageToDict(piece) async for piece in self.stream(who, operation, **content)]

    async def refused(self, who: str, operation: str, **content: Any) -> tuple[grpc.StatusCode, str]:
        """How a call is refused."""
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            if operation in {"Tail", "Export"}:
                await self.all(who, operation, **content)
            else:
                await self.ask(who, operation, **content)
        return caught.value.code(), str(caught.value.details())

    async def policies(self, text: str) -> None:
        """Put others in force."""
        (self.folder / "policies" / "tests.cedar").write_text(text)
        await self.gateway.reload()

    def audit(self) -> list[dict[str, Any]]:
        """What is on record by now."""
        return [dict(entry) for entry in read_entries(self.folder / "state" / "audit")]

    def _method(self, operation: str) -> Any:
        return getattr(cast("Any", messages_pb2_grpc).MessagesStub(self.channel), operation)

    def _request(self, operation: str, content: dict[str, Any]) -> Any:
        method = messages_pb2.DESCRIPTOR.services_by_name["Messages"].methods_by_name[operation]
        return getattr(messages_pb2, method.input_type.name)(**content)


def _as(who: str) -> tuple[tuple[str, str]]:
    return (("authorization", f"Bearer {who}"),)


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    """Opened and closed by one task: pytest sets up and tears down in two, and task groups would not have that."""
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[Office] = loop.create_future()
    over = asyncio.Event()

    async def live() -> None:
        async with _office(tmp_path) as opened:
            ready.set_result(opened)
            await over.wait()

    living = loop.create_task(live())
    await asyncio.wait([living, ready], return_when=asyncio.FIRST_COMPLETED)
    if ready.done():
        yield ready.result()
    over.set()
    await living


@asynccontextmanager
async def _office(folder: Path) -> AsyncGenerator[Office]:
    (folder / "policies").mkdir()
    (folder / "policies" / "tests.cedar").write_text(POLICIES)
    (folder / "directory.toml").write_text(PEOPLE)
    (folder / "state").mkdir()
    config = Config(
        public_url="http://127.0.0.1:8420",
        state=folder / "state",
        directory=folder / "directory.toml",
        policies=folder / "policies",
    )
    async with open_gateway(config) as gateway, writing(config.state / "log.db") as writer:
        opened = Office(folder, gateway, writer, cast("Any", None))
        server, port = await serve_platform("127.0.0.1:0", handle=gateway.corridor.handle, verify=opened.verify)
        options = [("grpc.max_receive_message_length", 16 << 20)]
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options) as opened.channel:
            yield opened
        await server.stop(0)
