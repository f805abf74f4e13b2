"""The answer of List Blobs. Source: Azure Storage REST, "List Blobs"."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

from local_azure.machine_learning.clock import Uptime
from local_azure.machine_learning.domain.data.blob_access import leases
from local_azure.machine_learning.domain.data.blob_access.leases import INFINITE, Lease, LeaseState
from local_azure.machine_learning.domain.data.blobs import BLOCK_BLOB, DEFAULT_TYPE, Facts, etag, last_modified
from local_azure.machine_learning.errors import ApiError
from local_azure.machine_learning.storage.files import Containers

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
    query: Mapping[str, str]

    @classmethod
    def of_query(cls, container: str, query: Mapping[str, str]) -> Listing:
        """Parse the query; raises a 400 if `maxresults` is not a positive number."""
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
            query,
        )

    def _fold(self, name: str) -> str:
        """Return the name, cut after the first delimiter that follows the prefix."""
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


@dataclass(frozen=True)
class Known:
    """Metadata and leases of a container's blobs, by blob name; `facts` also holds folder markers."""

    facts: Mapping[str, Facts]
    leases: Mapping[str, Lease]
    now: Uptime


def _lease(lease: Lease | None, now: Uptime) -> str:
    state = leases.state_of(lease, now)
    status = "locked" if state.is_locked else "unlocked"
    duration = ""
    if lease and state is LeaseState.LEASED:
        word = "infinite" if lease.duration == INFINITE else "fixed"
        duration = f"<LeaseDuration>{word}</LeaseDuration>"
    return f"<LeaseStatus>{status}</LeaseStatus><LeaseState>{state}</LeaseState>{duration}"


def _blob(path: Path, name: str, known: Known, *, with_metadata: bool) -> str:
    """Return one blob as XML, with the same elements as the service and in the same order."""
    size = path.stat().st_size if path.is_file() else 0
    facts = known.facts.get(name, {})
    pairs = "".join(f"<{key}>{escape(value)}</{key}>" for key, value in facts.get("metadata", {}).items())
    described = f"<Metadata>{pairs}</Metadata>" if pairs else "<Metadata />"
    modified = last_modified(path)
    return (
        f"<Blob><Name>{escape(name)}</Name><Properties><Creation-Time>{modified}</Creation-Time>"
        f"<Last-Modified>{modified}</Last-Modified><Etag>{etag(path).strip(chr(34))}</Etag>"
        f"<Content-Length>{size}</Content-Length>"
        f"<Content-Type>{escape(facts.get('contentType', DEFAULT_TYPE))}</Content-Type>"
        "<Content-Encoding /><Content-Language /><Content-CRC64 /><Content-MD5 /><Cache-Control />"
        f"<Content-Disposition /><BlobType>{facts.get('blobType', BLOCK_BLOB)}</BlobType><AccessTier>Hot</AccessTier>"
        "<AccessTierInferred>true</AccessTierInferred>"
        f"{_lease(known.leases.get(name), known.now)}<ServerEncrypted>true</ServerEncrypted></Properties>"
        f"{described if with_metadata else ''}<OrMetadata /></Blob>"
    )


def _asked(wanted: Listing) -> str:
    """Return the request's parameters as XML; the service echoes only those that were sent."""
    prefix = f"<Prefix>{escape(wanted.prefix)}</Prefix>" if wanted.prefix else "<Prefix />"
    marker = f"<Marker>{escape(wanted.marker)}</Marker>" if wanted.marker else ""
    most = f"<MaxResults>{wanted.most}</MaxResults>" if wanted.query.get("maxresults") else ""
    delimiter = f"<Delimiter>{escape(wanted.delimiter)}</Delimiter>" if wanted.delimiter else ""
    return prefix + marker + most + delimiter


def listing_xml(files: Containers, base: str, wanted: Listing, known: Known) -> str:
    """One page of a container."""
    names = {*files.names(wanted.container, wanted.prefix)}
    names |= {name for name, facts in known.facts.items() if name.startswith(wanted.prefix) and facts.get("metadata")}
    entries, following = wanted.page(sorted(names))
    body = []
    for entry in entries:
        path = files.container(wanted.container) / entry
        if wanted.delimiter and entry.endswith(wanted.delimiter):
            body.append(f"<BlobPrefix><Name>{escape(entry)}</Name></BlobPrefix>")
        elif path.exists():  # it may have been deleted since it was listed
            body.append(_blob(path, entry, known, with_metadata=wanted.with_metadata))
    blobs = f"<Blobs>{''.join(body)}</Blobs>" if body else "<Blobs />"
    marker = f"<NextMarker>{escape(following)}</NextMarker>" if following else "<NextMarker />"
    return (
        f'\ufeff<?xml version="1.0" encoding="utf-8"?><EnumerationResults ServiceEndpoint="{base}/" '
        f'ContainerName="{wanted.container}">{_asked(wanted)}{blobs}{marker}</EnumerationResults>'
    )
