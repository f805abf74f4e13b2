"""The board as a typed document, from which docs/status_board.schema.json follows; pages and programs render it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from forecasting.decision.blocks import Block, Count, Day, Share, Text
from forecasting.decision.record import schema_of
from ml_service.audit.approval.card import Serving


class Agreement(Block):
    """Whether live service, ledger and champion agree, as `verify` compares them."""

    status: Annotated[
        Literal["agrees", "differs", "unknown", "nothing serves"],
        Field(description="differs: status exits with 3; unknown: see finding for the reason."),
    ]
    finding: Annotated[str, Field(description="What differs, or why it is unknown; empty where all agrees.")]


class Restorable(Block):
    """The deployment that `rollback --to previous` would restore."""

    model: Text
    deployment: Text
    since: Annotated[Text, Field(description="When its deployment began, in UTC.")]
    scoring_sha256: str
    rolled_back: Annotated[str, Field(description="Why it was rolled back since; empty: it was not.")] = ""


class Place(Block):
    """A web service and the model versions behind it."""

    service: Text
    workspace: Text
    state: Annotated[str, Field(description="As Azure ML says it; absent: there is no service; empty: not looked.")]
    models: tuple[str, ...]
    url: Annotated[str, Field(description="Where it is called; empty where there is none.")]


class CandidateState(Block):
    """A model version that the gate has accepted."""

    model: Text
    state: Annotated[
        str,
        Field(
            description="accepted, awaiting approval, released, rejected, superseded, expired, withdrawn, unknown."
        ),
    ]
    since: str
    person: str
    reason: str
    age_days: float
    expires: Annotated[str, Field(description="Empty: it does not expire.")]
    setbacks: Annotated[Count, Field(description="How often its bytes were rejected, rolled back or undone before.")]


class ScheduleState(Block):
    """A schedule that starts a training run."""

    name: Text
    status: str
    recurrence: str
    next: Annotated[str, Field(description="In UTC; empty where it is not known.")]
    last: Annotated[str, Field(description="In UTC; empty before the first time.")]


class DataState(Block):
    """The newest data version."""

    data_set: Text
    version: Annotated[Count, Field(description="0: none is registered.")]
    rows: Count | None
    last_day: Day | None
    steps_behind: Annotated[
        Count | None, Field(description="Whole steps of the problem's calendar that have ended since the last day.")
    ]
    unit: Annotated[str, Field(description="What the steps are called, such as days or weeks.")]
    newer_than_served: Annotated[bool | None, Field(description="Than the data of the serving model; null: unknown.")]


class DriftState(Block):
    """What the last decided training run has found of drift."""

    run_id: Text
    decided_at: Text
    status: Annotated[str, Field(description="passed, warning, or off where nothing could be compared.")]
    sentence: str
    meaning: Annotated[str, Field(description="Of a warning: what changed, and what to look at.")] = ""


class Accuracy(Block):
    """The serving model's forecasts against the actuals that have arrived since it was trained."""

    model: Text
    first: Day
    last: Day
    steps: Count
    series: Count
    error: Annotated[float, Field(ge=0, description="Mean absolute error, in the unit of the measure.")]
    naive_error: Annotated[float, Field(ge=0, description="The same of the seasonal naive forecast.")]
    gain: Annotated[float | None, Field(description="Share by which the error is smaller than the naive one.")]
    coverage: Annotated[Share | None, Field(description="Share of the actuals inside the 80% interval.")]


class Board(Block):
    """One problem at one moment."""

    schema_version: Literal[1]
    problem: Text
    moment: Annotated[Text, Field(description="In UTC.")]
    tags: Annotated[dict[str, str], Field(description="Tags of the training workspace; they mark a rehearsal.")]
    agreement: Agreement
    serves: Annotated[Serving | None, Field(description="By the ledger; null: nothing has been deployed.")]
    before: Annotated[
        Restorable | None, Field(description="What a rollback to the previous deployment restores; null: nothing.")
    ]
    production: Annotated[Place | None, Field(description="null: no production workspace is configured.")]
    test: Place
    champion: Annotated[str, Field(description="name:version; empty where there is none.")]
    candidates: Annotated[tuple[CandidateState, ...], Field(description="The newest versions first; at most ten.")]
    unfinished: Annotated[tuple[str, ...], Field(description="Deployments that have not ended.")]
    schedules: Annotated[tuple[ScheduleState, ...] | None, Field(description="null: they were not read.")]
    data: DataState
    drift: Annotated[DriftState | None, Field(description="null: no run has decided yet.")]
    accuracy: Annotated[Accuracy | None, Field(description="null: no newer actuals have arrived.")]
    unread: Annotated[tuple[str, ...], Field(description="What of this could not be read, and why.")]


def schema() -> str:
    """The text of docs/status_board.schema.json, which `make schema` writes."""
    return schema_of(Board, "status_board.schema.json", "Status board of a problem, schema version 1")
