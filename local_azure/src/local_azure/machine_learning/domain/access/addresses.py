"""Where the server answers, and addresses of single blobs that carry their own permission."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote

from local_azure.machine_learning.domain.access.signatures import Signatures
from local_azure.machine_learning.errors import ApiError

# The SDK splits a storage address at its first two dots and always dials https; with account and "blob" in the
# user-info part of the URL, the host it dials is the loopback address (no DNS, no hosts file, no proxy).
STORAGE_ACCOUNT = "localstore"
STORAGE_SUFFIX = "store"
# Name of the cloud in the SDK's list. Not Azure's: a program that takes the name for the real one would dial it.
CLOUD_NAME = "LocalAzure"
_UNPRINTED = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True)
class Addresses:
    """Where this server answers."""

    http_port: int
    tls_port: int
    studio_port: int = 0

    @property
    def studio(self) -> str:
        """Base of the pages that links of the SDK lead to; of a server without pages, that of the planes."""
        return f"http://127.0.0.1:{self.studio_port}/studio" if self.studio_port else self.http

    @property
    def http(self) -> str:
        """Base of every JSON plane and of downloads."""
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def tls(self) -> str:
        """Base of ARM."""
        return f"https://127.0.0.1:{self.tls_port}"

    def clouds(self, secret: str = "") -> str:
        """ARM_CLOUD_METADATA_URL: the list of clouds, with the address where the holder of a secret signs in."""
        return f"{self.http}/metadata/endpoints" + (f"?start={secret}" if secret else "")

    def managed_identity(self, secret: str) -> str:
        """MSI_ENDPOINT of the holder of a secret."""
        return f"{self.http}/msi/{secret}/token"

    @property
    def storage_endpoint(self) -> str:
        """`endpoint` of a datastore: the client builds https://{account}.blob.{endpoint}."""
        return f"{STORAGE_SUFFIX}@127.0.0.1:{self.tls_port}"


@dataclass(frozen=True)
class SignedAddresses:
    """Addresses of single blobs with a shared access signature."""

    addresses: Addresses
    signatures: Signatures

    def upload(self, container: str, blob: str) -> str:
        """A signed https address that the SDK can write one blob to (and read it from).

        The SDK cuts the name out of the address and encodes it again, so it is there as it is, not encoded.
        Raises a 400 for the names that such an address cannot carry.
        """
        if any(sign in blob for sign in "?#") or _UNPRINTED.search(blob):
            raise ApiError(
                400, "InvalidResourceName", f"'{blob}' cannot be uploaded: the SDK cannot address '?' and '#'."
            )
        query = self.signatures.query(container, blob)
        authority = f"{STORAGE_ACCOUNT}.blob.{self.addresses.storage_endpoint}"
        return f"https://{authority}/{container}/{blob}?{query}"

    def download(self, container: str, blob: str) -> str:
        """A signed plain address to read one blob from."""
        query = self.signatures.query(container, blob, "r")
        return f"{self.addresses.http}/{container}/{quote(blob)}?{query}"
