"""One throw-away certificate authority for one cluster."""

import ssl
from dataclasses import dataclass
from pathlib import Path

import trustme

NAMES = (
    "localhost",
    "127.0.0.1",
    "::1",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
)


@dataclass(frozen=True)
class Identity:
    """A certificate and its key, as PEM files."""

    certificate: Path
    key: Path


class Pki:
    """The CA in `folder`, and the certificates it gives. One leaf serves as server and client."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ca = folder / "ca.crt"
        self._ca = trustme.CA()
        folder.mkdir(parents=True, exist_ok=True)
        self._ca.cert_pem.write_to_path(self.ca)
        self.admin = self.identity("admin")

    def identity(self, user: str) -> Identity:
        """Issue a certificate for `user`, who may do everything (group system:masters)."""
        leaf = self._ca.issue_cert(*NAMES, common_name=user, organization_name="system:masters")
        identity = Identity(self.folder / f"{user}.crt", self.folder / f"{user}.key")
        identity.certificate.write_bytes(b"".join(pem.bytes() for pem in leaf.cert_chain_pems))
        identity.key.touch(mode=0o600)
        leaf.private_key_pem.write_to_path(identity.key)
        return identity

    def client_context(self) -> ssl.SSLContext:
        """Return a TLS context that trusts this CA and shows the admin's certificate."""
        context = ssl.create_default_context(cafile=self.ca)
        context.load_cert_chain(self.admin.certificate, self.admin.key)
        return context
