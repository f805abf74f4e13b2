"""The board for people: lines on a terminal, a page to open or print; both render the document only."""

from __future__ import annotations

from pathlib import Path

from forecasting.decision import words
from ml_service.audit.board.document import (
    Accuracy,
    Agreement,
    Board,
    CandidateState,
    DataState,
    Place,
    ScheduleState,
)
from ml_service.output.console import Terminal
from ml_service.output.html import render_page
from ml_service.output.moments import shown_moment

_TEMPLATE = Path(__file__).with_name("board.html.j2")
_SHOWN_HASH = 12
_STYLES = {"agrees": "green", "differs": "bold red", "unknown": "yellow", "nothing serves": "yellow"}
_TONES = {"agrees": "good", "differs": "bad", "unknown": "warn", "nothing serves": "soft"}
_AMBER = ("rejected", "expired", "unknown", "awaiting approval")


def show(terminal: Terminal, board: Board) -> None:
    """Print the board in short lines; colors on terminals only."""
    terminal.out(f"agreement  {agreement_sentence(board.agreement)}", _STYLES[board.agreement.status])
    for name, text in fact_rows(board):
        for place, line in enumerate(text.splitlines()):
            style = "yellow" if name in ("unfinished", "unread") else ""
            terminal.out(f"{'' if place else name:<10} {line}", style)
    if board.candidates:
        terminal.heading("Candidates")
        terminal.table(("model", "state", "since", "by", "why"), candidate_rows(board))
    if board.schedules:
        terminal.heading("Schedules")
        terminal.table(("schedule", "state", "recurrence", "next", "last"), schedule_rows(board.schedules))


def write_page(board: Board, file: Path) -> None:
    """Write the page into a file, whose folder is made when it is absent."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(html(board), encoding="utf-8")


def html(board: Board) -> str:
    """The page."""
    return render_page(
        _TEMPLATE,
        title=f"Status: {board.problem}",
        board=board,
        agreement=agreement_sentence(board.agreement),
        tone=_TONES[board.agreement.status],
        rows=fact_rows(board),
        candidates=[(one, _tone_of(one)) for one in board.candidates],
        schedules=schedule_rows(board.schedules or ()),
    )


def agreement_sentence(agreement: Agreement) -> str:
    """Whether service, ledger and champion agree."""
    sentences = {
        "agrees": "live service, ledger and champion agree",
        "differs": "DIFFERS",
        "unknown": "unknown",
        "nothing serves": "nothing serves",
    }
    return sentences[agreement.status] + (f": {agreement.finding}" if agreement.finding else "")


def fact_rows(board: Board) -> list[tuple[str, str]]:
    """Name and text of each fact; a text may have several lines."""
    return [
        ("serves", _serves(board)),
        ("before", _before(board)),
        ("test", _place(board.test)),
        ("champion", board.champion or "none"),
        ("data", _data(board.data)),
        ("forecasts", _accuracy(board.accuracy)),
        ("drift", _drift(board)),
        *([("unfinished", "\n".join(board.unfinished))] if board.unfinished else []),
        *([("unread", "\n".join(board.unread))] if board.unread else []),
    ]


def candidate_rows(board: Board) -> list[tuple[str, ...]]:
    """The candidates, one line each."""
    return [
        (one.model, one.state, shown_moment(one.since), one.person or "-", one.reason.partition("\n")[0] or "-")
        for one in board.candidates
    ]


def schedule_rows(schedules: tuple[ScheduleState, ...]) -> list[tuple[str, ...]]:
    """The schedules, one line each."""
    return [
        (one.name, one.status, one.recurrence, shown_moment(one.next) or "-", shown_moment(one.last) or "never")
        for one in schedules
    ]


def _tone_of(candidate: CandidateState) -> str:
    if candidate.state == "released":
        return "good"
    return "warn" if candidate.state in _AMBER else "soft"


def _serves(board: Board) -> str:
    serves, place = board.serves, board.production
    if serves is None:
        return "nothing" if place is None else f"nothing recorded; {_place(place)}"
    version = serves.version
    approved = f", approved by {serves.approver}" if serves.approver else ""
    because = f": {serves.reason}" if serves.reason else ""
    hashes = {
        "model": version.model_sha256,
        "scoring": version.scoring_sha256,
        "environment": version.environment_sha256,
    }
    return "\n".join(
        [
            f"{version.model} since {shown_moment(serves.since)}",
            *([_place(place)] if place else []),
            f"{serves.event} by {serves.who}, build {serves.build_id}{approved}{because}",
            ", ".join(f"{name} {sha256[:_SHOWN_HASH]}" for name, sha256 in hashes.items()),
        ]
    )


def _before(board: Board) -> str:
    """What a rollback would restore; of the same model it is the code that would change."""
    before = board.before
    if before is None:
        return "nothing else has served, so there is nothing to roll back to"
    code = f", scoring {before.scoring_sha256[:_SHOWN_HASH]}" if before.scoring_sha256 else ""
    told = "; rollback --to previous restores it"
    if before.rolled_back:
        told = f"; rollback --to previous refuses it, because it was rolled back: {before.rolled_back}"
    return f"{before.model} since {shown_moment(before.since)}{code}{told}"


def _place(place: Place) -> str:
    where = f"service {place.service} in workspace {place.workspace}"
    if not place.state:
        return f"{where}, not checked"
    models = f", {', '.join(place.models)}" if place.models else ""
    return f"{where} is {place.state}{models}" + (f"\n{place.url}" if place.url else "")


def _data(data: DataState) -> str:
    if data.version == 0:
        return f"{data.data_set}: no version is registered"
    until = f"until {data.last_day}" if data.last_day else "with unrecorded last day"
    behind = f", {data.steps_behind:,} {data.unit} behind today" if data.steps_behind else ""
    newer = "\nnewer than the data of the serving model" if data.newer_than_served else ""
    rows = f", {data.rows:,} rows" if data.rows is not None else ""
    return f"{data.data_set} version {data.version}{rows}, {until}{behind}{newer}"


def _accuracy(found: Accuracy | None) -> str:
    if found is None:
        return "no newer actuals to compare the serving model with"
    against = ""
    if found.gain is not None:
        direction = "better" if found.gain >= 0 else "WORSE"
        against = f", {abs(found.gain) * 100:.1f}% {direction} than the seasonal naive forecast"
    covered = (
        f"\n{found.coverage:.0%} of the actuals are inside the 80% interval" if found.coverage is not None else ""
    )
    window = f"{found.first} to {found.last}, {found.series:,} series"
    return f"{found.model} against the actuals of {window}: mean absolute error {found.error:,.1f}{against}{covered}"


def _drift(board: Board) -> str:
    drift = board.drift
    if drift is None:
        return "no run has decided yet"
    word = {"passed": "none", "warning": "WARNING", "off": "not measured"}.get(drift.status, drift.status)
    said = "\n".join(filter(None, (drift.meaning, words.sentence(drift.sentence))))
    return f"{word}, by the run of {shown_moment(drift.decided_at)}: {said}"
