"""The answer of List Blobs. Source: Azure Storage REST, "List Blobs"."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

from local_azure.machine_learning.domain.data.blobs import etag, last_modified
from local_azure.machine_learning.errors import ApiError
from local_azure.machine_learning.storage.files import BlobFiles

MOST_RESULTS = 5000


@dataclass(frozen=True)
class Listing:
    """What a client asked for."""

    container: str
    prefix: str
    delimiter: str
    marker: str
    most: int
    with_metadata: bool

    @classmethod
    def of_query(cls, container: str, query: Mapping[str, str]) -> Listing:
        """Parse the query; raises a 400 for a number that is none."""
        most = query.get("maxresults") or str(MOST_RESULTS)
        if not re.fullmatch(r"[0-9]{1,9}", most) or int(most) < 1:
            raise ApiError(
                400, "OutOfRangeQueryParameterValue", f"maxresults is '{most[:40]}', not a number above 0."
            )
        return cls(
            container,
            query.get("prefix", ""),
            query.get("delimiter", ""),
            query.get("marker", ""),
            min(int(most), MOST_RESULTS),
            "metadata" in query.get("include", "").split(","),
        )

    def _fold(self, name: str) -> str:
        """The name, or its part up to the first delimiter behind the prefix."""
        if not self.delimiter:
            return name
        head, found, _ = name[len(self.prefix) :].partition(self.delimiter)
        return self.prefix + head + found

    def page(self, names: list[str]) -> tuple[list[str], str]:
        """Entries of this page, folders with their delimiter, and the marker of the next page or ""."""
        entries = sorted({self._fold(name) for name in names})
        start = bisect_left(entries, self.marker)
        end = start + self.most
        return entries[start:end], entries[end] if end < len(entries) else ""


def _blob(path: Path, name: str, metadata: Mapping[str, str] | None) -> str:
    size = path.stat().st_size if path.is_file() else 0
    pairs = "".join(f"<{key}>{escape(value)}</{key}>" for key, value in (metadata or {}).items())
    described = f"<Metadata>{pairs}</Metadata>" if pairs else ""
    return (
        f"<Blob><Name>{escape(name)}</Name><Properties>"
        f"<Last-Modified>{last_modified(path)}</Last-Modified><Etag>{etag(path).strip(chr(34))}</Etag>"
        f"<Content-Length>{size}</Content-Length><Content-Type>application/octet-stream</Content-Type>"
        "<BlobType>BlockBlob</BlobType><LeaseStatus>unlocked</LeaseStatus><LeaseState>available</LeaseState>"
        f"</Properties>{described}</Blob>"
    )


def listing_xml(files: BlobFiles, base: str, wanted: Listing, described: Mapping[str, Mapping[str, str]]) -> str:
    """One page of a container; `described` is the metadata of those blobs that have some (folder markers too)."""
    names = {*files.names(wanted.container, wanted.prefix)}
    names |= {name for name in described if name.startswith(wanted.prefix)}
    entries, following = wanted.page(sorted(names))
    body = []
    for entry in entries:
        path = files.container(wanted.container) / entry
        if wanted.delimiter and entry.endswith(wanted.delimiter):
            body.append(f"<BlobPrefix><Name>{escape(entry)}</Name></BlobPrefix>")
        elif path.exists():  # it may have been deleted since
            body.append(_blob(path, entry, described.get(entry) if wanted.with_metadata else None))
    return (
        f'<?xml version="1.0" encoding="utf-8"?><EnumerationResults ServiceEndpoint="{base}/" '
        f'ContainerName="{wanted.container}"><Prefix>{escape(wanted.prefix)}</Prefix>'
        f"<Marker>{escape(wanted.marker)}</Marker><MaxResults>{wanted.most}</MaxResults>"
        f"<Delimiter>{escape(wanted.delimiter)}</Delimiter><Blobs>{''.join(body)}</Blobs>"
        f"<NextMarker>{escape(following)}</NextMarker></EnumerationResults>"
    )
