"""`forecast` from a model at hand: each series and day once, in both formats; a mistake names the option."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from evaluate import main as evaluate
from forecasting.errors import UsageError
from forecasting.models.catalog import forecast
from forecasting.models.model_file import read_model
from forecasting.serving import bulk
from ml_service.cli.main import main
from tests.sample import DATA, PROBLEMS
from train import main as train

ROOT = Path(__file__).resolve().parents[4]
PROBLEM = PROBLEMS / "units_by_type.yml"
TABLE = DATA / "daily_by_type.csv"


@pytest.fixture(scope="module")
def candidate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("candidate")
    assert train(["--problem", str(PROBLEM), "--data", str(TABLE), "--candidate", str(folder)]) == 0
    return folder


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as content:
        return list(csv.DictReader(content))


def test_each_series_and_day_is_written_once(
    candidate: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "MAX_POINTS", 20)  # one series at a time
    out = tmp_path / "deep/forecast.csv"
    assert main(["forecast", "--model", str(candidate), "--out", str(out), "--horizon", "14", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    model = read_model(candidate).model
    assert (told["rows"], told["series"], told["horizon"]) == (14 * len(model.keys), len(model.keys), 14)
    rows = rows_of(out)
    assert list(rows[0]) == ["series", "date", "forecast", "lower_80", "upper_80", "lower_95", "upper_95"]
    assert len({(row["series"], row["date"]) for row in rows}) == len(rows) == told["rows"]
    found = np.array([float(row["forecast"]) for row in rows]).reshape(len(model.keys), 14)
    assert found == pytest.approx(forecast(model, 14), rel=1e-12)
    for row in rows:
        assert float(row["lower_95"]) <= float(row["lower_80"]) <= float(row["forecast"]) <= float(row["upper_80"])
    assert [path.name for path in out.parent.iterdir()] == ["forecast.csv"]


def test_parquet_has_the_same_content(candidate: Path, tmp_path: Path) -> None:
    import pandas as pd

    for ending in ("csv", "parquet"):
        assert (
            main(["forecast", "--model", str(candidate / "model.json"), "--out", str(tmp_path / f"f.{ending}")]) == 0
        )
    text, binary = pd.read_csv(tmp_path / "f.csv"), pd.read_parquet(tmp_path / "f.parquet")
    pd.testing.assert_frame_equal(text, binary, check_dtype=False)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "--out is missing"),
        (["--out", "f.xlsx"], "expected a name that ends with .csv or .parquet"),
        (["--out", "f.csv", "--service", "test", "--model", "x"], "--model and --service exclude each other"),
        (["--out", "f.csv", "--model", "nowhere"], "no such file"),
        (["--out", "f.csv", "--evaluation", "x"], "--evaluation needs --model"),
        (["--out", "f.csv", "--model-version", "last"], "--model-version last is not a version"),
    ],
)
def test_a_mistake_is_named_before_anything_is_asked(
    words: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["forecast", *words]) == 2
    assert said in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_table_that_broke_off_leaves_no_file(candidate: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="The model cannot forecast that: horizon"):
        model = read_model(candidate).model
        bulk.write_forecast(tmp_path / "f.csv", bulk.answers_of(model, 10_000), model)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def judged(candidate: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("evaluation")
    words = ["--problem", str(PROBLEM), "--candidate", str(candidate), "--champion", "none"]
    assert evaluate([*words, "--evaluation", str(folder)]) == 0
    return folder


def prefix_of(candidate: Path, judged: Path) -> str:
    """What the files of the accepted model begin with: here the gate proposes another one than training."""
    accepted = json.loads((judged / "decision.json").read_text())["evidence"]["challenger"]["model_sha256"]
    models = {read_model(candidate, prefix).sha256: prefix for prefix in ("", "fallback_1.", "fallback_2.")}
    assert models[accepted] != ""
    return models[accepted]


def test_the_accepted_model_forecasts_where_the_gate_has_proposed_another_than_training(
    candidate: Path, judged: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prefix, out = prefix_of(candidate, judged), tmp_path / "f.csv"
    accepted = read_model(candidate, prefix)
    words = ["forecast", "--model", str(candidate), "--out", str(out)]
    assert main([*words, "--evaluation", str(judged), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["model_sha256"], told["recipe"]) == (accepted.sha256, accepted.model.recipe.label)
    assert told["model"] == str(candidate / f"{prefix}model.json")
    assert told["gate"].startswith("accepted (first-model)")
    found = [float(row["forecast"]) for row in rows_of(out)]
    assert found == pytest.approx(forecast(accepted.model, accepted.horizon).ravel().tolist(), rel=1e-12)


def test_a_model_that_no_gate_has_judged_says_so(
    candidate: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, prefix in (("", ""), ("series.csv", ""), ("fallback_1.model.json", "fallback_1.")):
        assert main(["forecast", "--model", str(candidate / name), "--out", str(tmp_path / "f.csv")]) == 0
        said = capsys.readouterr().out
        assert "not judged by the gate" in said
        assert "--evaluation" in said
        assert f"sha256 {read_model(candidate, prefix).sha256}" in said


def test_a_model_that_the_gate_has_not_accepted_writes_nothing(
    candidate: Path, judged: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    champion = shutil.copytree(candidate, tmp_path / "champion")
    for name in ("model.json", "manifest.json"):
        shutil.copyfile(candidate / f"{prefix_of(candidate, judged)}{name}", champion / name)
    words = ["--problem", str(PROBLEM), "--candidate", str(candidate), "--champion", str(champion)]
    assert evaluate([*words, "--evaluation", str(tmp_path / "kept")]) == 0
    out = ["--out", str(tmp_path / "f.csv")]
    assert main(["forecast", "--model", str(candidate), "--evaluation", str(tmp_path / "kept"), *out]) == 3
    assert "was not accepted" in capsys.readouterr().err
    assert main(["forecast", "--model", str(judged), *out]) == 2
    assert "--model CANDIDATE --evaluation" in capsys.readouterr().err
    assert not (tmp_path / "f.csv").exists()


def test_a_registered_folder_has_its_decision_beside_the_model(
    candidate: Path, judged: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = shutil.copytree(judged, tmp_path / "model")
    for name in ("model.json", "manifest.json"):
        shutil.copyfile(candidate / f"{prefix_of(candidate, judged)}{name}", folder / name)
    assert main(["forecast", "--model", str(folder), "--out", str(tmp_path / "f.csv")]) == 0
    assert "gate       accepted (first-model)" in capsys.readouterr().out
