"""Approvals whose end no entry tells: nobody answered a request, or nothing was deployed after an approval."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ml_service.audit.events import kinds
from ml_service.production.candidates.candidate import State
from ml_service.production.candidates.events import move_of
from ml_service.production.chain import deployments
from ml_service.production.chain.entry import Entry

_ASKED = (State.ACCEPTED, State.AWAITING)


@dataclass(frozen=True)
class Open:
    """A request for approval, or an approval. refused: the last refusal of a request of its build."""

    entry: Entry
    refused: Entry | None = None

    @property
    def given(self) -> bool:
        """Whether somebody approved, and nothing was deployed."""
        return self.entry.event == kinds.APPROVAL_GIVEN


def still_open(entries: Sequence[Entry]) -> list[Open]:
    """What is open at the end of the ledger, the oldest first."""
    deployed = {entry.build_id for entry in entries if entry.event == deployments.STARTED}
    given = {_build_of(entry): entry for entry in entries if entry.event == kinds.APPROVAL_GIVEN}
    refused = {entry.build_id: entry for entry in entries if entry.event == kinds.REQUEST_REFUSED}
    found = [Open(entry, refused.get(build)) for build, entry in given.items() if build not in deployed]
    answered = {*deployed, *_answered(entries)}
    found += [Open(entry) for entry in _requests(entries) if _build_of(entry) not in answered]
    return sorted(found, key=lambda one: one.entry.sequence)


def _answered(entries: Iterable[Entry]) -> Iterator[str]:
    """The builds whose request for approval has an answer."""
    for entry in entries:
        move = move_of(entry)
        is_answer = entry.event.startswith(kinds.APPROVAL) and entry.event != kinds.APPROVAL_REQUESTED
        if is_answer or (move is not None and move.state not in _ASKED):
            yield _build_of(entry)


def _requests(entries: Iterable[Entry]) -> Iterator[Entry]:
    """Requests for approval; of a candidate only one that no later move has ended."""
    waiting: dict[str, Entry] = {}
    for entry in entries:
        move = move_of(entry)
        if entry.event == kinds.APPROVAL_REQUESTED:
            yield entry
        elif move is not None and move.state is State.AWAITING:
            waiting[entry.after] = entry
        elif move is not None and move.state is not State.ACCEPTED:
            waiting.pop(entry.after, None)
    yield from waiting.values()


def _build_of(entry: Entry) -> str:
    """The build whose stage asks for the approval."""
    return entry.about_build or entry.build_id
