"""Whom a client of this server trusts: the server and the public authorities, in the form that costs least."""

from __future__ import annotations

import ssl
from pathlib import Path

import certifi
import pytest
import trustme

from local_azure.machine_learning.storage.certificates import BUNDLE, ROOTS, server_context, trust_variables


def _shake_hands(client: ssl.SSLContext, server: ssl.SSLContext) -> None:
    """A whole TLS handshake in memory; raises what the client thinks of the server's certificate."""
    inward, outward = ssl.MemoryBIO(), ssl.MemoryBIO()
    asking = client.wrap_bio(inward, outward, server_hostname="127.0.0.1")
    answering = server.wrap_bio(outward, inward, server_side=True)
    for _ in range(4):
        for side in (asking, answering):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    assert asking.version()


@pytest.mark.parametrize("form", [ROOTS, BUNDLE])
def test_a_client_trusts_this_server_and_no_other_private_one(tmp_path: Path, form: str) -> None:
    ours = server_context(tmp_path)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.load_verify_locations(**{"capath" if form == ROOTS else "cafile": str(tmp_path / form)})
    _shake_hands(client, ours)
    other = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA(organization_name="local_azure").issue_cert("127.0.0.1").configure_cert(other)
    with pytest.raises(ssl.SSLCertVerificationError):
        _shake_hands(client, other)


def test_every_public_authority_is_in_the_folder_too(tmp_path: Path) -> None:
    server_context(tmp_path)
    known = Path(certifi.where()).read_text(encoding="utf-8").count("BEGIN CERTIFICATE")
    files = list((tmp_path / ROOTS).iterdir())
    assert len(files) == known + 1
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata="".join(path.read_text(encoding="ascii") for path in files))
    assert context.cert_store_stats()["x509_ca"] == known + 1
    assert trust_variables(tmp_path)["REQUESTS_CA_BUNDLE"] == str(tmp_path / ROOTS)


def test_the_folder_is_made_again_only_when_the_authorities_have_changed(tmp_path: Path) -> None:
    server_context(tmp_path)
    first = (tmp_path / ROOTS).stat().st_ino
    server_context(tmp_path)
    assert (tmp_path / ROOTS).stat().st_ino == first
    (tmp_path / BUNDLE).unlink()
    server_context(tmp_path)
    assert (tmp_path / ROOTS).stat().st_ino != first
    (tmp_path / "ca.pem").unlink()
    renewed = server_context(tmp_path)  # with another authority of its own
    _shake_hands(ssl.create_default_context(capath=str(tmp_path / ROOTS)), renewed)
