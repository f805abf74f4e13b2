"""The status board: what it says of production, candidates, data, drift and forecasts, and what it ends with."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from azure_ml.datasets import DatasetVersion
from azure_ml.errors import AzureMlError
from azure_ml.workspace import Workspace
from forecasting.decision.blocks import Rule
from forecasting.problem.schedule import Recurrence, Schedule
from ml_service.audit.approval.facts import serving_of
from ml_service.audit.board import document, reading
from ml_service.audit.board.document import Accuracy, Agreement, Board, DriftState, Place, Restorable, ScheduleState
from ml_service.audit.board.facts import candidate_states, data_state, drift_state, restorable_of, schedule_state
from ml_service.audit.board.page import html, show, write_page
from ml_service.audit.candidates import next_step
from ml_service.audit.serving import View
from ml_service.errors import CheckFailedError, ConflictError, FaultError
from ml_service.output.console import Terminal
from ml_service.production.candidates.candidate import Candidate, Move, Setback, State, pending
from ml_service.production.verify import UnverifiedError
from ml_service.retraining.schedules import Scheduled
from ml_service.settings.build import Build
from tests.unit.ml_service.audit.test_approval_card import (
    BETTER,
    FIRST,
    OF_FIRST,
    SECOND,
    now_of,
    rolled_back,
)
from tests.unit.ml_service.decisions import changed

ROOT = Path(__file__).resolve().parents[4]
TODAY = date(2014, 6, 10)
AGREES = Agreement(status="agrees", finding="")
REJECTED = Candidate(
    model_name="m",
    version=3,
    model_sha256="3" * 64,
    run_id="r",
    accepted="2026-11-28T10:00:00+00:00",
    compared_with="2",
    move=Move(State.REJECTED, "2026-11-29T10:00:00+00:00", "Grace", "too high on Mondays", "104"),
    due=False,
    age_days=2.0,
    expires="",
    setbacks=(Setback("rejected", "m:3", "2026-11-29T10:00:00+00:00", "Grace", "too high on Mondays", "104"),),
)


def dataset(**tags: str) -> DatasetVersion:
    return DatasetVersion(SimpleNamespace(), "sales", 4, tags)


def board(**changes: object) -> Board:
    """A board on which all is well."""
    plain = Board(
        schema_version=1,
        problem="paid_amount",
        moment="2026-11-30T09:00:00+00:00",
        tags={"evidence": "local rehearsal"},
        agreement=AGREES,
        serves=serving_of(now_of(SECOND, BETTER)),
        before=Restorable(model="m:1", deployment="d1", since="2026-11-20T10:02:00+00:00", scoring_sha256="5" * 64),
        production=Place(service="m", workspace="production", state="Healthy", models=("m:2",), url="http://x/score"),
        test=Place(service="m-test", workspace="training", state="Healthy", models=("m:3",), url=""),
        champion="m:2",
        candidates=candidate_states([REJECTED]),
        unfinished=(),
        schedules=None,
        data=data_state("sales", dataset(rows="1204", last_date="2014-06-07"), BETTER.evidence.data, TODAY),
        drift=None,
        accuracy=None,
        unread=(),
    )
    return changed(plain, **changes)


def printed(shown: Board) -> str:
    """The lines of a terminal."""
    out = io.StringIO()
    show(Terminal(out=out, err=io.StringIO()), shown)
    return out.getvalue()


def test_it_says_what_serves_since_when_and_by_whom() -> None:
    text = printed(board())
    for said in (
        "agreement  live service, ledger and champion agree",
        "serves     m:2 since 27 Nov 2026, 10:02 UTC",
        "service m in workspace production is Healthy, m:2",
        "release by Ada, build b",
        "before     m:1 since 20 Nov 2026, 10:02 UTC, scoring 555555555555; rollback --to previous restores it",
        "scoring 555555555555, environment 666666666666",
        "test       service m-test in workspace training is Healthy, m:3",
    ):
        assert said in text
    assert "\x1b" not in text, "colors are for terminals"


def test_after_a_rollback_it_says_that_another_one_would_restore_what_was_left() -> None:
    back = rolled_back(SECOND, asked_because="too high on Mondays")
    found = restorable_of([back, SECOND, FIRST], now_of(back, OF_FIRST))
    assert found is not None
    assert (found.model, found.rolled_back) == ("m:2", "too high on Mondays")
    text = printed(board(before=found))
    assert "rollback --to previous refuses it, because it was rolled back: too high on Mondays" in text
    calm = restorable_of([SECOND, FIRST], now_of(SECOND, BETTER))
    assert calm is not None and (calm.model, calm.rolled_back) == ("m:1", "")


@pytest.mark.parametrize(
    ("state", "todo"),
    [(State.ACCEPTED, "release --pending"), (State.AWAITING, "release --pending"), (State.REJECTED, ""), (None, "")],
)
def test_the_list_offers_a_release_only_of_a_candidate_that_may_be_released(state: State | None, todo: str) -> None:
    listed = [replace(REJECTED, move=replace(REJECTED.move, state=state))] if state else []
    told = next_step(next(iter(pending(listed)), None))
    assert (todo in told) if todo else (told == "")


def test_the_page_says_the_same_and_neutralizes_foreign_text() -> None:
    hostile = changed(REJECTED_STATE, reason="<script>alert(1)</script>")
    page = html(board(candidates=(hostile,)))
    for said in ("m:2 since 27 Nov 2026", "local rehearsal", "rejected", "1 setback before"):
        assert said in page
    assert "<script>" not in page


(REJECTED_STATE,) = candidate_states([REJECTED])


def test_candidates_stand_with_state_person_and_reason() -> None:
    assert (REJECTED_STATE.state, REJECTED_STATE.person, REJECTED_STATE.setbacks) == ("rejected", "Grace", 1)
    assert "m:3" in printed(board())
    assert "too high on Mondays" in printed(board())
    assert len(candidate_states([REJECTED] * 30)) == 10


def test_data_is_as_old_as_the_steps_that_have_ended() -> None:
    found = data_state("sales", dataset(rows="1204", last_date="2014-06-07"), BETTER.evidence.data, TODAY)
    assert (found.version, found.rows, found.steps_behind, found.newer_than_served) == (4, 1204, 2, True)
    assert "sales version 4, 1,204 rows, until 2014-06-07, 2 days behind today" in printed(board())
    assert "newer than the data of the serving model" in printed(board())


@pytest.mark.parametrize("last", ["2014-06-09", "2014-06-10", "2014-06-11"])
def test_the_step_in_progress_is_not_missing(last: str) -> None:
    assert data_state("sales", dataset(last_date=last), None, TODAY).steps_behind == 0


def test_weekly_data_is_counted_in_weeks() -> None:
    weekly = changed(BETTER.evidence.data, frequency="week-sunday")
    found = data_state("sales", dataset(last_date="2014-05-25"), weekly, TODAY)
    assert (found.steps_behind, found.unit) == (1, "weeks")


def test_what_nobody_has_recorded_is_unknown() -> None:
    assert data_state("sales", None, None, TODAY).version == 0
    found = data_state("sales", dataset(rows="many", last_date="yesterday"), None, TODAY)
    assert (found.rows, found.last_day, found.steps_behind, found.newer_than_served) == (None, None, None, None)
    assert "with unrecorded last day" in printed(board(data=found))


def test_drift_is_what_the_last_decision_says() -> None:
    rule = Rule(code="drift", status="warning", value=0.4, threshold=0.35, sentence="forecasts are clearly worse.")
    made = changed(BETTER, evidence=changed(BETTER.evidence, rules=(rule,)))
    assert drift_state("run-1", made).status == "warning"
    shown = printed(board(drift=drift_state("run-1", made)))
    assert re.search(
        r"drift      WARNING, by the run of .*: The newest data is not like the data before: "
        r"forecasts are clearly worse; .*\n +Forecasts are clearly worse\.\n",
        shown,
    )
    assert drift_state("run-1", changed(made, evidence=changed(made.evidence, rules=()))).status == "off"
    both = "no champion, or no window that ends before the newest one."
    off = Rule(code="drift", status="off", value=None, threshold=None, sentence=both)
    first = changed(made.evidence, rules=(off,), champion=None)
    assert drift_state("run-1", changed(made, evidence=first)).sentence == "there was no champion to compare with."


def test_forecasts_are_measured_against_the_seasonal_naive_forecast() -> None:
    found = Accuracy(
        model="m:2",
        first=date(2014, 6, 1),
        last=date(2014, 6, 7),
        steps=7,
        series=1,
        error=210.0,
        naive_error=280.0,
        gain=0.25,
        coverage=0.714,
    )
    text = printed(board(accuracy=found))
    assert "mean absolute error 210.0, 25.0% better than the seasonal naive forecast" in text
    assert "71% of the actuals are inside the 80% interval" in text
    assert "25.0% WORSE" in printed(board(accuracy=changed(found, gain=-0.25)))


def test_schedules_have_a_place() -> None:
    one = ScheduleState(
        name="weekly", status="Active", recurrence="Monday", next="2026-12-07T05:00:00+00:00", last=""
    )
    text = printed(board(schedules=(one,)))
    assert "7 Dec 2026, 05:00 UTC" in text
    assert "never" in text
    assert "not read" in html(board())


WEEKLY = Schedule(recurrence=Recurrence(every="week", days=("Monday",), at="05:00"), on_data=True)
NOW = datetime(2026, 11, 30, 9, 0)


def test_a_schedule_says_when_it_fires_next() -> None:
    stored = Scheduled("1", "recurrence", "weekly", "active", last="2026-11-30T05:00:01+00:00")
    found = schedule_state(stored, WEEKLY, NOW)
    assert (found.recurrence, found.next) == ("every week on Monday at 05:00, UTC", "2026-12-07T05:00:00+00:00")
    assert schedule_state(replace(stored, state="paused"), WEEKLY, NOW).next == ""
    on_data = schedule_state(replace(stored, kind="data"), WEEKLY, NOW)
    assert (on_data.recurrence, on_data.next) == ("when data has come, asked every 5 minutes", "")
    assert schedule_state(stored, None, NOW).recurrence == "not in the problem file"


def view(*, production: bool = True, name: str = "production") -> View:
    """Workspaces that nobody may ask."""
    settings: Any = SimpleNamespace(
        has_production=bool(name), azureml_production_workspace_name=name, production_service_name="m"
    )
    terminal = Terminal(out=io.StringIO(), err=io.StringIO())
    workspace = Workspace(None, "training", "g")
    other = Workspace(None, "production", "g") if production else None
    return View(workspace, other, settings, Build("b", "c"), terminal, "p", lambda *_: None)


PLACE = Place(service="m", workspace="production", state="Healthy", models=("m:2",), url="http://x/score")


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (None, "agrees"),
        (CheckFailedError("the champion is another one", found="version 1", expected="m:2"), "differs"),
        (ConflictError("the service was made by hand"), "differs"),
        (FaultError("service m is Unhealthy"), "differs"),
        (UnverifiedError("the code of service m is unverified"), "unknown"),
        (AzureMlError("the service cannot be reached"), "unknown"),
    ],
)
def test_it_agrees_as_verify_says(error: Exception | None, status: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def verify(*_: object) -> None:
        if error:
            raise error

    monkeypatch.setattr(reading, "verify", verify)
    found = reading._agreement(view(), now_of(SECOND, BETTER), PLACE, ())
    assert found.status == status
    open_end = reading._agreement(view(), now_of(SECOND, BETTER), PLACE, ("release of m:3, by Ada",))
    assert open_end.status == status.replace("differs", "unknown"), "a deployment in progress may differ"
    if error and "champion" in str(error):
        assert found.finding == "the champion is another one: version 1"


def test_where_nothing_serves_or_nobody_may_look_nothing_differs() -> None:
    absent = changed(PLACE, state="absent")
    assert reading._agreement(view(), None, absent, ()).status == "nothing serves"
    assert reading._agreement(view(production=False), now_of(SECOND, BETTER), None, ()).status == "unknown"
    assert reading._agreement(view(name=""), None, None, ()).status == "nothing serves"


def test_a_part_that_cannot_be_read_hides_no_other() -> None:
    parts = reading._Parts()
    assert parts.read("data", lambda: 1, 0) == 1

    def closed() -> int:
        raise AzureMlError("the datastore has no credential")

    assert parts.read("ledger", closed, 7) == 7
    assert parts.unread == ["ledger: the datastore has no credential"]
    assert "unread     ledger: the datastore" in printed(board(unread=tuple(parts.unread)))

    def bug() -> int:
        raise KeyError("x")

    with pytest.raises(KeyError):
        parts.read("data", bug, 0)


class Stored:
    """A container with one blob of a size."""

    def __init__(self, size: int) -> None:
        self.size = size

    def listed(self, prefix: str, most: int) -> list[SimpleNamespace]:
        """The blob, below the prefix."""
        assert (prefix, most) == ("datasets/sales/abc/", 1)
        return [SimpleNamespace(name=f"{prefix}data.csv", etag="1", size=self.size)] if self.size else []

    def download(self, _name: str, _etag: str, target: Path) -> bool:
        """Write it."""
        target.write_text("table")
        return True


def test_a_table_is_downloaded_up_to_a_cap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    newest = dataset(sha256="abc")

    def fetch(size: int) -> Path:
        monkeypatch.setattr(reading, "open_blobs", lambda _: Stored(size))
        return reading._download(Workspace(None, "training", "g"), newest, tmp_path)

    assert fetch(reading.MAX_TABLE_BYTES).read_text() == "table"
    for size in (0, reading.MAX_TABLE_BYTES + 1):
        with pytest.raises(CheckFailedError, match="cannot be compared with the forecasts"):
            fetch(size)


def test_the_document_is_read_back_by_its_model_and_the_committed_schema_is_its_own(tmp_path: Path) -> None:
    drift = DriftState(run_id="r", decided_at="now", status="passed", sentence="none.")
    whole = board(drift=drift)
    assert Board.model_validate_json(json.dumps(whole.model_dump(mode="json"))) == whole
    assert (ROOT / "docs/status_board.schema.json").read_text() == document.schema(), "run: make schema"
    write_page(whole, tmp_path / "new" / "status.html")
    assert (tmp_path / "new" / "status.html").read_text() == html(whole)
