"""Each step script runs alone on plain files, says what is wrong with them, and writes nothing when it refuses."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import pytest

from forecasting.errors import UsageError
from step import guarded, say
from tests.sample import PROBLEMS

ROOT = Path(__file__).resolve().parents[3]
CODE = ROOT / "mlops_code"
STEPS = ["prepare", "train", "evaluate", "register", "deploy"]
SCORING = ("--service", "paid-amount", "--scoring", CODE, "--environment", CODE / "environments/scoring.yml")


class Ended(Protocol):
    code: int
    out: str
    err: str


Step = Callable[..., Ended]


def load(path: Path) -> dict[str, Any]:
    document = json.loads(path.read_text())
    assert isinstance(document, dict)
    return document


@pytest.fixture
def candidate(step: Step, table: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "candidate"
    assert step("train", "--data", table, "--candidate", folder).code == 0
    return folder


def test_the_five_steps_hand_over_from_folder_to_folder(step: Step, table: Path, tmp_path: Path) -> None:
    series, candidate = tmp_path / "series", tmp_path / "candidate"
    evaluation, registration = tmp_path / "evaluation", tmp_path / "registration"
    assert step("prepare", "--data", table, "--series", series).code == 0
    facts = load(series / "facts.json")
    assert (facts["days"], facts["rows"], facts["file"]) == (305, 889, "daily_by_type.csv")
    assert facts["mean"] == pytest.approx(680.75, abs=0.005)
    assert (facts["first_date"], facts["last_date"]) == ("2013-07-31", "2014-05-31")
    assert step("train", "--series", series, "--candidate", candidate).code == 0
    manifest = load(candidate / "manifest.json")
    assert manifest["recipe"] == "same_weekday_mean(weeks=8)"
    judged = step("evaluate", "--candidate", candidate, "--evaluation", evaluation, "--champion", "none")
    assert judged.code == 0
    assert "accepted (first-model)" in judged.out
    words = ("--candidate", candidate, "--evaluation", evaluation, "--registration", registration)
    assert step("register", *words, "--model-name", "paid-amount").code == 0
    registered = load(registration / "registration.json")
    assert (registered["outcome"], registered["model_version"]) == ("accepted", None)
    assert registered["model_sha256"] == manifest["model_sha256"]
    assert sorted(file.name for file in (registration / "model").iterdir()) == [
        "decision.json", "manifest.json", "model.json", "report.html",
    ]  # fmt: skip
    for name in ("decision.json", "report.html"):
        assert (registration / "model" / name).read_bytes() == (evaluation / name).read_bytes()
    deployed = step("deploy", "--registration", registration, *SCORING)
    assert (deployed.code, "no workspace, nothing deployed" in deployed.out) == (0, True)


def test_three_steps_apply_the_same_gate(step: Step, candidate: Path, tmp_path: Path) -> None:
    """Train prepares and register decides: the evidence is the one that five steps give."""
    registration, evaluation = tmp_path / "registration", tmp_path / "evaluation"
    words = ("--registration", registration, "--model-name", "paid-amount", "--champion", "none")
    assert step("register", "--candidate", candidate, *words).code == 0
    assert step("evaluate", "--candidate", candidate, "--evaluation", evaluation, "--champion", "none").code == 0
    here, there = (load(folder / "decision.json") for folder in (registration, evaluation))
    assert here["evidence_sha256"] == there["evidence_sha256"]
    assert (registration / "model/model.json").is_file()
    assert (registration / "model/report.html").read_bytes() == (registration / "report.html").read_bytes()


def test_a_champion_of_the_same_recipe_is_kept(step: Step, candidate: Path, tmp_path: Path) -> None:
    evaluation, registration = tmp_path / "evaluation", tmp_path / "registration"
    judged = step("evaluate", "--candidate", candidate, "--evaluation", evaluation, "--champion", candidate)
    assert (judged.code, "kept (no-new-data)" in judged.out) == (0, True)
    words = ("--candidate", candidate, "--evaluation", evaluation, "--registration", registration)
    registered = step("register", *words, "--model-name", "paid-amount")
    assert (registered.code, "nothing registered" in registered.out) == (0, True)
    assert load(registration / "registration.json")["outcome"] == "kept"
    assert not (registration / "model").exists()
    deployed = step("deploy", "--registration", registration, *SCORING)
    assert (deployed.code, "nothing to deploy outcome=kept" in deployed.out) == (0, True)


def test_a_shifted_table_raises_drift_and_a_stable_one_does_not(
    step: Step, table: Path, candidate: Path, tmp_path: Path
) -> None:
    """The newest four weeks are three times as large; drift is told, and promotes nothing by itself."""
    header, *lines = table.read_text().splitlines()
    rows = [line.split(",") for line in lines]
    amount = header.split(",").index("Amount")
    for row in rows:
        if row[0] >= "2014-05-04":
            row[amount] = str(3 * float(row[amount]))
    shifted = tmp_path / "shifted.csv"
    shifted.write_text("\n".join([header, *map(",".join, rows), ""]))
    assert step("train", "--data", shifted, "--candidate", tmp_path / "new").code == 0
    stable = step("evaluate", "--candidate", candidate, "--evaluation", tmp_path / "a", "--champion", candidate)
    moved = step("evaluate", "--candidate", tmp_path / "new", "--evaluation", tmp_path / "b", "--champion", candidate)
    assert "drift_alarms=0" in stable.out
    assert "drift=none" in stable.out
    assert "drift=error,level" in moved.out
    assert "live_" not in moved.out, "no actuals have come since the champion's cutoff"
    assert "drift: forecasts are clearly worse than before, the level has moved" in moved.out
    for folder, said in (("a", False), ("b", True)):
        assert ("the level has moved (100% of the series)" in (tmp_path / folder / "report.html").read_text()) is said
    assert load(tmp_path / "b" / "decision.json")["evidence"]["outcome"] == "kept"


def test_the_champion_is_compared_with_the_actuals_since_its_cutoff(
    step: Step, table: Path, candidate: Path, tmp_path: Path
) -> None:
    problem, older = tmp_path / "older.yml", (PROBLEMS / "paid_amount.yml").read_text()
    problem.write_text(older.replace("last_date: 2014-05-31", "last_date: 2014-05-10"))
    assert step("train", "--problem", problem, "--data", table, "--candidate", tmp_path / "old").code == 0
    words = ("--candidate", candidate, "--evaluation", tmp_path / "e", "--champion", tmp_path / "old")
    judged = step("evaluate", *words)
    assert "live_steps=21 live_error=" in judged.out


def test_a_model_under_the_floor_is_not_registered(step: Step, table: Path, tmp_path: Path) -> None:
    strict = tmp_path / "strict.yml"
    strict.write_text((PROBLEMS / "paid_amount.yml").read_text().replace("floor: 1.0", "floor: 0.5"))
    candidate, evaluation, registration = (tmp_path / name for name in ("candidate", "evaluation", "registration"))
    step("train", "--data", table, "--candidate", candidate)
    words = ("--problem", strict, "--candidate", candidate, "--champion", "none")
    judged = step("evaluate", *words, "--evaluation", evaluation)
    assert (judged.code, "outcome=failed reason=floor" in judged.out) == (3, True)
    registered = step("register", *words, "--registration", registration, "--model-name", "paid-amount")
    assert registered.code == 3
    assert load(registration / "registration.json")["outcome"] == "failed"
    assert not (registration / "model").exists()


def test_the_simple_model_is_registered_where_the_fitted_one_loses(
    step: Step, table: Path, candidate: Path, tmp_path: Path
) -> None:
    """The candidate's mean of eight weeks becomes the fallback of a ridge, which is worse on the gate's windows."""
    fitted, text = tmp_path / "ridge.yml", (PROBLEMS / "paid_amount.yml").read_text()
    start, end = text.index("    - recipe: same_weekday_mean"), text.index("    - recipe: ridge_direct")
    others = slice(text.index("    - recipe: median_of"), text.index("    # Dearer ones"))
    fitted.write_text(text[:start] + text[end : others.start] + text[others.stop :])
    assert step("train", "--problem", fitted, "--data", table, "--candidate", tmp_path / "ridge").code == 0
    for name in ("model.json", "manifest.json"):
        (candidate / f"fallback_1.{name}").rename(candidate / f"fallback_2.{name}")
        (candidate / name).rename(candidate / f"fallback_1.{name}")
        (tmp_path / "ridge" / name).rename(candidate / name)
    evaluation, registration = tmp_path / "evaluation", tmp_path / "registration"
    judged = step("evaluate", "--candidate", candidate, "--evaluation", evaluation, "--champion", "none")
    assert judged.code == 0
    assert (
        "accepted (first-model): same_weekday_mean(weeks=8) is proposed, because ridge_direct(alpha=1)" in judged.out
    )
    evidence = load(evaluation / "decision.json")["evidence"]
    assert evidence["instead_of"]["recipe"] == "ridge_direct(alpha=1)"
    page = (evaluation / "report.html").read_text()
    assert "chosen by training" in page
    words = ("--candidate", candidate, "--registration", registration, "--model-name", "paid-amount")
    assert step("register", *words, "--evaluation", evaluation).code == 0
    kept = load(candidate / "fallback_1.manifest.json")
    assert load(registration / "registration.json")["model_sha256"] == kept["model_sha256"]
    assert load(registration / "model/manifest.json") == kept


def test_training_twice_gives_the_same_bytes(step: Step, table: Path, tmp_path: Path) -> None:
    for name in "ab":
        assert step("train", "--data", table, "--candidate", tmp_path / name).code == 0
    for file in ("model.json", "manifest.json", "series.csv", "facts.json"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


BROKEN: dict[str, Callable[[list[str]], list[str]]] = {
    "missing": lambda lines: [line.rpartition(",")[0] for line in lines],
    "at least 0": lambda lines: [*lines[:4], "2013-08-01,W,87,748,-5", *lines[5:]],
    "occurred before": lambda lines: [*lines, lines[2]],
    "no row of type": lambda lines: [line for line in lines if not line.startswith("2014-02-14")],
    "NaN, infinite": lambda lines: [*lines[:4], "2013-08-01,W,87,748,NaN", *lines[5:]],
    "is an empty file": lambda lines: [],
}


@pytest.mark.parametrize("expected", BROKEN)
@pytest.mark.parametrize(("name", "output"), [("prepare", "--series"), ("train", "--candidate")])
def test_a_broken_table_is_refused_and_nothing_is_written(
    step: Step, table: Path, tmp_path: Path, *, expected: str, name: str, output: str
) -> None:
    broken = tmp_path / "broken.csv"
    broken.write_text("".join(line + "\n" for line in BROKEN[expected](table.read_text().splitlines())))
    ended = step(name, "--data", broken, output, tmp_path / "out")
    assert ended.code == 3
    assert "broken.csv violates the data contract" in ended.err
    assert expected in ended.err
    assert "outcome=failed reason=contract data_sha256=" in ended.out
    assert not (tmp_path / "out").exists()


def test_a_short_table_is_refused_before_training(step: Step, table: Path, tmp_path: Path) -> None:
    short = tmp_path / "short.yml"
    text = (PROBLEMS / "paid_amount.yml").read_text()
    short.write_text(text.replace("first_date: 2013-07-31", "first_date: 2014-01-01"))
    ended = step("train", "--problem", short, "--data", table, "--candidate", tmp_path / "out")
    assert (ended.code, "reason=too-few-origins" in ended.out) == (3, True)
    assert not (tmp_path / "out").exists()


def test_a_damaged_model_is_refused_by_every_later_step(step: Step, candidate: Path, tmp_path: Path) -> None:
    evaluation, registration = tmp_path / "evaluation", tmp_path / "registration"
    step("evaluate", "--candidate", candidate, "--evaluation", evaluation, "--champion", "none")
    words = ("--candidate", candidate, "--evaluation", evaluation, "--registration", registration)
    step("register", *words, "--model-name", "paid-amount")
    (registration / "model/model.json").write_text("{}")
    deployed = step("deploy", "--registration", registration, *SCORING)
    assert (deployed.code, "It was not opened" in deployed.err) == (3, True)
    (candidate / "model.json").write_text("{}")
    again = tmp_path / "again"
    assert step("evaluate", "--candidate", candidate, "--evaluation", again, "--champion", "none").code == 3
    words = ("--candidate", candidate, "--evaluation", evaluation, "--registration", again)
    assert step("register", *words, "--model-name", "paid-amount").code == 3
    assert not again.exists()


def test_a_decision_about_another_model_does_not_register(step: Step, candidate: Path, tmp_path: Path) -> None:
    evaluation, registration = tmp_path / "evaluation", tmp_path / "registration"
    step("evaluate", "--candidate", candidate, "--evaluation", evaluation, "--champion", "none")
    record = evaluation / "decision.json"
    sha256 = load(candidate / "manifest.json")["model_sha256"]
    record.write_text(record.read_text().replace(sha256, "0" * 64))
    words = ("--candidate", candidate, "--evaluation", evaluation, "--registration", registration)
    ended = step("register", *words, "--model-name", "paid-amount")
    assert (ended.code, registration.exists()) == (3, False)


def test_the_table_of_a_refusal_is_written_where_it_is_asked_for(step: Step, table: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.csv"
    broken.write_text(table.read_text().replace("2013-08-01,W,87,748,0", "2013-08-01,W,87,748,-5"))
    failures = tmp_path / "kept/failures.csv"
    ended = step("prepare", "--data", broken, "--series", tmp_path / "out", "--failures", failures)
    assert ended.code == 3
    header, row = failures.read_text().splitlines()
    assert header == "file,column,place,found,expected,fix"
    assert row.startswith(f"{broken},Amount,line 5 ('-5'),negative,at least 0,")


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("--as-of", "2014-06-10"), "10 days before 2014-06-10"),
        (("--as-of", "2014-06-07", "--accepted-rows", "3000"), "889 rows, -70% against"),
        (("--as-of", "2014-06-07"), ""),
    ],
)
def test_stale_data_and_a_jump_in_rows_are_refused(
    step: Step, table: Path, tmp_path: Path, *, arguments: tuple[str, ...], part: str
) -> None:
    fresh = tmp_path / "fresh.yml"
    text = (PROBLEMS / "paid_amount.yml").read_text()
    fresh.write_text(text.replace("# max_age_days: 7 ", "max_age_days: 7 "))
    words = ("--problem", fresh, "--data", table, "--series", tmp_path / "out", *arguments)
    ended = step("prepare", *words)
    assert (ended.code, part in ended.err) == (3 if part else 0, True)


def test_a_person_may_decide_against_the_gate_and_is_recorded(step: Step, candidate: Path, tmp_path: Path) -> None:
    evaluation, registration = tmp_path / "evaluation", tmp_path / "registration"
    words = ("--candidate", candidate, "--evaluation", evaluation, "--champion", candidate)
    half = step("evaluate", *words, "--override-by", "A. Turing")
    assert (half.code, "needs a person and a reason" in half.err) == (2, True)
    signed = ("--override-by", "A. Turing", "--override-reason", "new tariff")
    judged = step("evaluate", *words, *signed)
    assert (judged.code, "accepted (override): A. Turing" in judged.out) == (0, True)
    evidence = load(evaluation / "decision.json")["evidence"]
    assert (evidence["gate"]["reason"], evidence["override"]["person"]) == ("no-new-data", "A. Turing")
    words = ("--candidate", candidate, "--evaluation", evaluation, "--registration", registration)
    assert step("register", *words, "--model-name", "paid-amount").code == 0
    assert load(registration / "registration.json")["reason"] == "override"


@pytest.mark.parametrize(
    ("problem", "file", "series"),
    [("units_by_type", "daily_by_type.csv", 3), ("product_sales", "daily_sales_by_product.csv", 22)],
)
def test_another_problem_is_another_file_and_no_code(
    step: Step, table: Path, tmp_path: Path, *, problem: str, file: str, series: int
) -> None:
    about = ("--problem", PROBLEMS / f"{problem}.yml")
    for name in "ab":
        prepared, candidate = tmp_path / f"series-{name}", tmp_path / name
        assert step("prepare", *about, "--data", table.with_name(file), "--series", prepared).code == 0
        assert step("train", *about, "--series", prepared, "--candidate", candidate).code == 0
        words = ("--candidate", candidate, "--evaluation", tmp_path / f"evaluation-{name}", "--champion", "none")
        judged = step("evaluate", *about, *words)
        assert (judged.code, "accepted (first-model)" in judged.out) == (0, True), judged.out
    assert load(tmp_path / "a/facts.json")["series"] == series
    assert len(load(tmp_path / "a/model.json")["series"]) == series
    for name in ("model.json", "manifest.json", "series.csv", "facts.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    hashes = {load(tmp_path / f"evaluation-{name}/decision.json")["evidence_sha256"] for name in "ab"}
    assert len(hashes) == 1


@pytest.mark.parametrize(
    ("name", "arguments", "part"),
    [
        ("prepare", ("--data", "nowhere.csv", "--series", "out"), "nowhere.csv: no such file"),
        ("prepare", ("--data", "nowhere.csv"), "--series"),
        ("train", ("--series", "nowhere", "--candidate", "out"), "series.csv: no such file"),
        ("train", ("--candidate", "out"), "one of the arguments --series --data is required"),
        ("evaluate", ("--candidate", "nowhere", "--evaluation", "out", "--champion", "none"), "no such file"),
        ("evaluate", ("--candidate", "nowhere", "--evaluation", "out"), "needs --champion"),
        ("register", ("--candidate", "nowhere", "--registration", "out", "--model-name", "m"), "no such file"),
        ("deploy", ("--registration", "nowhere", *SCORING), "registration.json: no such file"),
        ("prepare", ("--problem", "none.yml", "--data", "x", "--series", "out"), "no such problem file"),
    ],
)
def test_wrong_usage_ends_with_two_and_a_way_out(
    step: Step,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    name: str,
    arguments: tuple[object, ...],
    part: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    ended = step(name, *arguments)
    assert (ended.code, part in ended.err) == (2, True)
    assert "Traceback" not in ended.err
    assert not (tmp_path / "out").exists()


def test_register_without_a_decision_needs_a_champion_or_the_word_none(step: Step, candidate: Path) -> None:
    words = ("--candidate", candidate, "--registration", candidate / "out", "--model-name", "paid-amount")
    ended = step("register", *words)
    assert (ended.code, "needs --champion" in ended.err) == (2, True)


@pytest.mark.parametrize("name", STEPS)
def test_help_explains_and_names_the_exit_codes(step: Step, name: str) -> None:
    ended = step(name, "--help")
    assert ended.code == 0
    assert "Exit codes" in ended.out
    assert "--problem" in ended.out


def test_a_script_runs_from_anywhere_and_needs_no_azure_sdk(table: Path, tmp_path: Path) -> None:
    """The unmodified script in its own process, in a foreign folder, with the SDK made unimportable."""
    (tmp_path / "azureml").mkdir()
    (tmp_path / "azureml/__init__.py").write_text("raise ImportError('this step must not need the SDK')\n")
    words = [str(CODE / "prepare.py"), "--problem", str(PROBLEMS / "paid_amount.yml")]
    ended = subprocess.run(
        [sys.executable, *words, "--data", str(table), "--series", "out"],
        cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (ended.returncode, ended.stderr) == (0, "")
    assert (tmp_path / "out/series.csv").is_file()


def test_what_a_table_holds_cannot_act_on_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    say("file", name="a\x1b[2Jb")
    assert capsys.readouterr().out == "file name=a\\x1b[2Jb\n"

    def refuse(_run: object) -> int:
        raise UsageError("column \x1b]0;title\x07")

    assert guarded(refuse) == UsageError.exit_code
    assert capsys.readouterr().err == "error: column \\x1b]0;title\\x07\n"
