"""Step 3: mean absolute error of the model, and of a Ridge as its baseline, on the last 10 % of the rows."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.linear_model import Ridge
from sklearn.metrics import mean_absolute_error


def predict(model: dict[str, Any], rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Prediction for each row (rows x features): the start value and what each tree adds."""
    total = np.full(len(rows), model["start"])
    for columns in model["trees"]:
        tree = {name: np.asarray(values) for name, values in columns.items()}
        at = np.zeros(len(rows), dtype=int)
        while not tree["is_leaf"][at].all():
            goes_left = rows[np.arange(len(rows)), tree["feature_idx"][at]] <= tree["num_threshold"][at]
            below = np.where(goes_left, tree["left"][at], tree["right"][at])
            at = np.where(tree["is_leaf"][at], at, below)
        total += tree["value"][at]
    return total


def main(argv: list[str] | None = None) -> int:
    """Write metrics.json: the errors of `model` and of `ridge`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--features", type=Path, required=True, help="folder of features.csv")
    parser.add_argument("--model", type=Path, required=True, help="folder of model.json")
    parser.add_argument("--metrics", type=Path, required=True, help="folder for metrics.json")
    arguments = parser.parse_args(argv)
    table = pd.read_csv(arguments.features / "features.csv", index_col=0)
    cut = int(len(table) * 0.9)
    rows, values = table.drop(columns="y"), table["y"]
    ridge = Ridge().fit(rows[:cut], values[:cut])
    model = json.loads((arguments.model / "model.json").read_text(encoding="utf-8"))
    metrics = {
        "model": float(mean_absolute_error(values[cut:], predict(model, rows[cut:].to_numpy()))),
        "ridge": float(mean_absolute_error(values[cut:], ridge.predict(rows[cut:]))),
    }
    arguments.metrics.mkdir(parents=True, exist_ok=True)
    (arguments.metrics / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
