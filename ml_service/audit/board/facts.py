"""Parts of the board as functions of what was read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from azure_ml.datasets import DatasetVersion
from forecasting.calendars import DAILY, calendar_of
from forecasting.decision.blocks import Data
from forecasting.decision.record import DecisionRecord
from ml_service.audit.board.document import CandidateState, DataState, DriftState
from ml_service.production.candidates.candidate import Candidate

_MOST = 10
"""Candidates that are shown."""
UNKNOWN_DATA = DataState(
    data_set="unknown", version=0, rows=None, last_day=None, steps_behind=None, unit="days", newer_than_served=None
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
        sentence=rule.sentence if rule else "the decision has no such rule",
    )


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
