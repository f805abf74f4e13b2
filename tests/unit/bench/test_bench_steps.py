"""The step scripts of the benchmark run alone on the embedded data, and their model is the fitted one."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd

from bench.comparison.runners import DATA


def test_four_scripts_register_the_model_that_was_fitted(tmp_path: Path) -> None:
    # scikit-learn takes a second to import, and every test process imports this module.
    from sklearn.ensemble import HistGradientBoostingRegressor

    from bench.steps import evaluate, prepare, register, train

    features, model, metrics, entry = (str(tmp_path / name) for name in ("features", "model", "metrics", "entry"))
    assert prepare.main(["--data", str(DATA), "--features", features]) == 0
    assert train.main(["--features", features, "--model", model]) == 0
    assert evaluate.main(["--features", features, "--model", model, "--metrics", metrics]) == 0
    words = ["--features", features, "--model", model, "--metrics", metrics, "--entry", entry]
    assert register.main(words) == 0

    stored = (tmp_path / "model/model.json").read_bytes()
    registered = json.loads((tmp_path / "entry/entry.json").read_text())
    assert registered["sha256"] == hashlib.sha256(stored).hexdigest()
    assert set(registered["metrics"]) == {"model", "ridge"}

    table = pd.read_csv(tmp_path / "features/features.csv", index_col=0)
    assert len(table) == 305 - 28  # the days of the series, less the longest lag
    rows = table.drop(columns="y")
    known = int(len(table) * 0.9)
    fitted = HistGradientBoostingRegressor(max_iter=30, max_leaf_nodes=8, random_state=0)
    fitted.fit(rows[:known], table["y"][:known])
    np.testing.assert_allclose(evaluate.predict(json.loads(stored), rows.to_numpy()), fitted.predict(rows))
