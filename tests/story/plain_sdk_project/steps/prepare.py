"""A step of somebody's project: writes numbers."""

import argparse
from pathlib import Path

from azureml.core import Run

parser = argparse.ArgumentParser()
parser.add_argument("--count", type=int)
parser.add_argument("--out", type=Path)
arguments = parser.parse_args()

run = Run.get_context()
arguments.out.mkdir(parents=True, exist_ok=True)
(arguments.out / "numbers.txt").write_text("\n".join(str(n) for n in range(arguments.count)))
run.log("rows", arguments.count)
run.parent.tag("stage", "prepared")
