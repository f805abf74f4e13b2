"""Conditional headers of a request on a blob.

Source: Azure Storage REST, "Specifying conditional headers for Blob service operations".
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from local_azure.machine_learning.errors import ApiError, not_implemented

ANY = "*"


@dataclass(frozen=True)
class Version:
    """What conditions compare. modified: whole seconds since 1970, all that a header can say."""

    etag: str
    modified: int


@dataclass(frozen=True)
class Conditions:
    """What must hold for a request to be carried out. Etags are without quotes; times in seconds since 1970."""

    if_match: str | None = None
    if_none_match: str | None = None
    modified_since: float | None = None
    unmodified_since: float | None = None
    lease_id: str | None = None

    @classmethod
    def of_headers(cls, headers: Mapping[str, str]) -> Conditions:
        """Read the headers of a request; raises a 400 for one that cannot be read."""
        if "x-ms-if-tags" in headers:
            raise not_implemented("conditions on the tags of a blob (x-ms-if-tags)")
        return cls(
            _etag(headers.get("if-match")),
            _etag(headers.get("if-none-match")),
            _moment(headers, "if-modified-since"),
            _moment(headers, "if-unmodified-since"),
            lease_id(headers, "x-ms-lease-id"),
        )

    def require_write(self, name: str, version: Version | None) -> None:
        """Raise a 409 for a blob that should be new, a 412 for any other condition that a write does not meet.

        version: None where there is no such blob, which meets whatever asks for a change since.
        """
        if version is None:
            if self.if_match is not None:
                raise _not_met(name)
            return
        if self.if_none_match == ANY:
            raise ApiError(409, "BlobAlreadyExists", f"The blob '{name}' exists already.")
        self._require_same(name, version)
        if self._is_unchanged(version):
            raise _not_met(name)

    def is_known(self, name: str, version: Version) -> bool:
        """Tell whether a reader has this version already (304); raises a 412 when it wants another one."""
        if self.if_none_match == ANY:
            message = "If-None-Match: * cannot be met by a request that reads."
            raise ApiError(400, "UnsatisfiableCondition", message)
        self._require_same(name, version)
        return self._is_unchanged(version)

    def _require_same(self, name: str, version: Version) -> None:
        if self.if_match is not None:
            if self.if_match not in (ANY, version.etag):
                raise _not_met(name)
        elif self.unmodified_since is not None and version.modified > self.unmodified_since:
            raise _not_met(name)

    def _is_unchanged(self, version: Version) -> bool:
        """Of two headers that both ask for a change the etag counts."""
        if self.if_none_match is not None:
            return self.if_none_match == version.etag
        return self.modified_since is not None and version.modified <= self.modified_since


def lease_id(headers: Mapping[str, str], header: str) -> str | None:
    """Return a lease id in the one form in which ids are compared; raises a 400 for one that is not a GUID."""
    text = headers.get(header)
    if text is None:
        return None
    try:
        return str(uuid.UUID(text))
    except ValueError as error:
        raise invalid_header(header, text, "a GUID") from error


def invalid_header(header: str, value: str, expected: str) -> ApiError:
    """Make the 400 for a header that cannot be read."""
    return ApiError(400, "InvalidHeaderValue", f"The header {header} is '{value[:80]}'; expected {expected}.")


def _etag(text: str | None) -> str | None:
    return None if text is None else text.strip().strip('"')


def _moment(headers: Mapping[str, str], header: str) -> float | None:
    text = headers.get(header)
    if text is None:
        return None
    try:
        moment = parsedate_to_datetime(text)
    except ValueError as error:
        raise invalid_header(header, text, "a time such as 'Mon, 30 Nov 2026 08:00:00 GMT'") from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)).timestamp()


def _not_met(name: str) -> ApiError:
    message = f"The condition that the request sets is not met: the blob '{name}' is missing or another version."
    return ApiError(412, "ConditionNotMet", message)
