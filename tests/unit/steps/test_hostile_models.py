"""A hostile model file is refused by register, by the gate on both sides, and by the service, before it does harm."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from forecasting.errors import ModelFileError
from forecasting.models.model_file import read_model
from tests.hostile import KINDS, TRACE, harm, pickled
from tests.sample import PROBLEMS
from tests.unit.steps.service_app import SCORING, serve

CODE = Path(__file__).resolve().parents[3] / "mlops_code"
Step = Callable[..., Any]


@pytest.fixture(scope="module")
def good(table: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A candidate that is as it should be."""
    folder = tmp_path_factory.mktemp("good") / "candidate"
    words = ["--problem", PROBLEMS / "paid_amount.yml", "--data", table, "--candidate", folder]
    subprocess.run([sys.executable, CODE / "train.py", *map(str, words)], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def judged(good: Path) -> tuple[Path, Path]:
    """The good candidate, and how the gate has judged it."""
    folder = good.with_name("evaluation")
    words = ["--problem", PROBLEMS / "paid_amount.yml", "--candidate", good, "--evaluation", folder]
    command = [sys.executable, CODE / "evaluate.py", *words, "--champion", "none"]
    subprocess.run(list(map(str, command)), check=True, capture_output=True)
    return good, folder


@pytest.fixture
def hostile(good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """hostile(kind) is a folder; the working directory is watched for traces."""
    monkeypatch.chdir(tmp_path)
    return lambda kind: harm(kind, good, tmp_path / "deep/er/hostile")


def untouched(folder: Path) -> bool:
    """Whether nothing was loaded or extracted."""
    return not list(folder.rglob(TRACE)) and not (folder.parent / TRACE).exists()


def test_the_pickle_of_these_tests_would_do_harm(tmp_path: Path) -> None:
    (tmp_path / "model.pkl").write_bytes(pickled())
    load = "import pickle; pickle.load(open('model.pkl', 'rb'))"
    subprocess.run([sys.executable, "-c", load], cwd=tmp_path, check=True)
    assert not untouched(tmp_path)


@pytest.mark.parametrize("kind", KINDS)
def test_the_steps_refuse_a_hostile_candidate_and_a_hostile_champion(
    step: Step, judged: tuple[Path, Path], hostile: Callable[[str], Path], tmp_path: Path, kind: str
) -> None:
    (good, evaluation), evil, out = judged, hostile(kind), tmp_path / "out"
    named = ("--registration", out, "--model-name", "paid-amount")
    for ended in (
        step("evaluate", "--candidate", evil, "--evaluation", out, "--champion", "none"),
        step("evaluate", "--candidate", good, "--evaluation", out, "--champion", evil),
        step("register", "--candidate", evil, *named, "--champion", "none"),
        step("register", "--candidate", evil, *named, "--evaluation", evaluation),
        step("register", "--candidate", good, *named, "--champion", evil),
    ):
        assert (ended.code, "refused: " in ended.err) == (3, True), ended
        assert "Traceback" not in ended.err
        assert "outcome=failed reason=error" in ended.out
    assert not out.exists()
    assert untouched(tmp_path)


# The service reads a model as the steps do, which meet every kind; its own start takes a second.
AT_A_START = ("pickle", "traversal name", "changed byte", "linked manifest")


@pytest.mark.parametrize(
    "kind", [kind if kind in AT_A_START else pytest.param(kind, marks=pytest.mark.campaign) for kind in KINDS]
)
def test_the_service_does_not_start_with_a_hostile_model(hostile: Callable[[str], Path], kind: str) -> None:
    evil = hostile(kind)
    app = evil.parent / "app"
    for name in SCORING:
        target = app / "scoring" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(CODE / name, target)
    shutil.copytree(evil, app / "azureml-models/paid-amount/4/model", symlinks=True)
    ended = serve(app, [])
    assert ended.returncode == 3
    assert "ModelFileError" in ended.stdout + ended.stderr
    assert untouched(app)


def test_a_link_that_leads_out_is_not_followed(good: Path, tmp_path: Path) -> None:
    outside, folder = tmp_path / "outside", tmp_path / "model"
    shutil.copytree(good, outside)
    folder.mkdir()
    for name in ("model.json", "manifest.json"):
        (folder / name).symlink_to(outside / name)
    with pytest.raises(ModelFileError, match="is a link to another file"):
        read_model(folder)
