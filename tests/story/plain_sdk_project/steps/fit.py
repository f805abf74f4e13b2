"""A step of somebody's project: a model that is the mean of the numbers."""

import argparse
import json
from pathlib import Path

from azureml.core import Run

parser = argparse.ArgumentParser()
parser.add_argument("--numbers", type=Path)
parser.add_argument("--factor", type=float)
parser.add_argument("--model", type=Path)
arguments = parser.parse_args()

run = Run.get_context()
numbers = [float(line) for line in (arguments.numbers / "numbers.txt").read_text().split()]
mean = sum(numbers) / len(numbers) * arguments.factor
arguments.model.mkdir(parents=True, exist_ok=True)
(arguments.model / "model.json").write_text(json.dumps({"mean": mean}))
Path("outputs").mkdir(exist_ok=True)
Path("outputs/summary.txt").write_text(f"mean {mean}")
run.log("mean", mean)
run.log_list("numbers", numbers)
run.upload_file("evidence/model.json", str(arguments.model / "model.json"))
print(f"fitted on {len(numbers)} numbers")
