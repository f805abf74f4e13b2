"""docs/problems.md is true: its commands run in their order on a table of somebody else, up to a live forecast."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from forecasting.models.catalog import FAMILIES
from forecasting.problem.sections import Contract
from tests.story.own_data import write_sales
from tests.story.product import ROOT, clean_environment, copy_tree

PAGE = (ROOT / "docs/problems.md").read_text(encoding="utf-8")


class Shell(NamedTuple):
    """A copy of the product beside the table that the page speaks of, and the variables of its user."""

    tree: Path
    environment: Mapping[str, str]

    def run(self, script: str) -> subprocess.CompletedProcess[str]:
        """Run lines as a user types them."""
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=self.tree, env=dict(self.environment), capture_output=True, text=True, check=False, timeout=200,
        )  # fmt: skip


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    tree = copy_tree(tmp_path / "tree")
    write_sales(tree / "sales.csv")
    kept = {key: value for key, value in clean_environment(tmp_path).items() if not key.startswith("AZURE")}
    opened = Shell(tree, {**kept, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"})
    yield opened
    ended = opened.run("python -m local_azure down")
    assert ended.returncode == 0, ended.stderr


@pytest.mark.slow
@pytest.mark.campaign
def test_every_command_runs_in_its_order(shell: Shell) -> None:
    found = "".join(re.findall(r"^```sh\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE))
    assert len(found.splitlines()) == 9
    done = shell.run(f"{found}python -m local_azure exec -- python -m ml_service status")
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    assert "1920 rows give 6 series" in done.stdout
    assert "accepted (first-model)" in done.stdout
    assert "outcome    accepted, first-model: registered and deployed to the test service" in done.stdout
    assert (shell.tree / "out/bakery/evaluation/report.html").is_file()
    assert "gate       accepted (first-model), out/bakery/evaluation/decision.json" in done.stdout
    assert len((shell.tree / "out/bakery/forecast.csv").read_text().splitlines()) > 6 * 7
    assert re.search(r"^service .*bakery-test", done.stdout, re.MULTILINE)


def test_every_recipe_and_every_bound_of_the_contract_is_explained() -> None:
    recipes = PAGE.split("## Recipes")[1].split("## ")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", recipes, re.MULTILINE)) == FAMILIES.keys() - {"seasonal_naive"}
    contract = PAGE.split("## Data contract")[1].split("## ")[0]
    assert [name for name in Contract.model_fields if f"`{name}" not in contract] == []
