"""What served from when to when: intervals of time that follow from the entries alone.

Whatever the entries cannot tell is unknown, with the reason: while a deployment was in progress, after one that did
not end well, before the first one, and since somebody changed the service by hand.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from ml_service.audit.completeness.population import Live
from ml_service.audit.events import kinds
from ml_service.production.candidates.candidate import moment
from ml_service.production.chain import deployments
from ml_service.production.chain.entry import NONE, Entry
from ml_service.production.ledger import ABANDONED, APPROVED_DECISION, ASKED_BECAUSE, FAILED, SUCCEEDED, UNDONE
from ml_service.production.live import CHANGED_BY_HAND

Status = Literal["served", "nothing", "unknown"]
_UNDONE = (UNDONE, "rolled-back")
_AT_FIRST = "no deployment was recorded until then, and a service created by hand leaves no entry"
_WHEN_CLOSED = {
    FAILED: "it failed, and it is unknown what was left of it",
    ABANDONED: "its process died, and it is unknown how far it got",
}


@dataclass(frozen=True)
class Served:
    """A deployment: what it brought, who asked for it, and the entries that prove it."""

    opened: Entry
    closed: Entry | None = None
    approval: Entry | None = None
    """That tells who has approved the stage of the build that deployed it; None where none does."""

    @property
    def record(self) -> dict[str, str]:
        """Its data from its first entry."""
        told: dict[str, str] = self.opened.details["record"]
        return told

    @property
    def decision_sha256(self) -> str:
        """Of the decision by which it was deployed."""
        return self.record.get(APPROVED_DECISION) or self.record.get("decision_sha256", "unknown")

    @property
    def document(self) -> dict[str, Any]:
        """For `--json` and the export: facts that are not known are said to be."""
        record, approved = self.record, self.approval.details if self.approval else {}
        proof = [entry for entry in (self.opened, self.closed, self.approval) if entry is not None]
        return {
            "model": self.opened.after,
            **{name: record.get(name, "unknown") for name in _FACTS},
            "deployment": self.opened.subject,
            "requested_by": self.opened.who,
            "identity": self.opened.identity,
            "asked_because": record.get(ASKED_BECAUSE, record.get("take_over", "")),
            "approver": record.get("approver", "") or str(approved.get("person", "unknown")),
            "approval_comment": record.get("approval_comment", "") or str(approved.get("comment", "")),
            "approved": str(approved.get("decided", "")),
            "build_id": self.opened.build_id,
            "commit": self.opened.commit,
            "proof": [{"entry": entry.sequence, "event": entry.event, "sha256": entry.sha256} for entry in proof],
        }


_FACTS = (
    *("event", "model_sha256", "scoring_sha256", "environment_sha256", "decision_sha256", "report_sha256"),
    *("run_id", "workspace", "service", "production_version", APPROVED_DECISION),
)


@dataclass(frozen=True)
class Interval:
    """A time in which one thing is true of production. begin, end: UTC; empty: ever before, until now."""

    begin: str
    end: str
    status: Status
    served: Served | None = None
    possible: tuple[Served, ...] = ()
    """Of an unknown one: what may have served."""
    why: str = ""

    @property
    def document(self) -> dict[str, Any]:
        """For `--json` and the export."""
        return {
            "status": self.status,
            "since": self.begin,
            "until": self.end,
            "why": self.why,
            "served": self.served.document if self.served else None,
            "possible": [one.document for one in self.possible],
        }


@dataclass
class _Walk:
    """Processes the entries in order. before: the state when the deployment in progress began."""

    done: list[Interval] = field(default_factory=list)
    now: Interval = field(default_factory=lambda: Interval("", "", "unknown", why=_AT_FIRST))
    before: Interval | None = None
    opened: dict[str, Served] = field(default_factory=dict)
    approvals: dict[str, Entry] = field(default_factory=dict)
    """The last one of each build until now."""

    def turn(self, when: str, then: Interval) -> None:
        """From a moment on something else is true."""
        self.done.append(replace(self.now, end=when))
        self.now = replace(then, begin=when, end="")

    def follow(self, entry: Entry) -> None:
        """One entry."""
        if entry.event == kinds.APPROVAL_GIVEN:
            self.approvals[entry.about_build] = entry
        elif entry.event == deployments.STARTED:
            self._start(entry)
        elif entry.event == deployments.WITHDRAWN:
            self.turn(entry.when, Interval("", "", "nothing", why="the service of a first deployment was deleted"))
        elif state := deployments.state_of(entry):
            self._end(entry, state)

    def _start(self, entry: Entry) -> None:
        new = Served(entry, approval=self.approvals.get(entry.build_id))
        self.opened[entry.subject] = new
        if by_hand := new.record.get(CHANGED_BY_HAND, ""):
            why = f"the service was changed by hand; deployment {entry.subject} replaced it"
            self.turn(by_hand, Interval("", "", "unknown", why=why))
        self.before = self.now
        possible = (*((self.now.served,) if self.now.served else ()), new)
        why = f"deployment {entry.subject} was in progress"
        self.turn(entry.when, Interval("", "", "unknown", possible=possible, why=why))

    def _end(self, entry: Entry, state: str) -> None:
        new = replace(self.opened.get(entry.subject, Served(entry)), closed=entry)
        if entry.subject in self.opened:
            self.opened[entry.subject] = new
        if state == SUCCEEDED and entry.subject in self.opened:
            self.turn(entry.when, Interval("", "", "served", new))
        elif state in _UNDONE and entry.before == NONE:
            why = "a first deployment was undone, and no service was left"
            self.turn(entry.when, Interval("", "", "nothing", why=why))
        elif state in _UNDONE and self.before is not None:
            self.turn(entry.when, self.before)
        else:
            why = f"deployment {entry.subject}: {_WHEN_CLOSED.get(state, 'no entry opens it')}"
            self.turn(entry.when, Interval("", "", "unknown", possible=self.now.possible, why=why))


def intervals(entries: Iterable[Entry], live: Live | None = None) -> tuple[Interval, ...]:
    """All of time, the oldest first. live: what the service is now; None where nobody looked."""
    walk = _Walk()
    for entry in entries:
        walk.follow(entry)
    if live is not None and live.check == "changed":
        _was_changed(walk, live)
    elif live is not None and live.check == "as-recorded" and walk.now.status == "unknown":
        _was_left_alone(walk)
    return (*walk.done, walk.now)


def deployments_of(entries: Iterable[Entry]) -> tuple[Served, ...]:
    """Every deployment that an entry opens, however it ended, the oldest first."""
    walk = _Walk()
    for entry in entries:
        walk.follow(entry)
    return tuple(walk.opened.values())


def _was_changed(walk: _Walk, live: Live) -> None:
    """The service differs from the record since its last change, or all along if that time is unknown."""
    changed = Interval("", "", "unknown", why=f"it differs from the record: {live.finding}")
    begin, since = moment(walk.now.begin), moment(live.since)
    if since is not None and (begin is None or begin < since):
        walk.turn(live.since, changed)
    elif walk.now.status != "unknown":
        possible = (walk.now.served,) if walk.now.served else ()
        walk.now = replace(changed, begin=walk.now.begin, possible=possible)


def _was_left_alone(walk: _Walk) -> None:
    """The service is as the last good deployment left it: what died since has never touched it."""
    last = max((place for place, one in enumerate(walk.done) if one.served), default=None)
    if last is not None:
        walk.now = replace(walk.done[last], end="")
        del walk.done[last:]


def at(found: Sequence[Interval], when: datetime) -> Interval:
    """What was true at a moment. Where clocks went back, so that the entries tell two things or none: unknown."""
    matching = [one for one in found if _begins(one, when) and not _has_ended(one, when)]
    if len(matching) == 1:
        return matching[0]
    possible = tuple(one.served for one in matching if one.served)
    text = when.isoformat(timespec="seconds")
    return Interval(text, text, "unknown", possible=possible, why="the clocks that wrote the entries do not agree")


def during(found: Sequence[Interval], begin: datetime, end: datetime) -> tuple[Interval, ...]:
    """What was true at some moment of a time, the oldest first."""
    return tuple(one for one in found if not _has_ended(one, begin) and _begins(one, end) and one.begin != one.end)


def _begins(one: Interval, when: datetime) -> bool:
    begin = moment(one.begin)
    return begin is None or begin <= when


def _has_ended(one: Interval, when: datetime) -> bool:
    end = moment(one.end)
    return end is not None and end <= when
