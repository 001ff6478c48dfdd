"""The certificate that metrics are served with: a mounted one, or one made for this process."""

import logging
import os
import socket
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

logger = logging.getLogger(__name__)

FILES: Final = ("tls.crt", "tls.key")  # as in a Secret of type kubernetes.io/tls
_LASTS: Final = timedelta(days=3650)  # it goes with the process


class Mounted:
    """The certificate and key in a folder, read again when they change."""

    def __init__(self, folder: Path) -> None:
        """Raises OSError where they cannot be read or do not fit each other."""
        self._folder = folder
        self._seen = self._stamp()
        self._context = self._read()

    def __call__(self) -> ssl.SSLContext:
        """The context for the next connection. What cannot be read leaves the one before in use."""
        try:
            seen = self._stamp()
            if seen != self._seen:
                self._seen = seen
                self._context = self._read()
                logger.info("the certificate in %s has changed, and is in use", self._folder)
        except OSError as error:
            logger.error("the certificate in %s cannot be read, the last one stays: %s", self._folder, error)
        return self._context

    def _read(self) -> ssl.SSLContext:
        certificate, key = (self._folder / name for name in FILES)
        return _context(certificate, key)

    def _stamp(self) -> tuple[tuple[int, int], ...]:
        found = [(self._folder / name).stat() for name in FILES]
        return tuple((it.st_ino, it.st_mtime_ns) for it in found)


class SelfSigned:
    """A certificate of this process alone, whose key is in memory only. Who scrapes cannot verify it."""

    def __init__(self) -> None:
        """Raises OSError where the system has no files in memory: only Linux has."""
        if not hasattr(os, "memfd_create"):
            raise OSError("a certificate can be made on Linux only; mount one")
        file = os.memfd_create("certificate")
        try:
            os.write(file, _self_signed(socket.gethostname()))
            self._context = _context(Path(f"/proc/self/fd/{file}"), None)
        finally:
            os.close(file)

    def __call__(self) -> ssl.SSLContext:
        """The context for the next connection."""
        return self._context


def _context(certificate: Path, key: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    # An empty password, where a key that needs one would ask on the terminal.
    context.load_cert_chain(certificate, key, password="")
    return context


def _self_signed(host: str) -> bytes:
    """Key and certificate as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "aifactory-operator")])
    now = datetime.now(UTC)  # noqa: TID251 - for whoever reads the certificate, on whatever clock
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + _LASTS)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host), x509.DNSName("localhost")]), False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private + certificate.public_bytes(serialization.Encoding.PEM)
