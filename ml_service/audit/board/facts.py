"""Parts of the board as functions of what was read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from azure_ml.datasets import DatasetVersion
from forecasting.calendars import DAILY, calendar_of
from forecasting.decision import words
from forecasting.decision.blocks import Data
from forecasting.decision.record import DecisionRecord
from forecasting.problem.schedule import Schedule
from ml_service.audit.board.document import CandidateState, DataState, DriftState, Restorable, ScheduleState
from ml_service.audit.serving import Now
from ml_service.production import ledger
from ml_service.production.candidates.candidate import Candidate
from ml_service.production.ledger import Record
from ml_service.retraining.schedules import Scheduled

_MOST = 10
"""Candidates that are shown."""
UNKNOWN_DATA = DataState(
    data_set="unknown", version=0, rows=None, last_day=None, steps_behind=None, unit="days", newer_than_served=None
)


def restorable_of(known: Sequence[Record], now: Now) -> Restorable | None:
    """What `rollback --to previous` would restore. known: deployments of the service, the newest first."""
    found = ledger.previous(known, now.record)
    if found is None:
        return None
    content = found.content
    return Restorable(
        model=content.model,
        deployment=found.id,
        since=found.started,
        scoring_sha256=content.scoring_sha256,
        rolled_back=left.why if (left := ledger.left_by(known, found)) else "",
    )


def candidate_states(candidates: Sequence[Candidate]) -> tuple[CandidateState, ...]:
    """The newest candidates."""
    return tuple(
        CandidateState(
            model=one.model,
            state=str(one.state),
            since=one.since,
            person=one.person,
            reason=one.reason,
            age_days=one.age_days,
            expires=one.expires,
            setbacks=len(one.setbacks),
        )
        for one in candidates[:_MOST]
    )


def data_state(name: str, newest: DatasetVersion | None, served: Data | None, today: date) -> DataState:
    """How fresh the newest data version is. served: the data that the serving model was judged on."""
    calendar = calendar_of(served.frequency) if served else DAILY
    if newest is None:
        return DataState.model_validate({**dict(UNKNOWN_DATA), "data_set": name, "unit": calendar.units})
    last = _day(newest.tags.get("last_date", ""))
    rows = newest.tags.get("rows", "")
    # The step that today belongs to has not ended.
    behind = max(calendar.between(last, today) - 1, 0) if last else None
    newer = served is not None and last is not None and last > served.last_date
    return DataState(
        data_set=name,
        version=newest.version,
        rows=int(rows) if rows.isdecimal() else None,
        last_day=last,
        steps_behind=behind,
        unit=calendar.units,
        newer_than_served=newer if served is not None else None,
    )


def drift_state(run_id: str, decision: DecisionRecord) -> DriftState:
    """What the rule drift of a decision has found; it never blocks."""
    rule = next((rule for rule in decision.evidence.rules if rule.code == "drift"), None)
    return DriftState(
        run_id=run_id,
        decided_at=decision.context.decided_at,
        status=rule.status if rule else "off",
        sentence=words.why(rule, decision.evidence) if rule else "the decision has no such rule",
        meaning=words.drift(decision.evidence),
    )


def schedule_state(found: Scheduled, rule: Schedule | None, now: datetime) -> ScheduleState:
    """A stored schedule, with what the problem file says of its kind. now: UTC, without a zone."""
    recurrence, following = "not in the problem file", ""
    if rule is not None and found.kind == "data" and rule.on_data:
        recurrence = f"when data has come, asked every {rule.poll_minutes} minutes"
    elif rule is not None and found.kind == "recurrence" and rule.recurrence is not None:
        recurrence = rule.recurrence.words
        moment = rule.recurrence.next_after(now) if found.state == "active" else None
        following = f"{moment.isoformat(timespec='seconds')}+00:00" if moment else ""
    return ScheduleState(name=found.name, status=found.state, recurrence=recurrence, next=following, last=found.last)


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
