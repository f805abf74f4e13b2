"""A private certificate authority, made on first start; the SDK insists on https for ARM and for storage."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

import certifi
import trustme

BUNDLE = "bundle.pem"


def _write_private(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(data)


def server_context(folder: Path) -> ssl.SSLContext:
    """TLS context for 127.0.0.1 and localhost.

    Writes `bundle.pem`, which a client trusts: our authority and the public roots.
    """
    certificate, key = folder / "ca.pem", folder / "ca.key"
    if not key.exists() or not certificate.exists():
        created = trustme.CA(organization_name="local_azure")
        certificate.write_bytes(created.cert_pem.bytes())
        _write_private(key, created.private_key_pem.bytes())
    authority = trustme.CA.from_pem(certificate.read_bytes(), key.read_bytes())
    (folder / BUNDLE).write_bytes(certificate.read_bytes() + Path(certifi.where()).read_bytes())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    return context
