"""Retraining that nobody attends, from the inbox to production: real schedules, the real pipeline, its approval.

A file arrives, a schedule fires, a person approves. Then a bad file arrives with a good one, the next schedule trains
on the good one, and a person accepts the other. What each part does at its edges is in test_retraining_story.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from local_azure.cli import lifecycle
from local_azure.machine_learning.server import SPEED_VARIABLE
from local_azure.machine_learning.storage.state import StateFolder
from tests.pipelines.house import House, copy_repository
from tests.story.product import Product, Sdk, champions, clean_environment, cut_table, write_problem
from tests.story.test_retraining_story import deliver, drop, ended_runs, schedules_of

pytestmark = pytest.mark.campaign
MONDAY = {"every": "week", "days": ["Monday"], "at": "05:00"}
SOON = {"every": "minute", "interval": 5}  # of a clock that is sixty times as fast
EXPERIMENT, DATASET, MODEL = "paid-amount", "paid-amount-transactions", "paid-amount"


@dataclass(frozen=True)
class Office:
    """A repository with its pipelines, its server, and plain SDK code."""

    house: House
    product: Product
    sdk: Sdk
    folder: Path

    def schedule(self, recurrence: Mapping[str, object]) -> list[str]:
        """Apply schedules with a recurrence; what was done with them."""
        rule = {"recurrence": recurrence, "on_data": True, "poll_minutes": 1}
        problem = self.house.tree / "mlops_code/problems/paid_amount.yml"
        write_problem(problem, {"series.last_date": None, "series.first_date": None, "schedule": rule})
        applied = self.product.run("schedule", "apply", "--json").document["schedules"]
        return sorted(item["did"] for item in applied)

    def table(self, name: str, last_day: str) -> dict[str, str]:
        """A delivery."""
        return {name: str(cut_table(self.folder / name, last_day))}

    def runs(self, count: int) -> list[dict[str, str]]:
        """The runs when so many have ended."""
        return self.sdk(ended_runs, EXPERIMENT, count)

    def started_by(self, run: dict[str, str]) -> str:
        """The kind of schedule that started a run."""
        (name,) = self.sdk(schedules_of, [run["id"]])
        return name.split("-")[-2]


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    state = StateFolder(tmp_path / "state")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(SPEED_VARIABLE, "60")
        lifecycle.start(state)
    (tmp_path / "home").mkdir()
    house = House(copy_repository(tmp_path / "repository"), state, clean_environment(tmp_path / "home"), seconds=600)
    cut_table(house.tree / "data/adventureworks/daily_by_type.csv", "2014-05-31")  # whole without a last date
    sdk = Sdk(house.product.environment)
    yield Office(house, house.product, sdk, tmp_path)
    sdk.close()
    lifecycle.stop(state)


def test_a_file_becomes_a_release_and_a_bad_one_waits_for_a_person(office: Office) -> None:
    assert office.schedule(MONDAY) == ["created", "created"]
    office.sdk(deliver, DATASET, office.table("april.csv", "2014-04-30"), ("april",))
    first = office.runs(1)[0]
    assert (office.started_by(first), first["outcome"], first["data_version"]) == ("data", "accepted", "1")
    assert office.sdk(champions, MODEL) == [], "a person approves first"

    ran = office.house.run("retrain", "-p", "pending=true", "--approve", "production", "--approver", "Ada")
    assert (ran.code, set(ran.stages.values())) == (0, {"Succeeded"}), ran.stages
    assert (office.house.serves()["model"], office.sdk(champions, MODEL)) == ("paid-amount:1", [1])
    released = office.product.run("candidates", "list", "--json").document["candidates"][0]
    assert released["state"] == "released"

    bad = office.table("stale.csv", "2014-05-30")
    office.sdk(drop, DATASET, {**office.table("may.csv", "2014-05-31"), **bad})
    assert office.schedule(SOON) == ["created", "removed", "unchanged"]
    monday = office.runs(2)[1]
    assert (office.started_by(monday), monday["data_version"]) == ("recurrence", "2")
    assert monday["outcome"] in ("accepted", "kept")
    assert "ends on 2014-05-30; expected 2014-05-31" in office.product.run("data", "quarantine").out
    assert "quarantined: stale.csv" in office.product.run("outcome").found(r"^outcome +(.*)$")
    assert office.schedule(MONDAY) == ["created", "removed", "unchanged"]

    before = len(office.runs(2))
    accept = ("data", "accept", "stale.csv", "--reason", "confirmed by the warehouse team")
    assert "version 3" in office.product.run(*accept).out
    last = office.runs(before + 1)[-1]
    assert (office.started_by(last), last["data_version"]) == ("data", "3")
    assert "decision_sha256" in last, "the gate has judged it as the person did"
    assert "quarantined" not in office.product.run("outcome").out
    assert office.house.serves()["model"] == "paid-amount:1", "nothing else was approved"
