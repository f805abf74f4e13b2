"""A private certificate authority, made on first start; the SDK insists on https for ARM and for storage.

Clients trust it beside the public roots, because a user's program may also download something or call pip. Whoever
reads all of them for each connection, as requests does with a file, spends 25 ms; so requests gets them as a folder,
in which OpenSSL looks up the one that it needs (REQUESTS_CA_BUNDLE may name either; measured: 41 ms a request with
the file, 6 ms with the folder or with our authority alone).
"""

from __future__ import annotations

import os
import re
import shutil
from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl

MOST_HOSTS = 256  # whose certificates are kept; one more is made again when it is asked for
BUNDLE, ROOTS = "bundle.pem", "roots"
_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----\n", re.DOTALL)


def trust_variables(folder: Path) -> dict[str, str]:
    """What makes a client trust us: requests reads the first, the native data engine and urllib the second."""
    bundle = str(folder / BUNDLE)
    # botocore takes REQUESTS_CA_BUNDLE for a file unless it has a variable of its own.
    return {"REQUESTS_CA_BUNDLE": str(folder / ROOTS), "SSL_CERT_FILE": bundle, "AWS_CA_BUNDLE": bundle}


def _write_private(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(data)


def _write_roots(folder: Path, bundle: bytes) -> None:
    """One file a certificate, under the hash of its subject: the form that `openssl rehash` makes."""
    from OpenSSL import crypto

    partial = folder.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    seen: Counter[str] = Counter()
    for pem in _CERTIFICATE.findall(bundle):
        name = f"{crypto.load_certificate(crypto.FILETYPE_PEM, pem).subject_name_hash():08x}"
        (partial / f"{name}.{seen[name]}").write_bytes(pem)
        seen[name] += 1
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)


def server_context(folder: Path) -> ssl.SSLContext:
    """TLS context for 127.0.0.1 and localhost. Writes what a client trusts: our authority and the public roots."""
    import ssl  # all here, because commands need only the paths, and these take as long as all else that they import

    import certifi
    import trustme

    certificate, key = folder / "ca.pem", folder / "ca.key"
    if not key.exists() or not certificate.exists():
        created = trustme.CA(organization_name="local_azure")
        certificate.write_bytes(created.cert_pem.bytes())
        _write_private(key, created.private_key_pem.bytes())
    authority = trustme.CA.from_pem(certificate.read_bytes(), key.read_bytes())
    bundle = certificate.read_bytes() + Path(certifi.where()).read_bytes()
    file, roots = folder / BUNDLE, folder / ROOTS
    if not roots.exists() or not file.exists() or file.read_bytes() != bundle:
        _write_roots(roots, bundle)
        file.write_bytes(bundle)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    return context


def host_contexts(folder: Path) -> Callable[[str], ssl.SSLContext]:
    """Return what makes a TLS context that stands for some host, for clients that trust our authority."""
    import ssl

    import trustme

    authority = trustme.CA.from_pem((folder / "ca.pem").read_bytes(), (folder / "ca.key").read_bytes())

    @lru_cache(MOST_HOSTS)
    def context(host: str) -> ssl.SSLContext:
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(host).configure_cert(made)
        return made

    return context
