"""The fabric on a real NATS: it reaches other processes, comes back by itself, and nothing is lost with it."""

import asyncio
import ssl
import subprocess
import time
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from adapters.messaging.engine import Stir
from adapters.messaging.fabric import Fabric, Wakes
from adapters.messaging.nats_fabric import NatsFabric, nats_place
from adapters.messaging.opening import OpenLog, open_fabric, open_log
from registry.model import AgentName, BadRequest, ConversationId
from tests.support.logs import ECHO, LEASE, OPENING, done, new_conversation, said
from tests.support.nats import NatsServer, running_nats

PATIENCE = 20.0
LONG = 600.0


@pytest.fixture
def server() -> Generator[NatsServer]:
    with running_nats() as server:
        yield server


@asynccontextmanager
async def connected(server: NatsServer, *, name: str = "test") -> AsyncGenerator[NatsFabric]:
    """A fabric that reaches the server."""
    async with NatsFabric.connected(nats_place(server.url, name=name)) as fabric:
        await eventually(lambda: fabric.is_connected)
        yield fabric


async def eventually(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not holds():
            await asyncio.sleep(0.005)


async def reaches(teller: Fabric, hearer: Fabric, topic: str = "probe") -> None:
    """Wait until what one tells is heard by the other: a subscription is on its way for a moment."""
    heard: list[bytes] = []
    stop = hearer.hear(topic, heard.append)
    async with asyncio.timeout(PATIENCE):
        while not heard:
            teller.tell(topic, b"?")
            await asyncio.sleep(0.005)
    stop()


async def test_what_one_process_tells_another_hears_in_order(server: NatsServer) -> None:
    async with connected(server) as one, connected(server) as other:
        heard: list[bytes] = []
        other.hear("chunks.conversation", heard.append)
        await reaches(one, other)

        chunks = [b"%d" % number for number in range(1000)]
        for chunk in chunks:
            one.tell("chunks.conversation", chunk)

        await eventually(lambda: len(heard) == 1000)
        assert heard == chunks


async def test_who_tells_hears_it_too_and_once(server: NatsServer) -> None:
    async with connected(server) as one, connected(server) as other:
        here: list[bytes] = []
        there: list[bytes] = []
        one.hear("topic", here.append)
        other.hear("topic", there.append)
        await reaches(one, other)

        one.tell("topic", b"x")
        one.tell("topic", b"y")

        await eventually(lambda: len(there) == 2)
        assert here == there == [b"x", b"y"]


@pytest.mark.parametrize(
    "topic",
    [
        "turn.echo",
        "chunks.a b",
        "chunks.a..b.",
        "chunks.*",
        "chunks.>",
        "chunks.caf\u00e9 \U0001f600",
        "chunks.\ud800",
        "chunks.\r\nPUB x 1\r\n1\r\n",
        "chunks." + "\u4e2d" * 2000,  # longer than a server takes
        ".",
    ],
)
async def test_every_topic_is_one_of_its_own(server: NatsServer, topic: str) -> None:
    async with connected(server) as one, connected(server) as other:
        heard: list[bytes] = []
        stray: list[bytes] = []
        other.hear(topic, heard.append)
        other.hear(topic + "x", stray.append)
        await reaches(one, other)

        one.tell(topic, b"x")

        await eventually(lambda: heard == [b"x"])
        assert stray == []


async def test_installations_with_other_names_do_not_hear_each_other(server: NatsServer) -> None:
    async with connected(server, name="a") as one, connected(server, name="b") as foreign, connected(server) as other:
        heard: list[bytes] = []
        foreign.hear("topic", heard.append)
        async with connected(server, name="a") as same:
            await reaches(one, same, "topic")
        await reaches(other, other, "topic")

        assert heard == []


async def test_a_topic_is_heard_until_the_last_one_stops(server: NatsServer) -> None:
    async with connected(server) as one, connected(server) as other:
        first: list[bytes] = []
        second: list[bytes] = []
        stop_first = other.hear("topic", first.append)
        stop_second = other.hear("topic", second.append)
        await reaches(one, other)

        stop_first()
        stop_first()
        one.tell("topic", b"x")
        await eventually(lambda: second == [b"x"])
        stop_second()
        await reaches(one, other)
        one.tell("topic", b"y")
        await reaches(one, other)

        assert first == []
        assert second == [b"x"]


async def test_it_hears_again_what_it_heard_once_the_server_is_back(server: NatsServer) -> None:
    async with connected(server) as one, connected(server) as other:
        heard: list[bytes] = []
        other.hear("topic", heard.append)
        await reaches(one, other)

        server.kill()
        await eventually(lambda: not one.is_connected and not other.is_connected)
        late: list[bytes] = []
        other.hear("late", late.append)
        one.tell("topic", b"lost")
        server.start()

        await eventually(lambda: one.is_connected and other.is_connected)
        await reaches(one, other)
        one.tell("topic", b"x")
        one.tell("late", b"y")
        await eventually(lambda: heard and late)
        assert (heard, late) == ([b"x"], [b"y"])


async def test_it_connects_to_a_server_that_comes_up_later(caplog: pytest.LogCaptureFixture) -> None:
    server = NatsServer()
    heard: list[bytes] = []
    async with NatsFabric.connected(nats_place(server.url)) as fabric:
        fabric.hear("topic", heard.append)
        fabric.tell("topic", b"alone")
        await eventually(lambda: "cannot be reached" in caplog.text)
        assert heard == [b"alone"]  # in this process it never needs a server
        server.start()
        try:
            await eventually(lambda: fabric.is_connected)
        finally:
            server.kill()


async def test_telling_never_waits_even_for_a_server_that_stands_still(server: NatsServer) -> None:
    async with connected(server) as fabric:
        server.freeze()
        began = time.monotonic()
        for _ in range(50_000):
            fabric.tell("topic", bytes(1000))
        assert time.monotonic() - began < 2
        await asyncio.sleep(0.05)
        server.thaw()
        await reaches(fabric, fabric)


async def test_what_is_too_large_is_not_told_and_the_rest_is(server: NatsServer) -> None:
    async with connected(server) as one, connected(server) as other:
        heard: list[bytes] = []
        other.hear("topic", heard.append)
        await reaches(one, other)

        one.tell("topic", bytes(2 << 20))
        one.tell("topic", b"x")

        await eventually(lambda: heard == [b"x"])
        assert one.is_connected


async def test_a_password_in_the_url_lets_one_in_and_without_it_one_stays_out(caplog: pytest.LogCaptureFixture) -> None:
    with running_nats(options=("--user", "gateway", "--pass", "s@cret/1")) as server:
        url = f"nats://gateway:s%40cret%2F1@127.0.0.1:{server.port}"
        async with open_fabric(url) as fabric, NatsFabric.connected(nats_place(server.url)) as stranger:
            assert isinstance(fabric, NatsFabric)
            await eventually(lambda: fabric.is_connected)
            await reaches(fabric, fabric)
            await eventually(lambda: "cannot be reached" in caplog.text)
            assert not stranger.is_connected
    assert "s@cret" not in str([record.__dict__ for record in caplog.records])


async def test_a_token_in_the_url_lets_one_in() -> None:
    with running_nats(options=("--auth", "t0ken")) as server:
        async with NatsFabric.connected(nats_place(f"nats://t0ken@127.0.0.1:{server.port}")) as fabric:
            await eventually(lambda: fabric.is_connected)


async def test_nothing_is_said_to_a_server_that_should_encrypt_and_does_not(
    server: NatsServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with NatsFabric.connected(nats_place(f"tls://gateway:secret@127.0.0.1:{server.port}")) as fabric:
        await eventually(lambda: any("no TLS" in str(vars(record)) for record in caplog.records))
        assert not fabric.is_connected


async def test_it_speaks_tls_with_a_server_that_has_a_certificate(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    with running_nats(options=("--tls", "--tlscert", str(certificate), "--tlskey", str(key))) as server:
        place = nats_place(f"tls://127.0.0.1:{server.port}")
        trusting = ssl.create_default_context(cafile=str(certificate))
        async with NatsFabric.connected(place, tls=trusting) as fabric, NatsFabric.connected(place) as careful:
            await eventually(lambda: fabric.is_connected)
            await reaches(fabric, fabric)
            assert not careful.is_connected  # nobody has told it to trust this certificate


def self_signed(folder: Path) -> tuple[Path, Path]:
    certificate, key = folder / "cert.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "1"]
    subprocess.run([*command, "-out", certificate, "-keyout", key], check=True, capture_output=True)
    return certificate, key


async def test_permissions_that_are_missing_are_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    config = tmp_path / "nats.conf"
    config.write_text(
        'authorization { users = [{user: a, password: b, permissions: {publish: "other", subscribe: "other"}}] }'
    )
    with running_nats(options=("--config", str(config))) as server:
        async with NatsFabric.connected(nats_place(f"nats://a:b@127.0.0.1:{server.port}")) as fabric:
            await eventually(lambda: fabric.is_connected)
            for number in range(5):
                fabric.hear(f"topic{number}", lambda _: None)
                fabric.tell(f"topic{number}", b"x")
            await eventually(lambda: "forbids" in caplog.text)
            assert fabric.is_connected
    assert caplog.text.count("forbids") == 1


@pytest.mark.parametrize(
    ("url", "name", "sentence"),
    [
        ("redis://localhost", "a", "not nats://"),
        ("nats://", "a", "not nats://"),
        ("nats://localhost/path", "a", "not nats://"),
        ("nats://user:secret@", "a", "not nats://"),
        ("nats://localhost", "a b", "cannot be part of a NATS subject"),
        ("nats://localhost", "*", "cannot be part of a NATS subject"),
        ("nats://localhost", "", "cannot be part of a NATS subject"),
        ("nats://localhost:port", "a", "not nats://"),
        ("", "a", "not nats://"),
    ],
)
def test_a_url_that_leads_nowhere_is_refused_without_its_secrets(url: str, name: str, sentence: str) -> None:
    with pytest.raises(BadRequest, match=sentence) as refused:
        nats_place(url, name=name)
    assert "secret" not in refused.value.message


def test_several_servers_of_a_cluster_are_separated_by_commas() -> None:
    place = nats_place("nats://a:b@one:4222, nats://two", name="n", prefix="x.y")

    assert place.servers == ("nats://one:4222", "nats://two")
    assert (place.user, place.password, place.token) == ("a", "b", None)
    assert place.subjects == "x.y.n"


async def test_mail_and_messages_wake_another_process(server: NatsServer) -> None:
    async with connected(server) as one, connected(server) as other:
        here, there = Wakes(one, poll=LONG), Wakes(other, poll=LONG)
        watch = there.watch(ConversationId("c"))
        waiting = watch.beyond(0)
        await there.mail([ECHO], seconds=0)
        await reaches(one, other)

        here.stirred(Stir(grown={ConversationId("c"): 7}, ready=frozenset({ECHO, AgentName("nobody")})))

        async with asyncio.timeout(PATIENCE):
            await waiting
            await there.mail([ECHO], seconds=LONG)
        assert watch.tail == 7


async def test_with_the_server_gone_everything_still_arrives(server: NatsServer, tmp_path: Path) -> None:
    """Two gateways on one file: the one that answers and the one that asks only have the poll in common."""
    url = f"sqlite:///{tmp_path / 'log.db'}"
    async with connected(server) as one, connected(server) as other:
        async with (
            open_log(url, fabric=one, poll=0.05) as asks,
            open_log(url, fabric=other, poll=0.05) as answers,
            asyncio.TaskGroup() as tasks,
        ):
            answering = tasks.create_task(answer(answers))
            conversation = new_conversation()
            await asks.log.append(conversation, [said("0", to=ECHO)], opening=OPENING)
            following = asks.history.follow(conversation)
            heard: list[str] = []
            async with asyncio.timeout(PATIENCE):
                for number in range(1, 31):
                    if number == 10:
                        server.kill()
                    if number == 20:
                        server.start()
                    while (text := (await anext(following)).body.decode()) != f"answer to {number - 1}":
                        heard.append(text)
                    heard.append(text)
                    await asks.log.append(conversation, [said(str(number), to=ECHO)])
            answering.cancel()

        expected = [text for number in range(30) for text in (str(number), f"answer to {number}")]
        assert heard == expected


async def answer(opened: OpenLog) -> None:
    """What a dispatcher does: take what there is, answer, and wait for more."""
    while True:
        for delivery in await opened.log.claim([ECHO], limit=10, lease=LEASE):
            await opened.log.settle(delivery, done(f"answer to {delivery.message.body.decode()}"))
        await opened.wakes.mail([ECHO], seconds=LONG)
