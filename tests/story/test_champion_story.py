"""A year of a model in four commands: a weak champion, newer data, a service that breaks, and a better champion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from tests.story.conftest import MakeProduct
from tests.story.product import (
    STEPS,
    Ended,
    Product,
    Sdk,
    champions,
    copy_tree,
    cut_table,
    registered_versions,
    served,
    write_problem,
)

pytestmark = [pytest.mark.slow, pytest.mark.campaign]

OPEN_END = {"series.last_date": None}
WEAK = {**OPEN_END, "training.candidates": [{"recipe": "same_weekday_mean", "weeks": 2}]}
BROKEN_INIT = "\n\ndef init() -> None:\n    raise RuntimeError('the scales of this service are broken')\n"


@dataclass(frozen=True)
class Look:
    """What registry and service say at one moment."""

    champions: list[int]
    service: tuple[str, list[int]]


@dataclass(frozen=True)
class Year:
    """The commands of the story, and what the registry said after each."""

    product: Product
    weak: Ended
    broken: Ended
    better: Ended
    looks: tuple[Look, Look, Look]


@pytest.fixture(scope="module")
def year(make_product: MakeProduct, sdk: Sdk, tmp_path_factory: pytest.TempPathFactory) -> Year:
    """Four weeks of data more on the way; the second release has a scoring script that does not start."""
    folder = tmp_path_factory.mktemp("year")
    april, may = cut_table(folder / "april.csv", "2014-05-03"), cut_table(folder / "may.csv", "2014-05-31")
    tree = copy_tree(folder / "tree")
    with (tree / "mlops_code/score.py").open("a") as script:
        script.write(BROKEN_INIT)
    product = make_product("year")
    weak_problem, problem = write_problem(folder / "weak.yml", WEAK), write_problem(folder / "all.yml", OPEN_END)
    model, service = product.settings["MODEL_NAME"], product.settings["TEST_SERVICE_NAME"]

    def look() -> Look:
        return Look(sdk(champions, model), sdk(served, service))

    weak = product.with_settings(PROBLEM_FILE=weak_problem, DATA_FILE=april).run("rehearse")
    after_weak = look()
    product = product.with_settings(PROBLEM_FILE=problem, DATA_FILE=may)
    product.run("data", "upload")
    broken = product.from_tree(tree).run("run", "--unpublished", "--reason", "data", "--json", code=1)
    after_broken = look()
    better = product.run("rehearse")
    return Year(product, weak, broken, better, (after_weak, after_broken, look()))


def test_the_weak_model_is_champion_while_there_is_no_other(year: Year) -> None:
    assert year.weak.found(r"^outcome +(\w+, [\w-]+):") == "accepted, first-model"
    assert year.looks[0] == Look([1], ("Healthy", [1]))
    assert "2014-05-04" in year.weak.out, "its forecast starts after the last day it knew"


def test_newer_data_runs_prepare_again(year: Year) -> None:
    steps = {step["name"]: step["reused"] for step in year.broken.document["steps"]}
    assert steps == dict.fromkeys(STEPS, False), "same code and problem, other bytes"
    assert year.broken.document["decision"]["context"]["reason"] == "data"
    assert year.better.out.count("Finished (reused)") == 2, "the bytes are known by now"


def test_a_service_that_does_not_start_never_gives_a_champion(year: Year) -> None:
    ran = year.broken.document
    assert (ran["status"], ran["outcome"], ran["reason"]) == ("Failed", "accepted", "margin")
    assert ran["model"]["version"] == 2, "the version stays registered"
    assert {step["name"]: step["status"] for step in ran["steps"]}["deploy"] == "Failed"
    assert year.looks[1] == Look([1], ("Failed", [2]))
    assert "the scales of this service are broken" in year.broken.err, "the service's own log is shown"
    assert "step deploy failed" in year.broken.err


def test_a_better_challenger_replaces_the_champion(year: Year, sdk: Sdk) -> None:
    name, better = year.product.settings["MODEL_NAME"], year.better
    assert better.found(r"^outcome +(\w+, \w+):") == "accepted, margin"
    assert better.found(rf"^champion {name}:(\d+) ") == "1", "it met the old champion, not the version that failed"
    assert better.found(rf"^model +{name} version (\d+)") == "2", "the same bytes are registered once"
    assert better.found(rf"^service +{name} (Healthy, \S+),") == f"Healthy, {name}:2"
    assert year.looks[2] == Look([2], ("Healthy", [2]))
    versions: dict[int, dict[str, Any]] = sdk(registered_versions, name)
    assert sorted(versions) == [1, 2], "nothing is deleted"
    assert versions[1]["properties"]["recipe"] == "same_weekday_mean(weeks=2)"
    assert versions[2]["properties"]["data_version"] == "2"
