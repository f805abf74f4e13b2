"""Step selection and snapshots: exact files, exact sections, complete imports; no SDK anywhere."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from azure_ml.digests import folder_sha256
from forecasting.problem.problem_file import Problem
from ml_service.errors import InvalidRequestError
from ml_service.training import snapshots
from ml_service.training.snapshots import (
    STEP_FILES,
    STEP_ORDER,
    assemble,
    default_steps,
    parse_steps,
    problem_text,
    scheduled_steps,
)
from tests.sample import PROBLEMS
from tests.unit.ml_service.conftest import MakeSettings

PROBLEM = {"source": {"date": "Day"}, "series": {"name": "x"}, "training": {"horizon": 7}, "gate": {"floor": 1.0}}
PROBLEM_FILE = PROBLEMS / "paid_amount.yml"


def sources(step: str) -> set[str]:
    """Every file of mlops_code/ that can change the snapshot of a step."""
    return {*STEP_FILES[step].files, *STEP_FILES[step].scoring}


@pytest.mark.parametrize(
    "text",
    [
        "prepare,train,evaluate,register,deploy",
        "train,register,deploy",
        "train,register",
        " train , evaluate, register ",
    ],
)
def test_legal_steps_are_read_in_order(text: str) -> None:
    assert parse_steps(text) == tuple(name.strip() for name in text.split(","))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("train,regster,deploy", "unknown: regster"),
        ("train,train,register", "named twice: train"),
        ("register,train", "wrong order: register,train"),
        ("prepare,register", "missing: train"),
        ("train,deploy", "missing: register"),
        ("", "missing: train, register"),
    ],
)
def test_illegal_steps_name_the_mistake_and_the_legal_names(text: str, found: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        parse_steps(text)

    assert caught.value.exit_code == 2
    assert caught.value.found == found
    assert "prepare,train,evaluate,register,deploy" in caught.value.expected


def test_a_snapshot_holds_exactly_the_files_of_the_table(tmp_path: Path) -> None:
    folder = assemble("train", PROBLEM, tmp_path)

    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert found == {*STEP_FILES["train"].files, "problem.yml"}


def test_a_snapshot_holds_only_the_problem_sections_of_its_step(tmp_path: Path) -> None:
    sections = {
        step: set(yaml.safe_load((assemble(step, PROBLEM, tmp_path) / "problem.yml").read_text()))
        for step in ("prepare", "train", "evaluate")
    }

    assert sections["prepare"] == {"source", "series"}
    assert sections["train"] == {"source", "series", "training"}
    assert sections["evaluate"] == {"source", "series", "training", "gate"}


def test_an_edit_of_the_gate_policy_changes_no_reusable_snapshot(tmp_path: Path) -> None:
    stricter = {**PROBLEM, "gate": {"floor": 0.5}}

    for step in STEP_ORDER:
        before = folder_sha256(assemble(step, PROBLEM, tmp_path / "before"))
        after = folder_sha256(assemble(step, stricter, tmp_path / "after"))
        assert (before == after) is STEP_FILES[step].reusable


@pytest.mark.parametrize(
    "source",
    [
        "score.py",
        "deciding.py",
        "registration.py",
        "azure_ml/digests.py",
        "azure_ml/environments.py",
        "azure_ml/models/champion_move.py",
        "azure_ml/models/registration.py",
        "azure_ml/services.py",
        "forecasting/decision/gate.py",
        "forecasting/decision/record.py",
        "forecasting/decision/report.html.j2",
        "forecasting/evaluation/comparison.py",
        "forecasting/serving/forecaster.py",
    ],
)
def test_scoring_and_gate_code_is_in_no_reusable_snapshot(source: str) -> None:
    holders = {step for step in STEP_ORDER if source in sources(step)}

    assert holders
    assert holders.isdisjoint({"prepare", "train"})


def test_an_edit_of_how_the_champion_is_found_trains_nothing_where_prepare_is_left_out() -> None:
    assert "azure_ml/models/champion.py" in STEP_FILES["prepare"].files
    assert sources("train").isdisjoint({"azure_ml/models/champion.py", "azure_ml/models/versions.py"})


def test_training_code_is_not_in_the_snapshot_of_prepare() -> None:
    assert sources("prepare").isdisjoint({"forecasting/models/catalog.py", "forecasting/evaluation/backtest.py"})


def test_only_prepare_and_train_may_be_reused() -> None:
    assert [step for step in STEP_ORDER if STEP_FILES[step].reusable] == ["prepare", "train"]


def imported(file: str) -> set[str]:
    """Files of mlops_code/ that a file imports, with the packages that they lie in."""
    names = set()
    for node in ast.walk(ast.parse((snapshots.CODE / file).read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    modules = {name.replace(".", "/") for name in names}
    packages = {str(parent) for module in modules for parent in Path(module).parents}
    candidates = {f"{module}.py" for module in modules} | {f"{name}/__init__.py" for name in modules | packages}
    return {name for name in candidates if (snapshots.CODE / name).is_file()}


def closure(script: str) -> set[str]:
    """Everything that a script imports, directly or not, also inside functions."""
    found, todo = set(), [script]
    while todo:
        file = todo.pop()
        found.add(file)
        todo += imported(file) - found
    return found


@pytest.mark.parametrize("step", STEP_FILES)
def test_a_snapshot_holds_exactly_what_its_script_imports(step: str) -> None:
    """And the templates of what it imports: a file too many would train again for an edit that changes nothing."""
    listed = {file for file in STEP_FILES[step].files if file.endswith(".py")}
    templates = set(STEP_FILES[step].files) - listed

    assert listed == closure(f"{step}.py")
    assert {str(Path(file).parent) for file in templates} <= {str(Path(file).parent) for file in listed}
    assert set(STEP_FILES["deploy"].scoring) == closure("score.py")


@pytest.mark.parametrize("step", STEP_FILES)
def test_a_snapshot_is_complete_for_its_imports(step: str, tmp_path: Path) -> None:
    """The script starts in its own folder; no other code of the repository is in reach."""
    folder = assemble(step, Problem(PROBLEM_FILE).document, tmp_path)

    answer = subprocess.run(
        [sys.executable, "-s", "-B", f"{step}.py", "--help"],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (answer.returncode, answer.stderr) == (0, "")
    assert "--problem" in answer.stdout


def test_the_scoring_folder_is_complete_for_its_imports(tmp_path: Path) -> None:
    folder = assemble("deploy", Problem(PROBLEM_FILE).document, tmp_path) / snapshots.SCORING_FOLDER

    answer = subprocess.run(
        [sys.executable, "-s", "-B", "-c", "import score"],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (answer.returncode, answer.stderr) == (0, "")


def test_a_file_that_the_table_lists_and_nobody_has_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError, match=r"prepare\.py does not exist"):
        assemble("prepare", PROBLEM, tmp_path / "out", code=tmp_path)


def test_the_problem_text_does_not_depend_on_the_order_of_the_file() -> None:
    turned = dict(reversed(PROBLEM.items()))

    assert problem_text(PROBLEM, ("source", "gate")) == problem_text(turned, ("gate", "source"))


def test_who_deploys_for_test_decides_about_the_last_step(make_settings: MakeSettings) -> None:
    production = {"AZUREML_PRODUCTION_WORKSPACE_NAME": "prod"}
    assert default_steps(make_settings({})) == ("prepare", "train", "evaluate", "register")
    assert scheduled_steps(make_settings({}))[-1] == "deploy", "without a production nobody else would"
    assert scheduled_steps(make_settings(production))[-1] == "register"
    assert default_steps(make_settings({"TEST_DEPLOYMENT": "step"})) == STEP_ORDER
