"""An override of the gate: a person and a reason, by hand only, and shown wherever the decision is."""

from __future__ import annotations

import io
import re
from collections.abc import Callable

import pytest

from azure_ml.datasets import DatasetVersion
from azure_ml.pipelines.argument_text import unpacked
from forecasting.decision.blocks import Override, Verdict
from ml_service.audit.summary import markdown
from ml_service.cli.main import main
from ml_service.errors import CheckFailedError, InvalidRequestError
from ml_service.output.closing import Ending, closing
from ml_service.output.console import Terminal
from ml_service.settings.override import demand_allowed, parse
from ml_service.settings.variables import Settings
from ml_service.training.runs.follow import Followed
from ml_service.training.runs.outcome import Outcome, show_outcome
from ml_service.training.runs.result import RunResult
from ml_service.training.runs.submitting import RunRequest, parameters_of
from tests.unit.ml_service.decisions import decision

ADA = Override(person="Ada Lovelace", reason="the new tariff starts on Monday")
QUEUED = {"TF_BUILD": "True", "BUILD_REASON": "Manual", "BUILD_REQUESTEDFOR": "Ada Lovelace"}
OVERRIDDEN = decision(
    "override",
    sentence="Ada Lovelace decides against the gate: see [the <b>ticket</b>](http://x)",
    gate=Verdict(outcome="kept", reason="margin", sentence="not better by 2.0%."),
    override=Override(person="Ada Lovelace", reason="see [the <b>ticket</b>](http://x)"),
)


@pytest.mark.parametrize(("person", "reason"), [("", ""), ("none", "none"), (" ", "None"), ("none", "")])
def test_neither_is_no_override(person: str, reason: str) -> None:
    assert parse(person, reason) is None


@pytest.mark.parametrize(
    ("person", "reason", "part"),
    [
        ("Ada", "none", "--override-reason is missing"),
        ("", "because", "--override-by is missing"),
        ("Ada", "two\nlines", "--override-reason cannot be recorded"),
        ("Ada", "x" * 501, "--override-reason cannot be recorded"),
        ("Ada", "-x", "--override-reason cannot be recorded"),
        ("Ada", "##vso[task.complete result=Failed;]", "--override-reason cannot be recorded"),
        ("$(Build.RequestedFor)", "because", "--override-by cannot be recorded"),
    ],
)
def test_one_alone_and_what_cannot_be_recorded_are_usage_errors(person: str, reason: str, part: str) -> None:
    with pytest.raises(InvalidRequestError, match=part):
        parse(person, reason)


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["--override-by", "Ada"], "needs a person and a reason, but --override-reason is missing"),
        (["--override-reason", "because"], "needs a person and a reason, but --override-by is missing"),
        (["--override-by", "Ada", "--override-reason", "because", "--follow", "x"], "exclude each other"),
    ],
)
def test_the_command_line_says_so(words: list[str], part: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", *words]) == 2
    assert part in capsys.readouterr().err


def test_a_laptop_and_the_person_who_queued_the_run_may(make_settings: Callable[..., Settings]) -> None:
    demand_allowed(ADA, make_settings({}), "manual")
    demand_allowed(ADA, make_settings(QUEUED), "data")
    demand_allowed(None, make_settings({**QUEUED, "BUILD_REASON": "Schedule"}), "schedule")


@pytest.mark.parametrize(
    ("changed", "part"),
    [
        *(
            ({"BUILD_REASON": reason}, f"a run with the reason {reason} may not override")
            for reason in (
                "Schedule",
                "PullRequest",
                "IndividualCI",
                "BatchedCI",
                "ResourceTrigger",
                "BuildCompletion",
            )
        ),
        ({"BUILD_REASON": ""}, "reason unknown"),
        ({"BUILD_REASON": "Schedule", "TF_BUILD": ""}, "reason Schedule"),
        ({"BUILD_REQUESTEDFOR": "Grace Hopper"}, "names a person who did not queue this run"),
        ({"BUILD_REQUESTEDFOR": ""}, "names a person who did not queue this run"),
    ],
)
def test_nobody_else_may(make_settings: Callable[..., Settings], changed: dict[str, str], part: str) -> None:
    with pytest.raises(CheckFailedError, match=part) as refused:
        demand_allowed(ADA, make_settings({**QUEUED, **changed}), "manual")
    assert refused.value.exit_code == 3


@pytest.mark.parametrize("reason", ["schedule", "code"])
def test_a_reason_that_nobody_answers_for_is_refused_on_a_laptop_too(
    make_settings: Callable[..., Settings], reason: str
) -> None:
    for environment in ({}, QUEUED):
        with pytest.raises(CheckFailedError, match=f"the reason {reason} may not override") as refused:
            demand_allowed(ADA, make_settings(environment), reason)
        assert refused.value.exit_code == 3


def test_terminal_and_page_show_who_answers_and_what_the_gate_said() -> None:
    out = io.StringIO()
    outcome = Outcome("accepted", "override", OVERRIDDEN, None)
    show_outcome(Terminal(out=out), outcome, deployed=True)
    result = RunResult("run-1", "unit", "http://portal", Followed("Finished", (), 2.0), outcome, None, ())
    words = closing("no champion", Ending("accepted"), 0)
    page = markdown("unit-ws", result, {}, closing=words, transcript="as printed")

    assert "override   Ada Lovelace is accountable:" in out.getvalue()
    assert "The gate itself said kept (margin): not better by 2.0%." in out.getvalue()
    assert "**Override.** Ada Lovelace is accountable" in page
    assert "The gate itself said kept (margin)" in page
    assert "<b>" not in page.replace(r"\<b\>", "")
    assert "[the" not in page.replace(r"\[the", "")


def test_free_text_is_submitted_in_a_form_that_the_service_does_not_escape() -> None:
    dataset = DatasetVersion(None, "transactions", 1, {})
    override = Override(person="Ada Lovelace", reason="a; b | 'c'")

    sent = parameters_of(RunRequest(override=override), dataset)

    assert (unpacked(str(sent["override_by"])), unpacked(str(sent["override_reason"]))) == (
        "Ada Lovelace",
        "a; b | 'c'",
    )
    assert all(re.fullmatch(r"[A-Za-z0-9_-]+", str(sent[name])) for name in ("override_by", "override_reason"))
    assert parameters_of(RunRequest(), dataset) == {"reason": "manual", "raw_data": dataset}
