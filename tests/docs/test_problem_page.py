"""docs/problems.md is true: its commands run in their order on a table of somebody else, up to a live forecast."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlops_code.forecasting.candidates import KINDS
from mlops_code.forecasting.policy import Contract
from tests.story.own_data import write_sales
from tests.story.product import ROOT, clean_environment, copy_tree

PAGE = (ROOT / "docs/problems.md").read_text(encoding="utf-8")


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Path]:
    """A copy of the product beside the table that the page speaks of."""
    target = copy_tree(tmp_path / "tree")
    write_sales(target / "sales.csv")
    yield target
    words = ["local_azure", "--state", str(target / ".local_azure"), "down"]
    subprocess.run([sys.executable, "-m", *words], check=True, capture_output=True)


@pytest.mark.slow
def test_every_command_runs_in_its_order(tree: Path, tmp_path: Path) -> None:
    found = "".join(re.findall(r"^```sh\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE))
    assert len(found.splitlines()) == 8
    kept = {key: value for key, value in clean_environment(tmp_path).items() if not key.startswith("AZURE")}
    environment = {**kept, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", found],
        cwd=tree, env=environment, capture_output=True, text=True, check=False, timeout=200,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    assert "1920 rows give 6 series" in done.stdout
    assert "accepted (first-model)" in done.stdout
    assert "outcome    accepted, first-model: registered and deployed to the test service" in done.stdout
    assert (tree / "out/evaluation/report.html").is_file()


def test_every_recipe_and_every_bound_of_the_contract_is_explained() -> None:
    recipes = PAGE.split("## Recipes")[1].split("## ")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", recipes, re.MULTILINE)) == KINDS.keys() - {"seasonal_naive"}
    contract = PAGE.split("## Data contract")[1].split("## ")[0]
    assert [name for name in Contract.model_fields if f"`{name}" not in contract] == []
