"""`audit at`: which bytes served at a moment, since when, who asked and approved, on what evidence, with proof."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from azure_ml.workspace import UNKNOWN
from ml_service.audit.completeness.finding import Finding
from ml_service.audit.events import kinds
from ml_service.audit.timeline.intervals import Interval, Served, at, during
from ml_service.errors import InvalidRequestError
from ml_service.output.console import Terminal
from ml_service.production.chain.entry import Entry

_COLUMNS = ("code", "verdict", "value", "threshold")
"""Of a rule of the gate."""
_DAY = len("2026-11-30")


@dataclass(frozen=True)
class Asked:
    """The time that is asked about; one moment where begin and end are the same."""

    begin: datetime
    end: datetime


@dataclass(frozen=True)
class Answer:
    """What the ledger says of a time. anchored: places outside of it that note entries of the answer."""

    asked: Asked
    intervals: tuple[Interval, ...]
    gates: dict[str, Entry]
    """What the gate said, by training run."""
    findings: tuple[Finding, ...]
    anchored: dict[int, list[str]]
    """Places that note an entry, by its number."""

    @property
    def is_known(self) -> bool:
        """Whether every part of it is known, and the ledger is as it was written."""
        return not self.findings and all(one.status != "unknown" for one in self.intervals)

    @property
    def document(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "from": self.asked.begin.isoformat(timespec="seconds"),
            "to": self.asked.end.isoformat(timespec="seconds"),
            "known": self.is_known,
            "answers": [{**one.document, "gate": self._gate(one.served)} for one in self.intervals],
            "anchors": {str(number): places for number, places in self.anchored.items()},
            "findings": [finding.document for finding in self.findings],
        }

    def _gate(self, served: Served | None) -> dict[str, Any] | None:
        entry = self.gates.get(served.record.get("run_id", "")) if served else None
        return {**entry.details, "evidence": dict(entry.evidence)} if entry else None

    def gate_of(self, served: Served) -> Entry | None:
        """What the gate said of a deployed model."""
        return self.gates.get(served.record.get("run_id", ""))


def parse_date(text: str, now: datetime) -> Asked:
    """A day, or a moment with its time zone; without one it is UTC. Raises: InvalidRequestError."""
    try:
        begin = datetime.fromisoformat(text.strip())
        begin = begin.astimezone(UTC) if begin.tzinfo else begin.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise InvalidRequestError(
            f"--date {text} is not a date", expected="a day such as 2026-03-03, or a time such as 2026-03-03T14:00Z"
        ) from None
    if begin > now:
        raise InvalidRequestError(f"--date {text} is in the future", expected=f"at most {now:%Y-%m-%dT%H:%MZ}")
    end = min(begin + timedelta(days=1), now) if len(text.strip()) <= _DAY else begin
    return Asked(begin, end)


def answer(
    asked: Asked,
    entries: Sequence[Entry],
    found: Sequence[Interval],
    findings: Iterable[Finding],
    anchored: dict[int, list[str]],
) -> Answer:
    """What the ledger says of that time. found: all of time."""
    told = (at(found, asked.begin),) if asked.begin == asked.end else during(found, asked.begin, asked.end)
    gates = {entry.subject: entry for entry in entries if entry.event == kinds.GATE_DECIDED}
    return Answer(asked, told, gates, tuple(findings), anchored)


def show(terminal: Terminal, result: Answer) -> None:
    """Print one block for each interval, then what is wrong."""
    for one in result.intervals:
        since, until = one.begin or "ever before", one.end or "now"
        if one.served is None:
            terminal.out(f"{one.status:<10} from {since} to {until}: {one.why}")
        else:
            _show_served(terminal, result, one, one.served)
        for maybe in one.possible:
            terminal.out(f"           may have served: {maybe.opened.after}, deployment {maybe.opened.subject}")
    for finding in result.findings:
        terminal.err(f"error: {finding.line}")
    terminal.document(result.document)


def _show_served(terminal: Terminal, result: Answer, one: Interval, served: Served) -> None:
    facts = served.document
    terminal.out(
        f"served     {facts['model']} from {one.begin} to {one.end or 'now'}, deployment {facts['deployment']}"
    )
    terminal.out(f"           by {facts['event']} to service {facts['service']} in workspace {facts['workspace']}")
    for name in ("model", "scoring", "environment"):
        terminal.out(f"{name:<10} sha256 {facts[f'{name}_sha256']}")
    why = f": {facts['asked_because']}" if facts["asked_because"] else ""
    terminal.out(f"requested  {facts['requested_by']}, build {facts['build_id']}, commit {facts['commit']}{why}")
    comment = f": {facts['approval_comment']}" if facts["approval_comment"] else ""
    when = f", {facts['approved']}" if facts["approved"] else ""
    terminal.out(f"approved   {facts['approver']}{when}{comment}")
    terminal.out(f"evidence   decision {served.decision_sha256}, report {facts['report_sha256']}")
    gate = result.gate_of(served)
    if gate is not None:
        terminal.out(f"gate       {gate.details.get('outcome', UNKNOWN)}: {gate.details.get('sentence', UNKNOWN)}")
        terminal.table(("rule", *_COLUMNS[1:]), list(_rules_of(gate)), right=_COLUMNS[2:])
    for proof in facts["proof"]:
        places = ", ".join(result.anchored.get(proof["entry"], [])) or "nowhere else"
        terminal.out(
            f"proof      entry {proof['entry']} {proof['event']}, sha256 {proof['sha256']}; noted by {places}"
        )


def _rules_of(gate: Entry) -> Iterator[list[str]]:
    """Return the rules in an entry, which may be malformed: anybody with write access can change the ledger."""
    told = gate.details.get("rules")
    for rule in told if isinstance(told, list) else ():
        if isinstance(rule, dict):
            yield [str(rule.get(name, UNKNOWN)) for name in _COLUMNS]


def ending(result: Answer) -> tuple[str, str]:
    """What happened and what to do next, for the closing."""
    if result.is_known:
        return "the answer is proven by the ledger; nothing was changed", ""
    if result.findings:
        return "the ledger was changed; do not trust the answer", "see all findings: audit verify"
    return "what served is unknown for that time, or for a part of it", "list what is known: audit log"
