"""Take what was delivered: a file becomes a data version, or waits in quarantine until a person decides.

This module does not know where files are stored: `Inbox` is the interface of the storage. The caller has exclusive
access to the inbox.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Protocol

from forecasting.data.contract import Delivery
from forecasting.errors import ContractError, Finding, UsageError
from forecasting.inbox.files import (
    InboxFile,
    Plan,
    Receipt,
    acceptance_key,
    demand_readable_size,
    findings_of,
    key_of,
    parse_receipt,
    plan_of,
)
from forecasting.inbox.tables import Acceptance, Before, CheckedTable, check_table, description_of, tags_of
from forecasting.problem.problem_file import Problem


class Inbox(Protocol):
    """The inbox of a data set, its receipts and its versions."""

    def files(self) -> Sequence[InboxFile]:
        """The files that lie in it."""

    def receipts(self, keys: Iterable[str]) -> list[bytes | None]:
        """What was kept under these keys."""

    def keep(self, key: str, content: bytes) -> None:
        """Keep a receipt, once."""

    def fetch(self, file: InboxFile) -> tuple[Path, str] | None:
        """A local copy of a file and its SHA-256; None when it was replaced or removed meanwhile."""

    def find(self, sha256: str) -> int | None:
        """The version of the data set that holds these bytes."""

    def newest(self) -> Mapping[str, str]:
        """The tags of the newest version; none where there is none."""

    def register(self, table: Path, sha256: str, tags: Mapping[str, str], description: str) -> int:
        """Register a file as a new version."""


@dataclass(frozen=True)
class When:
    """The moment of an ingest, from its caller: the day by which the contract judges, and the time (UTC)."""

    day: date
    time: str


@dataclass(frozen=True)
class Ingested:
    """What one ingest did, and what still waits."""

    taken: tuple[Receipt, ...]
    """New versions, and files whose bytes were a version before."""
    quarantined: tuple[Receipt, ...]
    """All that wait for a person, those of earlier ingests too."""
    waiting: Mapping[str, str]
    left: int
    created: tuple[int, ...]
    """Numbers of the new versions."""


Announce = Callable[[int, str], None]
"""Says that a version, of these bytes, is there to be trained on. It is asked before a receipt is kept, so that an
announcement that fails is made when the command is repeated."""


def unannounced(_version: int, _sha256: str) -> None:
    """For a caller who trains on the newest version anyway."""


def read_plan(inbox: Inbox) -> Plan:
    """What an ingest would do now, and what is quarantined; changes nothing. Raises: UsageError."""
    files = inbox.files()
    receipts = _kept(inbox, [key_of(file) for file in files])
    refused = [receipt.sha256 for receipt in receipts.values() if receipt.version is None and receipt.sha256]
    return plan_of(files, {**receipts, **_kept(inbox, map(acceptance_key, refused))})


def _kept(inbox: Inbox, keys: Iterable[str]) -> dict[str, Receipt]:
    asked = list(keys)
    found = zip(asked, inbox.receipts(asked), strict=True)
    return {key: parse_receipt(content) for key, content in found if content is not None}


def ingest(inbox: Inbox, problem: Problem, when: When, announce: Announce = unannounced) -> Ingested:
    """Check every new file and register or quarantine it. Raises: UsageError; what the storage raises."""
    plan = read_plan(inbox)
    taken: list[Receipt] = []
    refused: list[Receipt] = []
    waiting, created = dict(plan.waiting), list[int]()
    for file in plan.read:
        done = _take(inbox, problem, file, when)
        if done is None:
            waiting[file.name] = "it was replaced or removed while it was being read"
            continue
        receipt, new = done
        if receipt.version is not None:
            announce(receipt.version, receipt.sha256)
        inbox.keep(key_of(file), receipt.content)
        (refused if receipt.version is None else taken).append(receipt)
        created += [receipt.version] if new and receipt.version is not None else []
    quarantined = (*plan.quarantined.values(), *refused)
    return Ingested(tuple(taken), quarantined, waiting, plan.left, tuple(created))


def _take(inbox: Inbox, problem: Problem, file: InboxFile, when: When) -> tuple[Receipt, bool] | None:
    """The receipt of a file, and whether it is a new version; None when the file is not there any more."""
    try:
        demand_readable_size(file)
    except ContractError as refusal:
        return _receipt(problem, file, when, "", None, findings=findings_of(refusal)), False
    fetched = inbox.fetch(file)
    if fetched is None:
        return None
    path, sha256 = fetched
    version = inbox.find(sha256)
    if version is not None:
        return _receipt(problem, file, when, sha256, version), False
    before = Before.of_tags(inbox.newest())
    try:
        table = check_delivered(problem, path, before, when.day)
    except ContractError as refusal:
        return _receipt(problem, file, when, sha256, None, findings=findings_of(refusal)), False
    return _receipt(problem, file, when, sha256, _register(inbox, problem, table, before, None)), True


def check_delivered(
    problem: Problem, path: Path, before: Before, day: date, *, accepted: bool = False
) -> CheckedTable:
    """Check a table by the contract and against the version before it.

    Raises: ContractError.
    """
    delivery = Delivery(as_of=day, accepted_rows=before.rows, newest=before.last)
    table = check_table(problem, path, delivery, accepted=accepted)
    if before.columns not in ("", table.columns):
        found, expected = "has other columns than the newest data version", "the same header"
        raise ContractError(path.name, [Finding("", (), found, expected, "Deliver it to another data set.")])
    return table


def _register(
    inbox: Inbox, problem: Problem, table: CheckedTable, before: Before, acceptance: Acceptance | None
) -> int:
    tags = tags_of(table, problem.series.name, before, acceptance)
    return inbox.register(table.path, table.sha256, tags, description_of(table))


def _receipt(
    problem: Problem, file: InboxFile, when: When, sha256: str, version: int | None, *, findings: tuple[str, ...] = ()
) -> Receipt:
    return Receipt(
        file=file.name,
        etag=file.etag,
        size=file.size,
        sha256=sha256,
        problem=problem.series.name,
        when=when.time,
        version=version,
        findings=findings,
    )


def accept(
    inbox: Inbox,
    problem: Problem,
    name: str,
    acceptance: Acceptance,
    day: date,
    *,
    announce: Announce = unannounced,
) -> tuple[int, str]:
    """Register a quarantined file as the newest version although its delivery is unusual; returns it and its hash.

    May be repeated. Raises: UsageError where no such file is quarantined; ContractError where it violates more of the
    contract than a person can accept.
    """
    quarantined = read_plan(inbox).quarantined
    file = next((file for file in quarantined if file.name == name), None)
    if file is None:
        waiting = ", ".join(file.name for file in quarantined) or "nothing"
        raise UsageError(f"No file {name} is quarantined; {waiting} is. See python -m ml_service data quarantine.")
    demand_readable_size(file)
    fetched = inbox.fetch(file)
    if fetched is None:
        raise UsageError(f"The file {name} was replaced or removed meanwhile. Ingest again.")
    path, sha256 = fetched
    when, version = When(day, acceptance.when), inbox.find(sha256)
    if version is None:
        before = Before.of_tags(inbox.newest())
        table = check_delivered(problem, path, before, day, accepted=True)
        version = _register(inbox, problem, table, before, acceptance)
    announce(version, sha256)
    inbox.keep(acceptance_key(sha256), _receipt(problem, file, when, sha256, version).content)
    return version, sha256
