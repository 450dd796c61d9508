"""TLS and mutual TLS towards a target, and bindings whose files are wrong."""

import logging
from dataclasses import asdict
from pathlib import Path

import grpc
import pytest

from adapters.grpc.adapter import GrpcAdapter
from registry.model import FarSideError, FarSideFault, Tls, nowhere
from tests.integration.adapters_grpc.certificates import Authority, Pair
from tests.integration.adapters_grpc.far_side import Context, binding, permitted, reply, serving


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "authority")


def server_credentials(pair: Pair, clients: Authority | None = None) -> grpc.ServerCredentials:
    chain = [(pair.key.read_bytes(), pair.certificate.read_bytes())]
    if clients is None:
        return grpc.ssl_server_credentials(chain)
    return grpc.ssl_server_credentials(chain, clients.certificate.read_bytes(), require_client_auth=True)


async def who(_request: bytes, context: Context) -> bytes:
    names = context.auth_context().get("x509_common_name", [b"nobody"])
    return reply(text=names[0].decode())


async def test_a_certificate_of_the_named_authority_is_accepted(adapter: GrpcAdapter, authority: Authority) -> None:
    pair = authority.sign("server", "127.0.0.1")
    async with serving(who, credentials=server_credentials(pair)) as far_side:
        tls = Tls(ca=str(authority.certificate))
        result = await adapter.deliver(permitted(binding(far_side.target, tls=tls)), nowhere)
    assert isinstance(result.structured, dict)
    assert result.structured["text"] == "nobody"


async def test_a_certificate_for_another_name_is_accepted_where_the_binding_says_so(
    adapter: GrpcAdapter, authority: Authority
) -> None:
    pair = authority.sign("server", "desk.internal")
    async with serving(credentials=server_credentials(pair)) as far_side:
        named = Tls(ca=str(authority.certificate), server_name="desk.internal")
        await adapter.deliver(permitted(binding(far_side.target, tls=named)), nowhere)
        with pytest.raises(FarSideError):
            unnamed = Tls(ca=str(authority.certificate))
            await adapter.deliver(permitted(binding(far_side.target, tls=unnamed)), nowhere)
    assert far_side.attempts == 1


@pytest.mark.parametrize("trusting", ["another authority", "the system's roots", "plain text"])
async def test_nothing_is_sent_to_a_server_that_cannot_prove_itself(
    adapter: GrpcAdapter, authority: Authority, tmp_path: Path, trusting: str
) -> None:
    other = Authority(tmp_path, "other")
    tls = {"another authority": Tls(ca=str(other.certificate)), "the system's roots": Tls(), "plain text": None}
    pair = authority.sign("server", "127.0.0.1")
    async with serving(credentials=server_credentials(pair)) as far_side:
        with pytest.raises(FarSideError) as caught:
            await adapter.deliver(permitted(binding(far_side.target, tls=tls[trusting])), nowhere)
    assert caught.value.fault is FarSideFault.UNAVAILABLE
    assert far_side.attempts == 0


async def test_with_mutual_tls_the_far_side_knows_us_by_our_certificate(
    adapter: GrpcAdapter, authority: Authority
) -> None:
    pair, ours = authority.sign("server", "127.0.0.1"), authority.sign("gateway")
    async with serving(who, credentials=server_credentials(pair, clients=authority)) as far_side:
        tls = Tls(ca=str(authority.certificate), certificate=str(ours.certificate), key=str(ours.key))
        result = await adapter.deliver(permitted(binding(far_side.target, tls=tls)), nowhere)
        with pytest.raises(FarSideError):
            without = Tls(ca=str(authority.certificate))
            await adapter.deliver(permitted(binding(far_side.target, tls=without)), nowhere)
    assert isinstance(result.structured, dict)
    assert result.structured["text"] == "gateway"
    assert far_side.attempts == 1


@pytest.mark.parametrize(
    ("tls", "named"),
    [
        (Tls(ca="gone.pem"), r"gone\.pem cannot be read"),
        (Tls(ca="junk.pem"), r"junk\.pem holds no PEM certificate"),
        (Tls(certificate="one.crt"), r"one\.crt stands alone"),
        (Tls(key="one.key"), r"one\.key stands alone"),
        (Tls(certificate="junk.pem", key="one.key"), r"junk\.pem holds no PEM certificate"),
        (Tls(certificate="one.crt", key="junk.pem"), r"junk\.pem holds no PEM key"),
        (Tls(certificate="one.crt", key="gone.key"), r"gone\.key cannot be read"),
        (Tls(certificate="one.crt", key="other.key"), r"other\.key is not the key of one\.crt"),
    ],
)
async def test_a_file_that_is_wrong_is_named_to_the_caller_and_its_path_only_in_the_log(
    adapter: GrpcAdapter, authority: Authority, tmp_path: Path, tls: Tls, named: str, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "junk.pem").write_text("junk")
    authority.sign("one")
    authority.sign("other")
    rooted = Tls(**{field: str(tmp_path / name) for field, name in asdict(tls).items() if name})
    with caplog.at_level(logging.ERROR, "adapters.grpc"), pytest.raises(FarSideError, match=named) as caught:
        await adapter.deliver(permitted(binding("127.0.0.1:1", tls=rooted)), nowhere)
    assert str(tmp_path) not in caught.value.message
    assert any(str(tmp_path) in str(record.__dict__.get("path")) for record in caplog.records)
