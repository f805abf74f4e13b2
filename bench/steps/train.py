"""Step 2: fit a small boosted model on the first 90 % of the rows and store its trees as JSON."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pandas as pd
from sklearn.ensemble import HistGradientBoostingRegressor

FIELDS = ("is_leaf", "feature_idx", "num_threshold", "left", "right", "value")


def main(argv: list[str] | None = None) -> int:
    """Write model.json: the start value and, tree by tree, the columns of FIELDS with an entry a node."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--features", type=Path, required=True, help="folder of features.csv")
    parser.add_argument("--model", type=Path, required=True, help="folder for model.json")
    arguments = parser.parse_args(argv)
    table = pd.read_csv(arguments.features / "features.csv", index_col=0)
    known = table[: int(len(table) * 0.9)]
    model = HistGradientBoostingRegressor(max_iter=30, max_leaf_nodes=8, random_state=0)
    model.fit(known.drop(columns="y"), known["y"])
    # scikit-learn itself stores models by pickle only; a model is its trees, and those are small tables.
    nodes = [tree.nodes for (tree,) in model._predictors]
    document = {
        "start": float(model._baseline_prediction.item()),
        "trees": [{field: table[field].tolist() for field in FIELDS} for table in nodes],
    }
    arguments.model.mkdir(parents=True, exist_ok=True)
    (arguments.model / "model.json").write_text(json.dumps(document), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
