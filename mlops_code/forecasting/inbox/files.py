"""Which files of an inbox are read now, and what is kept of each.

A receipt belongs to a file name and the ETag of its content: a file that is replaced gets another one, so what a
receipt says never changes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from pydantic import BaseModel, ConfigDict, ValidationError

from forecasting.data.reading import ENDINGS
from forecasting.data.sizes import MAX_BYTES
from forecasting.errors import ContractError, Finding, UsageError
from forecasting.json_text import UNREADABLE, strict_json, to_json

MAX_NEW = 50
"""Files that one ingest reads; the next one continues."""
MAX_FINDINGS = 50
_LONGEST_FINDING = 1_000
WHOLE_TYPE = "BlockBlob"
"""The type of blob that appears with all of its bytes at once, when its blocks are committed."""


class InboxFile(Protocol):
    """A file as the datastore lists it; can be hashed."""

    @property
    def name(self) -> str:
        """Below the inbox."""

    @property
    def etag(self) -> str:
        """Changes with the content."""

    @property
    def size(self) -> int:
        """In bytes."""

    @property
    def modified(self) -> float:
        """When it was written, in seconds since 1970."""

    @property
    def type(self) -> str:
        """Type of the blob."""


def key_of(file: InboxFile) -> str:
    """Name of the receipt of a file."""
    return hashlib.sha256(f"{file.name}\n{file.etag}".encode()).hexdigest()


def acceptance_key(sha256: str) -> str:
    """Name of the receipt of a person's acceptance of these bytes."""
    return f"accepted-{sha256}"


def why_not_read(file: InboxFile) -> str:
    """Return why a file is not a delivery, or not yet one; empty if it is one."""
    if "/" in file.name:
        return "it is in a subfolder"
    if not file.name.lower().endswith(ENDINGS):
        return f"its name does not end with {' or '.join(ENDINGS)}"
    if file.type != WHOLE_TYPE:
        return f"it is a blob of type {file.type}, which may still grow; deliver a block blob"
    return "" if file.size else "it is still empty"


class Receipt(BaseModel):
    """What became of one delivered file."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")

    schema_version: Literal[1] = 1
    file: str
    etag: str
    size: int
    sha256: str
    """Empty for a file that is too large to be read."""
    problem: str
    when: str
    version: int | None
    """Of the data set; None: quarantined."""
    findings: tuple[str, ...] = ()

    @property
    def content(self) -> bytes:
        """As it is stored."""
        return to_json(self.model_dump(mode="json"))


def parse_receipt(content: bytes) -> Receipt:
    """Read a receipt. Raises: UsageError where it is not what `Receipt.content` writes."""
    try:
        document = strict_json(content)
        return Receipt.model_validate({**document, "findings": tuple(document["findings"])})
    except (ValidationError, *UNREADABLE) as mistake:
        raise UsageError(
            f"A receipt of the inbox is not readable ({type(mistake).__name__}). Remove the blob below deliveries/; "
            "the file is then checked again."
        ) from None


@dataclass(frozen=True)
class Plan:
    """What one ingest does with the files of an inbox, the oldest first."""

    read: tuple[InboxFile, ...]
    waiting: Mapping[str, str]
    """Name of a file that is not read now, and why."""
    left: int
    """How many are left to the next ingest."""
    quarantined: Mapping[InboxFile, Receipt]
    """Files that an earlier ingest has refused and nobody has accepted, replaced or removed since."""


def plan_of(files: Iterable[InboxFile], receipts: Mapping[str, Receipt]) -> Plan:
    """Choose what is read now. receipts: by their key, with those of acceptances."""
    ordered = sorted(files, key=lambda file: (file.modified, file.name))
    waiting = {file.name: why for file in ordered if (why := why_not_read(file))}
    new = [file for file in ordered if not why_not_read(file) and key_of(file) not in receipts]
    known = {file: receipts[key_of(file)] for file in ordered if key_of(file) in receipts}
    quarantined = {
        file: receipt
        for file, receipt in known.items()
        if receipt.version is None and acceptance_key(receipt.sha256) not in receipts
    }
    return Plan(tuple(new[:MAX_NEW]), waiting, max(0, len(new) - MAX_NEW), quarantined)


def demand_readable_size(file: InboxFile) -> None:
    """Raises: ContractError for a file that is too large to be fetched; nothing of it is read."""
    if file.size > MAX_BYTES:
        found, expected = f"has {file.size} bytes", f"at most {MAX_BYTES} bytes"
        raise ContractError(file.name, [Finding("", (), found, expected, "Split it, or deliver a shorter history.")])


def findings_of(refusal: ContractError) -> tuple[str, ...]:
    """What a receipt keeps of a refusal."""
    told = [str(finding)[:_LONGEST_FINDING] for finding in refusal.findings[:MAX_FINDINGS]]
    more = len(refusal.findings) - MAX_FINDINGS
    return (*told, f"and {more} more findings") if more > 0 else tuple(told)
