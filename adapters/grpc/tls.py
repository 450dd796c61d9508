"""TLS towards a target: the PEM files a binding names, read once for each channel.

They are checked before gRPC gets them: it says of a bad file only that it cannot shake hands, and a key without its
certificate ends the process. The paths are the operator's business: they go to the log, the caller is told the bare
name of the file that is wrong.
"""

import logging
from pathlib import Path

import grpc
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import load_pem_x509_certificates

from registry.model import FarSideError, FarSideFault, Tls

log = logging.getLogger(__name__)


def load_credentials(tls: Tls, target: str) -> grpc.ChannelCredentials:
    """Read the files of `tls`.

    Raises:
        FarSideError: a file cannot be read or is not what it should be, or a certificate and a key do not go together.
    """
    authorities = _load(tls.ca, target) if tls.ca else None
    if authorities is not None and b"-----BEGIN CERTIFICATE-----" not in authorities:
        raise _broken(target, tls.ca, "holds no PEM certificate")
    if not tls.certificate and not tls.key:
        return grpc.ssl_channel_credentials(authorities)
    certificate, key = _load_pair(tls, target)
    return grpc.ssl_channel_credentials(authorities, key, certificate)


def _load_pair(tls: Tls, target: str) -> tuple[bytes, bytes]:
    if not tls.certificate or not tls.key:
        given = tls.certificate or tls.key
        raise _broken(target, given, "stands alone; mutual TLS takes a certificate and its key")
    certificate, key = _load(tls.certificate, target), _load(tls.key, target)
    try:
        public = load_pem_x509_certificates(certificate)[0].public_key()
    except ValueError as error:
        raise _broken(target, tls.certificate, "holds no PEM certificate") from error
    try:
        belongs = load_pem_private_key(key, password=None).public_key() == public
    except (ValueError, TypeError) as error:
        raise _broken(target, tls.key, "holds no PEM key, or one under a password") from error
    if not belongs:
        raise _broken(target, tls.key, f"is not the key of {Path(tls.certificate).name}")
    return certificate, key


def _load(path: str, target: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise _broken(target, path, f"cannot be read ({error.strerror})") from error


def _broken(target: str, path: str, sentence: str) -> FarSideError:
    log.error("A TLS file of a binding is wrong.", extra={"target": target, "path": path, "fault": sentence})
    message = f"The binding's TLS file {Path(path).name} {sentence}; an operator mends it and binds the agent again."
    return FarSideError(message, fault=FarSideFault.UNAVAILABLE)
