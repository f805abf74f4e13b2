"""Runs that do not go as planned, on this machine: each ends as docs/azure.md and docs/production.md say.

One history, in order: a Train that somebody cancels; an agent that dies while it waits; an approval that waits while
the next merge is released; a sign-in that ends in the middle of a deployment.
"""

from __future__ import annotations

import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_azure.pipelines.run.builds.answers import settle
from local_azure.pipelines.run.builds.record import Decision, read_record
from tests.agreement import agree
from tests.pipelines.house import Going, House, Ran, opened
from tests.story import product
from tests.story.product import Ended, raised_table

pytestmark = [pytest.mark.slow, pytest.mark.campaign]

OK, SKIPPED, FAILED, CANCELED = "Succeeded", "Skipped", "Failed", "Canceled"
TRAIN, PRODUCTION = "Train_paid_amount", "Production_paid_amount"
TABLE = str(product.TABLE.relative_to(product.ROOT))


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with opened(tmp_path_factory.mktemp("interrupted")) as house:
        yield house


def again(house: House, build: Path) -> Ended:
    """The step of Train once more in the same build, as *Run failed jobs* queues it."""
    log = (build / "logs/Publish_paid_amount.publish.log").read_text(encoding="utf-8")
    found = re.search(r"\bid ([0-9a-f-]{36}), steps(?:.|\n)*?default data \S+ version (\d+)", log)
    assert found
    job = house.product.with_settings(TF_BUILD="True", BUILD_BUILDID=build.name)
    return job.run("run", "--pipeline-id", found[1], "--data-version", found[2], "--wait", 40)


def test_a_canceled_train_asks_nobody_and_its_run_is_picked_up_by_the_same_build(house: House) -> None:
    with house.begun("release", "--approve", "production") as going:
        run_id = going.until_logged(f"{TRAIN}.train", r"run (\S{36}) in experiment")
        going.process.send_signal(signal.SIGINT)
        ran = going.ended()

    assert (ran.code, ran.stages[TRAIN]) == (130, CANCELED)
    assert ran.stages[PRODUCTION] == SKIPPED, "nobody is asked"
    assert f"no longer following; run {run_id} continues" in ran.log(f"{TRAIN}.train")
    picked_up = again(house, going.folder)
    assert f"run {run_id} in experiment" in picked_up.err
    assert picked_up.found(r"outcome +(\w+)") == "accepted"
    assert house.champions() == []


def test_a_run_whose_agent_died_goes_on_and_is_picked_up_by_the_same_build(house: House) -> None:
    with house.begun("release", "--approve", "production") as going:
        run_id = going.until_logged(f"{TRAIN}.train", r"run (\S{36}) in experiment")
        going.process.kill()

    record = read_record(going.folder)
    assert record is not None
    assert record["build"]["result"] == "canceled"
    picked_up = again(house, going.folder)
    assert f"run {run_id} in experiment" in picked_up.err
    assert "submitting" not in picked_up.err
    assert house.champions() == []


def approve(going: Going, person: str) -> None:
    """Answer the approval that a run waits for."""

    def asked() -> str | None:
        record = read_record(going.folder)
        pending = [one["id"] for one in record["approvals"] if one["status"] == "pending"] if record else []
        return pending[0] if pending else None

    settle(going.folder, going.until(asked), Decision(True, person))


@pytest.fixture(scope="module")
def overtaken(house: House, tmp_path_factory: pytest.TempPathFactory) -> tuple[Ran, Ran]:
    """A release that waits for its approval while the next merge is released; it is approved afterwards."""
    with house.begun("release", "--studio") as waiting:
        going_on = waiting.until(lambda: waits(waiting))
        assert going_on
        newer = raised_table(tmp_path_factory.mktemp("merge") / "table.csv", 1.01)
        shutil.copyfile(newer, house.tree / TABLE)
        second = house.run("release", "--approve", "production")
        approve(waiting, "Grace")
        return waiting.ended(), second


def waits(going: Going) -> bool | None:
    """True once an approval is asked for."""
    record = read_record(going.folder)
    return True if record and record["approvals"] else None


def test_a_waiting_approval_keeps_no_merge_from_production(house: House, overtaken: tuple[Ran, Ran]) -> None:
    first, second = overtaken

    assert (second.code, set(second.stages.values())) == (0, {OK})
    assert (first.code, first.stages[TRAIN], first.stages[PRODUCTION]) == (1, OK, FAILED)


def test_an_older_run_that_is_approved_afterwards_changes_nothing(house: House, overtaken: tuple[Ran, Ran]) -> None:
    first, _ = overtaken

    log = first.log(f"{PRODUCTION}.release")
    assert "is superseded" in log
    found = agree(house.product)
    assert (found.serves, found.states) == (
        "paid-amount:2",
        {"paid-amount:1": "superseded", "paid-amount:2": "released"},
    )
    assert house.champions() == [2]


def test_a_sign_in_that_ends_in_the_middle_of_a_deployment(
    house: House, overtaken: tuple[Ran, Ran], tmp_path: Path
) -> None:
    assert overtaken[1].code == 0
    house.product.run("data", "upload", "--file", raised_table(tmp_path / "raised.csv", 1.02))
    with house.begun("retrain", "-p", "overrideReason=new tariff", "--approve", "production") as going:
        going.until_logged(f"{PRODUCTION}.release", r"(deploying paid-amount:3)")
        house.state.deny({"token-after": "0"})
        ran = going.ended()
    house.state.deny({})

    log = ran.log(f"{PRODUCTION}.release")
    assert (ran.code, ran.stages[PRODUCTION], ran.stages["Verify_paid_amount"]) == (1, FAILED, SKIPPED)
    assert "AADSTS700024" in log, "the hook could not sign in"
    assert "sign in again" in log
    build = house.product.with_settings(BUILD_BUILDID=going.folder.name)
    build.run("rollback", "--to", "before-this-build", "--reason", "its release could not end")
    assert house.serves()["model"] == "paid-amount:2"
    assert agree(house.product).states["paid-amount:3"] == "accepted", "still a candidate"
    assert house.champions() == [2]
