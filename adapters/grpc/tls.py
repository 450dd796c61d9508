"""TLS towards a target: the PEM files a binding names, read once for each channel.

The paths are the operator's business: they go to the log, the caller is told the bare name of a file that is wrong.
"""

import logging
from pathlib import Path

import grpc

from registry.model import FarSideError, FarSideFault, Tls

log = logging.getLogger(__name__)


def load_credentials(tls: Tls, target: str) -> grpc.ChannelCredentials:
    """Read the files of `tls`.

    Raises:
        FarSideError: a file cannot be read or is not PEM, or a certificate comes without its key.
    """
    if bool(tls.certificate) != bool(tls.key):
        given = tls.certificate or tls.key
        raise _broken(target, given, "mutual TLS takes a certificate and its key, and one of the two is missing")
    return grpc.ssl_channel_credentials(
        root_certificates=_load_pem(tls.ca, target),
        private_key=_load_pem(tls.key, target),
        certificate_chain=_load_pem(tls.certificate, target),
    )


def _load_pem(path: str, target: str) -> bytes | None:
    if not path:
        return None
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise _broken(target, path, f"cannot be read ({error.strerror})") from error
    if b"-----BEGIN " not in content:
        raise _broken(target, path, "holds no PEM")
    return content


def _broken(target: str, path: str, sentence: str) -> FarSideError:
    log.error("A TLS file of a binding is wrong.", extra={"target": target, "path": path, "fault": sentence})
    message = f"The binding's TLS file {Path(path).name}: {sentence}. An operator mends it and binds the agent again."
    return FarSideError(message, fault=FarSideFault.UNAVAILABLE)
