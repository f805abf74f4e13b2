"""A person decides against the gate: kept, then accepted in that person's name and champion; and what nobody may."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.story.conftest import Rehearsed
from tests.story.product import Ended, Product, Sdk, champions, registered_versions, served, write_problem

REASON = "the new tariff | starts; on 'Monday' & later"
WORDS = ("--override-by", "Ada Lovelace", "--override-reason", REASON)
# Not one forecast origin more than the table has days for: nothing trustworthy to decide on.
SHORT = {"gate.origins": 40, "training.selection.held_back": 301}


@dataclass(frozen=True)
class Overridden:
    """A run with an override, its page, and the champions after it."""

    product: Product
    accepted: Ended
    page: str
    champions: list[int]


@dataclass(frozen=True)
class Others:
    """A run without an override, and one where nothing can be decided; the champions after each."""

    kept: Ended
    short: Ended
    champions: tuple[list[int], list[int]]


@pytest.fixture(scope="module")
def product(rehearsed: Rehearsed) -> Product:
    """What has a champion, and runs again with nothing changed but who decides."""
    return rehearsed.product.with_settings(EXPERIMENT_NAME=f"{rehearsed.product.settings['MODEL_NAME']}-override")


@pytest.fixture(scope="module")
def story(product: Product, sdk: Sdk, tmp_path_factory: pytest.TempPathFactory) -> Overridden:
    folder = tmp_path_factory.mktemp("override")
    queued = {"TF_BUILD": "True", "BUILD_REASON": "Manual", "BUILD_REQUESTEDFOR": "Ada Lovelace"}
    accepted = product.with_settings(**queued).run("run", "--evidence", folder / "evidence", "--json", *WORDS)
    page = Path(folder / "evidence/summary.md").read_text()
    return Overridden(product, accepted, page, sdk(champions, product.settings["MODEL_NAME"]))


@pytest.fixture(scope="module")
def others(product: Product, sdk: Sdk, tmp_path_factory: pytest.TempPathFactory) -> Others:
    name = product.settings["MODEL_NAME"]
    kept = product.run("run", "--json")
    before = sdk(champions, name)
    problem = write_problem(tmp_path_factory.mktemp("short") / "short.yml", SHORT)
    short = product.with_settings(PROBLEM_FILE=problem).run("run", "--unpublished", "--json", *WORDS, code=3)
    return Others(kept, short, (before, sdk(champions, name)))


@pytest.mark.campaign
def test_without_an_override_the_champion_is_kept(others: Others) -> None:
    document = others.kept.document
    assert (document["outcome"], document["reason"]) == ("kept", "no-new-data")
    assert document["decision"]["evidence"]["override"] is None
    assert others.champions[0] == [1]


def test_with_one_the_same_model_is_accepted_and_its_bytes_are_not_registered_twice(
    story: Overridden, sdk: Sdk
) -> None:
    document = story.accepted.document
    assert (document["outcome"], document["reason"], document["model"]["version"]) == ("accepted", "override", 1)
    assert story.champions == [1]
    assert sdk(served, story.product.settings["TEST_SERVICE_NAME"]) == ("Healthy", [1])


def test_an_override_trains_nothing_anew(story: Overridden) -> None:
    reused = {step["name"]: step["reused"] for step in story.accepted.document["steps"]}
    assert reused == {"prepare": True, "train": True, "evaluate": False, "register": False, "deploy": False}


def test_who_and_why_and_the_gates_own_verdict_are_recorded_and_shown(story: Overridden, tmp_path: Path) -> None:
    evidence = story.accepted.document["decision"]["evidence"]
    assert evidence["override"] == {"person": "Ada Lovelace", "reason": REASON}
    assert (evidence["gate"]["outcome"], evidence["gate"]["reason"]) == ("kept", "no-new-data")
    assert "**Override.** Ada Lovelace is accountable: the new tariff" in story.page
    assert "The gate itself said kept (no-new-data)" in story.page
    assert "##vso[build.addbuildtag]override" in story.accepted.err
    story.product.run("history", "--out", tmp_path / "history")
    assert '"person": "Ada Lovelace"' in (tmp_path / "history/decisions.json").read_text()


@pytest.mark.campaign
def test_nothing_that_could_not_be_decided_is_accepted(others: Others, product: Product, sdk: Sdk) -> None:
    document = others.short.document
    assert (document["outcome"], document["reason"], document["model"]) == ("failed", "too-few-origins", None)
    assert others.champions[1] == [1]
    assert sorted(sdk(registered_versions, product.settings["MODEL_NAME"])) == [1]


@pytest.mark.parametrize("reason", ["Schedule", "PullRequest", "IndividualCI"])
def test_a_run_that_nobody_queued_by_hand_is_refused_before_it_signs_in(rehearsed: Rehearsed, reason: str) -> None:
    queued = rehearsed.product.with_settings(TF_BUILD="True", BUILD_REASON=reason, BUILD_REQUESTEDFOR="Ada Lovelace")
    ended = queued.run("run", *WORDS, code=3)
    assert f"a run with the reason {reason} may not override the gate" in ended.err
    assert "opening workspace" not in ended.err
