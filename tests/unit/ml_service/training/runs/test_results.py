"""Pure parts of run and smoke: exit codes, decision table, shown forecast, pace of polling."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from datetime import date

import pytest

from azure_ml.models.versions import ModelVersion
from azure_ml.pipelines.runs import StepState
from forecasting.decision.blocks import Baseline, RegisteredChampion, Rule, Scores, Windows
from forecasting.decision.record import DecisionRecord
from ml_service.output.console import Terminal
from ml_service.output.decision_table import decision_rows
from ml_service.output.webhook import DRIFT
from ml_service.training.runs.ending import ending, ending_of_try, events
from ml_service.training.runs.ending import show as show_run
from ml_service.training.runs.follow import Followed, pause
from ml_service.training.runs.outcome import Outcome, exit_code, show_outcome
from ml_service.training.runs.result import RunResult
from ml_service.training.smoke import Smoked
from ml_service.training.smoke import show as show_smoke
from tests.unit.ml_service.conftest import MakeSettings
from tests.unit.ml_service.decisions import changed, decision

METRICS = Scores(mae=812.25, rmse=None, mase=None, rmsse=None, rel_mae=0.9312, bias=None, bias_ratio=None)
WINDOWS = Windows(
    origins=(date(2014, 3, 1), date(2014, 3, 8)),
    horizon=28,
    step=7,
    last_day=date(2014, 5, 31),
    chosen_until=date(2014, 2, 28),
)
FIRST = decision("accepted")
DECISION = decision(
    "accepted",
    sentence="better than seasonal naive",
    windows=WINDOWS,
    challenger=changed(FIRST.evidence.challenger, recipe="ridge_direct(alpha=1)", metrics=METRICS),
    champion=None,
    baselines={"seasonal_naive": Baseline(recipe="seasonal_naive()", metrics=METRICS)},
)


@pytest.mark.parametrize(
    ("status", "outcome", "expected"),
    [
        ("Finished", "accepted", 0),
        ("Finished", "kept", 0),
        ("Failed", "failed", 3),
        ("Failed", "accepted", 1),
        ("Failed", "kept", 1),
        ("Failed", "", 1),
        ("Finished", "", 1),
        ("Canceled", "", 1),
    ],
)
def test_the_exit_code_follows_status_and_outcome(status: str, outcome: str, expected: int) -> None:
    assert exit_code(status, outcome) == expected


def test_the_decision_table_puts_all_contenders_side_by_side() -> None:
    columns, rows = decision_rows(DECISION.evidence, None)

    assert columns == ["", "recipe", "rel_mae", "mae", "rmse", "mase", "bias", "bias_ratio", "rmsse"]
    assert [(row[:4], set(row[4:])) for row in rows] == [
        (["challenger", "ridge_direct(alpha=1)", "0.931", "812.2"], {"-"}),
        (["champion", "none registered", "-", "-"], {"-"}),
        (["baseline seasonal_naive", "seasonal_naive()", "0.931", "812.2"], {"-"}),
    ]


def test_the_champion_is_named_with_its_version() -> None:
    champion = decision("kept").evidence.champion
    assert champion is not None
    evidence = changed(DECISION.evidence, champion=changed(champion, recipe="seasonal_naive()", metrics=METRICS))
    registered = RegisteredChampion(name="paid-amount", version="3", model_sha256="0" * 64, cutoff=date(2014, 5, 31))

    _, rows = decision_rows(evidence, registered)

    assert rows[1][:3] == ["champion paid-amount:3", "seasonal_naive()", "0.931"]


def test_without_scores_there_are_no_columns_for_them() -> None:
    columns, rows = decision_rows(decision("short").evidence, None)

    assert columns == ["", "recipe"]
    assert {len(row) for row in rows} == {2}


def test_an_outcome_is_shown_with_its_evidence() -> None:
    out = io.StringIO()

    show_outcome(Terminal(out=out), Outcome("kept", "margin", DECISION, None), deployed=True)

    text = out.getvalue()
    assert "outcome    kept, margin: the champion stays" in text
    assert "2 forecasts of 28 days each, 2014-03-01 to 2014-05-31" in text
    assert "baseline seasonal_naive" in text


@pytest.mark.parametrize(("deployed", "expected"), [(True, "and deployed"), (False, "but not deployed")])
def test_an_accepted_model_is_called_deployed_only_when_it_is(deployed: bool, expected: str) -> None:
    out = io.StringIO()

    model = ModelVersion(None, "unit", 7, tags={}, properties={})
    show_outcome(Terminal(out=out), Outcome("accepted", "margin", None, model), deployed=deployed)

    assert f"outcome    accepted, margin: registered {expected}" in out.getvalue().replace(", but", " but")


def _result(status: str, outcome: str, failed: str = "") -> RunResult:
    step = StepState(failed or "deploy", "Failed" if failed else "Finished", 1.25, False, "step-1")
    return RunResult(
        run_id="run-1",
        experiment="unit",
        portal="http://portal",
        followed=Followed(status, (step,), 2.0),
        outcome=Outcome(outcome, "floor", None, None),
        failed_step=step if failed else None,
        log=("first", "last") if failed else (),
    )


@pytest.mark.parametrize(
    ("result", "complaint"),
    [
        (_result("Finished", "kept"), ""),
        (_result("Failed", "failed", "evaluate"), "refused (floor)"),
        (_result("Failed", "accepted", "deploy"), "step deploy failed"),
        (_result("Canceled", ""), "somebody canceled the run"),
        (_result("Finished", ""), "without recording an outcome"),
    ],
)
def test_a_run_says_why_it_does_not_end_with_0(result: RunResult, complaint: str) -> None:
    assert result.complaint.startswith(complaint) or complaint in result.complaint
    assert bool(result.complaint) is bool(result.exit_code)


def test_the_result_of_a_failed_run_goes_to_standard_output_and_its_log_to_the_closing() -> None:
    out, err = io.StringIO(), io.StringIO()

    show_run(Terminal(as_json=True, out=out, err=err), _result("Failed", "accepted", "deploy"))

    assert err.getvalue() == ""
    document = json.loads(out.getvalue())
    assert list(document) == [
        *("run_id", "experiment", "status", "outcome", "reason", "steps", "decision", "model", "portal"),
    ]
    assert document["steps"] == [
        {"name": "deploy", "status": "Failed", "seconds": 1.25, "reused": False, "run_id": "step-1"}
    ]


def test_people_are_notified_of_a_model_that_waits_and_of_drift(make_settings: MakeSettings) -> None:
    model = ModelVersion(None, "unit", 7, tags={}, properties={})
    drifted = Rule(code="drift", status="warning", value=0.4, threshold=0.35, sentence="forecasts are worse.")
    calm, warned = decision("accepted", rules=()), decision("accepted", rules=(drifted,))

    def told(
        made: DecisionRecord, kept: ModelVersion | None, production: str = "prod", *, is_asked: bool = True
    ) -> list[str]:
        result = replace(_result("Finished", "accepted"), outcome=Outcome("accepted", "margin", made, kept))
        settings = make_settings({"AZUREML_PRODUCTION_WORKSPACE_NAME": production})
        return list(events(result, settings, is_asked=is_asked))

    assert told(calm, model) == ["approval.waiting"]
    assert told(warned, model) == ["approval.waiting", "data.drift"]
    assert (told(warned, None), told(calm, None)) == (["data.drift"], [])
    assert told(calm, model, production="") == [], "where nobody approves, nothing waits"
    assert told(calm, model, is_asked=False) == [], "a dry run asks nobody"


def test_a_failed_step_is_named_before_the_end_of_its_log(make_settings: MakeSettings) -> None:
    ended = ending(_result("Failed", "accepted", "deploy"), make_settings({}))

    assert ended.happened == "error: run run-1: step deploy failed; the end of its log is below"
    assert (ended.todo, ended.log) == ("correct what the log shows, then repeat the command", "first\nlast")


@pytest.mark.parametrize(
    ("production", "build", "is_asked", "todo"),
    [
        ("", "", True, ""),
        (
            "prod",
            "",
            True,
            "approve or reject its release; at a terminal: python -m ml_service release --model-version 7",
        ),
        ("prod", "True", True, "approve or reject its release"),  # whoever approves is led past no approval
        ("prod", "True", False, "queue retrain.yml with the parameter pending"),
    ],
)
def test_what_to_do_with_an_accepted_model(
    production: str, build: str, is_asked: bool, todo: str, make_settings: MakeSettings
) -> None:
    settings = make_settings(
        {"AZUREML_PRODUCTION_WORKSPACE_NAME": production, "PRODUCTION_SERVICE_NAME": "unit", "TF_BUILD": build}
    )
    model = ModelVersion(None, "unit", 7, tags={}, properties={})
    result = replace(_result("Finished", "accepted"), outcome=Outcome("accepted", "margin", None, model))

    ended = ending(result, settings, is_asked=is_asked)

    assert ended.happened == "unit:7 was accepted, registered and deployed to the test service"
    assert ended.todo.endswith(todo)
    assert bool(ended.todo) is bool(production)


@pytest.mark.parametrize("verdict", ["accepted", "kept", "failed"])
def test_drift_is_said_beside_the_verdict_whatever_it_is(verdict: str, make_settings: MakeSettings) -> None:
    """On the terminal and in the closing, which a page and a notification repeat."""
    counts, why = "of 5 series stand out in the newest window: 5 by level", "the level has moved (100% of the series)"
    rule = Rule(code="drift", status="warning", value=1.0, threshold=0.1, sentence=f"{counts}: {why}.")
    model = ModelVersion(None, "unit", 7, tags={}, properties={}) if verdict == "accepted" else None
    outcome = Outcome(verdict, "margin", decision(verdict, rules=(rule,)), model)
    status = "Failed" if verdict == "failed" else "Finished"
    result, out, settings = replace(_result(status, verdict), outcome=outcome), io.StringIO(), make_settings({})

    show_outcome(Terminal(out=out), outcome, deployed=True)

    said = f"The newest data is not like the data before: {why}; "
    assert f"\ndrift      {said}" in out.getvalue()
    assert ending(result, settings).happened.splitlines()[-1].startswith(said)
    assert DRIFT in events(result, settings)


@pytest.mark.parametrize(
    ("verdict", "code", "happened", "todo"),
    [
        ("accepted", 0, "tried: the gate says accepted; nothing was registered or deployed", "merge the branch"),
        ("kept", 0, "tried: the gate says kept; nothing was registered or deployed", "read the report"),
        ("failed", 3, "tried: the gate says failed; nothing was registered or deployed", "read the report"),
    ],
)
def test_a_try_says_what_the_gate_says_and_that_nothing_was_changed(
    verdict: str, code: int, happened: str, todo: str
) -> None:
    status = "Failed" if verdict == "failed" else "Finished"
    result = replace(_result(status, verdict), outcome=Outcome(verdict, "margin", decision(verdict), None))
    out = io.StringIO()
    show_outcome(Terminal(out=out), result.outcome, deployed=False)

    ended = ending_of_try(result)

    assert result.exit_code == code
    assert ended.happened.startswith(happened)
    assert ended.todo.startswith(todo)
    assert "nothing was registered" in out.getvalue()


def test_a_try_that_breaks_shows_the_step() -> None:
    ended = ending_of_try(_result("Failed", "", "train"))

    assert (ended.happened, ended.log) == (
        "error: run run-1: step train failed; the end of its log is below",
        "first\nlast",
    )


def test_polling_is_quick_for_a_minute_and_then_slows_down() -> None:
    assert pause(0) == pause(59.9) <= 0.5
    assert pause(60) <= pause(90) <= pause(600) == 5.0


def test_json_is_the_only_thing_on_standard_output() -> None:
    out, err = io.StringIO(), io.StringIO()
    terminal = Terminal(as_json=True, out=out, err=err)

    terminal.err("working")
    show_smoke(terminal, Smoked("svc", "http://x", "m:1", "0" * 64, ("2014-06-01",), (1.5,)))

    assert json.loads(out.getvalue())["values"] == [1.5]
    assert err.getvalue() == "working\n"


def test_a_forecast_is_shown_with_bars_and_without_colour_off_terminals() -> None:
    out = io.StringIO()

    show_smoke(Terminal(out=out), Smoked("svc", "u", "m:1", "0" * 64, ("2014-06-01", "2014-06-02"), (1.0, 2.0)))

    text = out.getvalue()
    assert "2014-06-02  Mon      2.00  ##############################" in text
    assert "\x1b" not in text


def test_many_series_are_named_and_counted() -> None:
    out = io.StringIO()
    names = tuple(name for name in ("North/bread", "South/bread") for _ in range(2))
    days = ("2014-06-01", "2014-06-02") * 2
    show_smoke(Terminal(out=out), Smoked("svc", "u", "m:1", "0" * 64, days, (1.0, 2.0, 100.0, 50.0), names, 12))
    said = out.getvalue()
    assert "(2 days of each of 2 series)" in said
    assert "2 of the model's 12 series were requested" in said
    lines = [line.split() for line in said.splitlines() if "bread" in line]
    assert [line[0] for line in lines] == list(names)
    assert [len(line[-1]) for line in lines] == [15, 30, 30, 15], "each series has a scale of its own"
