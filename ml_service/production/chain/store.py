"""Read and extend the entries of a problem: `ledger/<problem>/<sequence>.json` in the training workspace's storage.

An entry is created with If-None-Match, so of two writers one gets the number: order and chain come from one step.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from azure_ml.storage.blobs import Blobs
from ml_service.errors import CheckFailedError, ConflictError, FaultError
from ml_service.production.chain.entry import MAX_ENTRY_BYTES, NONE, Entry, Event, parse

FOLDER = "ledger"
_ATTEMPTS = 10
"""Each meets another writer at the very same moment."""
_NAME = re.compile(r"[0-9]{8}\.json")


class UncertainError(FaultError):
    """It is unknown whether an entry is stored."""


@dataclass(frozen=True)
class Chain:
    """The entries of a problem as they were read, the oldest first."""

    problem: str
    entries: tuple[Entry, ...] = ()
    faults: tuple[str, ...] = ()
    """The faults of the chain: each names the blob and what is wrong with it."""
    unreadable: tuple[tuple[str, bytes], ...] = ()
    """Blobs that are not entries, with their content: evidence for the person who investigates the change."""

    @property
    def head(self) -> str:
        """Hash of the last entry; `none` before the first."""
        return self.entries[-1].sha256 if self.entries else NONE

    def next_entry(self, event: Event) -> Entry:
        """An event as the next entry of this chain; not stored yet."""
        return _entry(self.problem, len(self.entries) + 1, self.head, event)

    def followed_by(self, event: Event) -> Chain:
        """The chain with one event more, in memory."""
        return replace(self, entries=(*self.entries, self.next_entry(event)))

    def demand_whole(self) -> None:
        """Raises: CheckFailedError when an entry is missing, changed or foreign."""
        if self.faults:
            raise CheckFailedError(
                f"the ledger of the problem {self.problem} was changed or damaged; this command has changed nothing",
                found="\n".join(self.faults),
                expected=f"{path(self.problem, 1)} and its successors, each with the hash of the previous one",
                todo="find out who changed it, and restore it from the backup (docs/production.md)",
            )


def _entry(problem: str, sequence: int, head: str, event: Event) -> Entry:
    told = {"problem": problem, "sequence": sequence, "previous_sha256": head}
    entry = Entry.model_validate({**vars(event), **told})
    if len(entry.content) > MAX_ENTRY_BYTES:
        raise FaultError(
            f"the entry {event.event} of {event.subject} is too large for the ledger",
            found=f"{len(entry.content)} bytes",
            expected=f"at most {MAX_ENTRY_BYTES}",
        )
    return entry


def path(problem: str, sequence: int) -> str:
    """Name of the blob of an entry."""
    return f"{FOLDER}/{problem}/{sequence:08}.json"


def read(blobs: Blobs, problem: str) -> Chain:
    """Read all entries of a problem and check that each follows from the one before it."""
    names = blobs.names(f"{FOLDER}/{problem}/")
    ours, faults = list[str](), list[str]()
    for name in names:
        if _NAME.fullmatch(name.rpartition("/")[2]):
            ours.append(name)
        else:
            faults.append(f"{name}: no entry has such a name")
    entries, unreadable = list[Entry](), list[tuple[str, bytes]]()
    head, expected = NONE, 1
    for name, content in zip(ours, blobs.read_all(ours), strict=True):
        if name != path(problem, expected):
            faults.append(f"{path(problem, expected)}: it is missing")
        entry, found = parse(content or b""), int(name[-len("00000000.json") : -len(".json")])
        if fault := _fault(entry, found, head, problem):
            faults.append(f"{name}: {fault}")
        if entry is not None:
            entries.append(entry)
        elif content is not None:
            unreadable.append((name, content))
        head, expected = hashlib.sha256(content or b"").hexdigest(), found + 1
    return Chain(problem, tuple(entries), tuple(faults), tuple(unreadable))


def _fault(entry: Entry | None, number: int, head: str, problem: str) -> str:
    """What is wrong with the entry that should have this number; empty when nothing is."""
    if entry is None:
        return "not an entry in canonical form"
    if (entry.problem, entry.sequence) != (problem, number):
        return f"is entry {entry.sequence} of the problem {entry.problem}"
    if entry.previous_sha256 != head:
        return f"follows an entry with sha256 {entry.previous_sha256}, but the previous entry has {head}"
    return ""


def append(blobs: Blobs, chain: Chain, entry: Entry) -> Chain:
    """Store an entry that was made as the next one of this chain.

    Raises: ConflictError (another process has written that number; nothing was stored), UncertainError, or what the
    storage raises; nothing was stored then either.
    """
    if not _create(blobs, chain.problem, entry):
        raise ConflictError(
            f"another process has already written entry {entry.sequence} of the ledger of {chain.problem}",
            expected="only one process at a time that changes production",
            todo="find out which: python -m ml_service history --out FOLDER; then repeat the command",
        )
    return replace(chain, entries=(*chain.entries, entry))


def append_beside_others(blobs: Blobs, chain: Chain, event: Event) -> Chain:
    """Store an event as the next entry, also behind what others have written meanwhile that changes no production.

    They need no lease. Raises: as `append`.
    """
    for _ in range(_ATTEMPTS):
        try:
            return append(blobs, chain, chain.next_entry(event))
        except ConflictError:
            found = read(blobs, chain.problem)
            added = found.entries[len(chain.entries) :]
            if found.faults or not added or any(entry.changes_production for entry in added):
                raise
            chain = replace(chain, entries=found.entries)
    return append(blobs, chain, chain.next_entry(event))


def append_at_end(blobs: Blobs, problem: str, events: Iterable[Event]) -> tuple[Entry, ...]:
    """Store events that change nothing in production behind the last entry, whichever that is; reads no other one.

    Raises: CheckFailedError if the last entry was changed or damaged, ConflictError after many attempts, else as
    `append`; those that were stored before stay.
    """
    last, stored = read_last(blobs, problem), list[Entry]()
    for event in events:
        last = _store_behind(blobs, problem, last, event)
        stored.append(last)
    return tuple(stored)


def _store_behind(blobs: Blobs, problem: str, last: Entry | None, event: Event) -> Entry:
    for _ in range(_ATTEMPTS):
        sequence, head = (last.sequence + 1, last.sha256) if last else (1, NONE)
        entry = _entry(problem, sequence, head, event)
        if _create(blobs, problem, entry):
            return entry
        last = read_last(blobs, problem)
    raise ConflictError(
        f"the ledger of {problem} was written by others {_ATTEMPTS} times while an entry was to be added",
        todo="repeat the command",
    )


def read_last(blobs: Blobs, problem: str) -> Entry | None:
    """The last entry that is stored; None where there is none. Raises: CheckFailedError."""
    names = blobs.names(f"{FOLDER}/{problem}/")
    last = parse(blobs.read(names[-1]) or b"") if names else None
    if names and (last is None or names[-1] != path(problem, last.sequence) or last.problem != problem):
        Chain(problem, faults=(f"{names[-1]}: not an entry in canonical form",)).demand_whole()
    return last


def _create(blobs: Blobs, problem: str, entry: Entry) -> bool:
    """Whether the entry is stored under its number, also where the answer that said so was lost."""
    name = path(problem, entry.sequence)
    try:
        if blobs.create(name, entry.content):
            return True
    except Exception as error:
        if _is_stored(blobs, name, entry, error):
            return True
        raise
    return blobs.read(name) == entry.content


def _is_stored(blobs: Blobs, name: str, entry: Entry, because: Exception) -> bool:
    try:
        return blobs.read(name) == entry.content
    except Exception as error:
        raise UncertainError(
            f"it is unknown whether {name} is stored: neither writing nor reading it got a response",
            found=str(because),
            todo="make sure that the storage account can be reached, then repeat the command",
        ) from error
