"""Retraining by itself: files in the inbox, schedules that fire, the gate, a way back, a person's decision.

One story in the order of its tests; on its way it types every command of the runbooks and of docs/data.md.
"""

from __future__ import annotations

import json
import re
import shlex
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.agreement import agree
from tests.runbooks import commands_of, walk
from tests.story.conftest import MakeProduct
from tests.story.product import Ended, Product, Sdk, champions, cut_table, shifted_table, write_problem
from tests.story.production import break_lease, deploying, edited

ENDED = ("Completed", "Finished", "Failed", "Canceled")
SCHEDULE = {"recurrence": {"every": "week", "days": ["Monday"], "at": "05:00"}, "on_data": True, "poll_minutes": 1}
PAGES = ("data.md", "runbooks/drift.md", "runbooks/quarantined-data.md", "runbooks/red-retraining.md")


def container(workspace: Any) -> Any:
    """The container of the default datastore."""
    store = workspace.get_default_datastore()
    return store.blob_service.get_container_client(store.container_name)


def drop(workspace: Any, dataset: str, files: dict[str, str]) -> None:
    """Drop files into the inbox with plain storage code, as azcopy does, and tell nobody."""
    for name, file in files.items():
        container(workspace).upload_blob(f"inbox/{dataset}/{name}", Path(file).read_bytes(), overwrite=True)


def deliver(workspace: Any, dataset: str, files: dict[str, str], markers: tuple[str, ...]) -> None:
    """Drop files into the inbox; then markers, all at the same moment."""
    drop(workspace, dataset, files)
    with ThreadPoolExecutor(len(markers)) as pool:
        list(pool.map(lambda name: container(workspace).upload_blob(f"ready/{dataset}/{name}", b"ok"), markers))


def begin(workspace: Any, dataset: str, name: str, file: str) -> str:
    """Upload the blocks of a file and do not commit them yet; returns the name of its blob."""
    content, blob = Path(file).read_bytes(), f"inbox/{dataset}/{name}"
    client = container(workspace).get_blob_client(blob)
    client.stage_block("MQ==", content[: len(content) // 2])
    client.stage_block("Mg==", content[len(content) // 2 :])
    return blob


def commit(workspace: Any, blob: str) -> None:
    """Commit the blocks of a file."""
    from azureml._vendor.azure_storage.blob import BlobBlock

    container(workspace).get_blob_client(blob).commit_block_list([BlobBlock("MQ=="), BlobBlock("Mg==")])


def ended_runs(workspace: Any, experiment: str, count: int) -> list[dict[str, str]]:
    """The properties of the runs of an experiment when so many have ended, the oldest first."""
    found: list[Any] = []
    until = time.monotonic() + 120
    while time.monotonic() < until:
        found = list(workspace.experiments[experiment].get_runs()) if experiment in workspace.experiments else []
        if len([run for run in found if run.status in ENDED]) >= count:
            return [{"id": run.id, "status": run.status, **run.properties} for run in reversed(found)]
        time.sleep(0.5)  # plain SDK code: the client polls
    raise AssertionError(f"{len(found)} runs began, and fewer than {count} have ended")


def begin_training(workspace: Any, experiment: str, problem: str) -> str:
    """A training of the problem that goes on until a test ends it: its run, which has the claim."""
    from azureml.core import Experiment

    run = Experiment(workspace, experiment).start_logging(snapshot_directory=None)
    claim = json.dumps({"run_id": run.id}).encode()
    container(workspace).upload_blob(f"training/{problem}.json", claim, overwrite=True)
    return str(run.id)


def end_training(workspace: Any, experiment: str, run_id: str) -> None:
    """End it."""
    next(run for run in workspace.experiments[experiment].get_runs() if run.id == run_id).complete()


def schedules_of(workspace: Any, run_ids: list[str]) -> set[str]:
    """Names of the schedules that started these runs."""
    from azureml.pipeline.core import Schedule

    started = {
        run.id: schedule.name
        for schedule in Schedule.list(workspace, active_only=False)
        for run in schedule.get_pipeline_runs()
        if run.id in run_ids
    }
    assert sorted(started) == sorted(run_ids), "schedules, and nobody else, have started them"
    return set(started.values())


def commands() -> list[str]:
    """The commands of the pages' shell blocks."""
    return [command for page in PAGES for command in commands_of(page)]


@dataclass
class Shop:
    """The product and its inbox."""

    product: Product
    sdk: Sdk
    folder: Path
    typed: set[str] = field(default_factory=set)

    @property
    def dataset(self) -> str:
        return self.product.settings["DATASET_NAME"]

    def table(self, name: str, last_day: str) -> str:
        """A table as it was delivered on a day."""
        return str(cut_table(self.folder / name, last_day))

    def runs(self, count: int) -> list[dict[str, str]]:
        """The runs, when so many have ended."""
        return self.sdk(ended_runs, self.product.settings["EXPERIMENT_NAME"], count)

    def types(self, command: str, **words: str) -> Ended:
        """Type a command as a page has it, with its placeholders filled in."""
        assert command in commands(), "the page has another command by now"
        self.typed.add(command)
        filled = [words.get(word, word) for word in shlex.split(command)]
        return self.product.run(*filled)


@pytest.fixture(scope="module")
def shop(make_product: MakeProduct, sdk: Sdk, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    folder = tmp_path_factory.mktemp("retraining")
    problem = write_problem(folder / "retraining.yml", {"series.last_date": None, "series.first_date": None})
    problem.write_text(yaml.safe_dump({**yaml.safe_load(problem.read_text()), "schedule": SCHEDULE}))
    product = make_product("retraining")
    names = {
        "PROBLEM_FILE": problem,
        "AZUREML_PRODUCTION_WORKSPACE_NAME": "local-production",
        "PRODUCTION_SERVICE_NAME": product.settings["TEST_SERVICE_NAME"],
    }
    return Shop(product.with_settings(**names), sdk, folder)


@pytest.mark.begins_story
def test_schedules_are_applied_once(shop: Shop) -> None:
    did = "created"
    for _ in range(2):
        found = shop.product.run("schedule", "apply", "--json").document["schedules"]
        assert [(item["kind"], item["state"], item["did"]) for item in found] == [
            ("data", "active", did),
            ("recurrence", "active", did),
        ]
        did = "unchanged"


@pytest.mark.begins_story
def test_a_file_is_read_when_it_is_whole(shop: Shop) -> None:
    blob = shop.sdk(begin, shop.dataset, "april.csv", shop.table("april.csv", "2014-04-30"))
    assert "no new file became a version" in shop.types("data ingest").out
    shop.sdk(commit, blob)


@pytest.mark.begins_story
def test_two_triggers_in_the_same_second_start_one_training_and_it_is_released(shop: Shop) -> None:
    shop.sdk(deliver, shop.dataset, {}, ("april-1", "april-2"))
    runs = shop.runs(2)
    assert Counter((run["outcome"], run["reason"]) for run in runs) == {
        ("accepted", "first-model"): 1,
        ("kept", "another-run"): 1,
    }
    assert {run["status"] for run in runs} <= {"Completed", "Finished"}
    assert [(run["data_set"], run["data_version"]) for run in runs] == [(shop.dataset, "1")] * 2
    (schedule,) = shop.sdk(schedules_of, [run["id"] for run in runs])
    assert "-scheduled-data-" in schedule
    assert shop.sdk(champions, shop.product.settings["MODEL_NAME"]) == [], "a person approves first"
    followed = shop.product.run("run", "--pending", "--evidence", shop.folder / "evidence")
    assert followed.found(r"^candidate +(\S+): accepted") == f"{shop.product.settings['MODEL_NAME']}:1"
    assert followed.found(r"^outcome +(\w+, [\w-]+):") == "accepted, first-model"
    assert (shop.folder / "evidence" / "decision.json").is_file()
    shop.product.run("release", "--pending")
    assert "none may be released" in shop.product.run("run", "--pending").out
    assert shop.sdk(champions, shop.product.settings["MODEL_NAME"]) == [1]


@pytest.mark.begins_story
def test_a_rollback_that_is_killed_while_it_deploys_is_repeated(shop: Shop) -> None:
    """The champion is deployed again, with another scoring script, and the way back is killed once."""
    before = agree(shop.product)
    tree = edited(shop.folder / "other", "mlops_code/score.py", "KEPT_ANSWERS = 32", "KEPT_ANSWERS = 16")
    shop.product.from_tree(tree).run("release", "--model-version", "champion", "--reason", "fewer answers")
    assert agree(shop.product).deployment != before.deployment
    back = ("rollback", "--to", before.deployment, "--reason", "worse")
    with deploying(shop.product, *back):
        pass
    shop.sdk(break_lease, "paid_amount")
    shop.product.run(*back)
    after = agree(shop.product)
    assert after.serves == before.serves
    shop.product.run("history", "--out", shop.folder / "killed")
    releases = json.loads((shop.folder / "killed/releases.json").read_text())["releases"]
    assert [row["state"] for row in releases] == ["succeeded", "abandoned", "succeeded", "succeeded"]
    assert releases[0]["scoring_sha256"] == releases[3]["scoring_sha256"] != releases[2]["scoring_sha256"]


@pytest.mark.campaign
def test_a_bad_file_is_quarantined_and_the_next_training_takes_the_good_version(shop: Shop) -> None:
    files = {"may.csv": shop.table("may.csv", "2014-05-31"), "stale.csv": shop.table("stale.csv", "2014-05-30")}
    shop.sdk(deliver, shop.dataset, files, ("may",))
    last = shop.runs(3)[-1]
    assert (last["data_version"], last["outcome"]) == ("2", "kept")
    assert last["drift"] == "none"
    assert "ends on 2014-05-30; expected 2014-05-31" in shop.types("data quarantine").out
    status = shop.types("status")
    assert re.search(r"stale\.csv +2.* ends on 2014-05-30", status.out)
    assert f"none   {last['id']}" in re.sub(" +", "   ", status.out)


@pytest.mark.campaign
def test_a_person_accepts_the_file_and_it_is_trained_on(shop: Shop) -> None:
    accept = next(line for line in commands() if line.startswith("data accept"))
    assert "version 3" in shop.types(accept, FILE="stale.csv").out
    last = shop.runs(4)[-1]
    assert (last["data_version"], last["status"] in ("Completed", "Finished")) == ("3", True)
    assert "decision_sha256" in last, "the gate has judged it as the person did"
    assert "no file is quarantined" in shop.types("data quarantine").out


@pytest.mark.campaign
def test_a_trigger_and_a_command_while_a_training_goes_on_leave_it_alone(shop: Shop) -> None:
    experiment = shop.product.settings["EXPERIMENT_NAME"]
    going_on = shop.sdk(begin_training, experiment, "paid_amount")
    shop.sdk(deliver, shop.dataset, {}, ("while-one-trains",))
    triggered = shop.runs(5)[-1]
    assert (triggered["outcome"], triggered["reason"]) == ("kept", "another-run")
    kept = shop.product.run("run", "--unpublished", "--json")
    assert kept.document == {"run_id": going_on, "outcome": "kept", "reason": "another-run"}
    assert f"run --follow {going_on}" in kept.err
    shop.sdk(end_training, experiment, going_on)
    assert len(shop.runs(6)) == 6, "the command has submitted nothing"


@pytest.mark.campaign
def test_a_shifted_table_raises_drift_in_status_and_report_and_promotes_nothing_by_itself(shop: Shop) -> None:
    """The stable one of the test before has raised none."""
    shifted = shifted_table(shop.folder / "june.csv", "2014-06-04", "2014-05-01", 4.0)
    shop.sdk(deliver, shop.dataset, {"june.csv": str(shifted)}, ("june",))
    last = shop.runs(7)[-1]
    assert "level" in last["drift"].split(",")
    board = shop.product.run("status", "--json").document["board"]
    assert (board["drift"]["run_id"], board["drift"]["status"]) == (last["id"], "warning")
    followed = shop.product.run("run", "--follow", last["id"], "--evidence", shop.folder / "drifted")
    decision = json.loads((shop.folder / "drifted/decision.json").read_text())["evidence"]
    (rule,) = (rule for rule in decision["rules"] if rule["code"] == "drift")
    assert (rule["status"], board["drift"]["sentence"]) == ("warning", rule["sentence"])
    assert "the level has moved" in rule["sentence"]
    beside = board["drift"]["meaning"]
    assert beside.startswith("The newest data is not like the data before: ")
    assert beside in (shop.folder / "drifted/report.html").read_text()
    assert beside in " ".join(followed.out.split())
    assert decision["reason"] != "drift", "the gate decides by the forecasts alone"


@pytest.mark.campaign
def test_a_recurrence_fires_by_itself(shop: Shop) -> None:
    often = {**SCHEDULE, "recurrence": {"every": "minute", "interval": 5}}  # of a clock that is sixty times as fast
    problem = Path(shop.product.settings["PROBLEM_FILE"])
    problem.write_text(yaml.safe_dump({**yaml.safe_load(problem.read_text()), "schedule": often}))
    applied = shop.product.run("schedule", "apply", "--json").document["schedules"]
    assert {item["did"] for item in applied} == {"created", "unchanged", "removed"}
    fired = shop.runs(8)[7]
    shop.product.run("schedule", "pause")
    (schedule,) = shop.sdk(schedules_of, [fired["id"]])
    assert "-scheduled-recurrence-" in schedule
    assert (fired["outcome"], fired["reason"]) == ("kept", "no-new-data")
    shop.product.run("schedule", "resume")


@pytest.mark.campaign
def test_the_runbooks_of_retraining_are_walked_in_their_order(shop: Shop) -> None:
    """After a drift, a file is delivered again by mistake; then the schedules rest for a while."""
    stale = {"again.csv": shop.table("again.csv", "2014-05-29")}
    shop.sdk(deliver, shop.dataset, stale, ("again",))
    values = {"FILE": "again.csv", "out/drift": shop.folder / "walked"}
    _, _, ingested = walk(shop.product, "runbooks/drift.md", values)
    assert "again.csv" in ingested.out + shop.product.run("data", "quarantine").out
    seen, accepted, empty, _ = walk(shop.product, "runbooks/quarantined-data.md", values)
    assert "ends on 2014-05-29" in seen.out
    assert "accepted again.csv" in accepted.out
    assert "no file is quarantined" in empty.out
    _, listed, paused, resumed, applied = walk(shop.product, "runbooks/red-retraining.md", values)
    assert [listed.out.count("active"), paused.out.count("paused")] == [2, 2]
    assert "resumed" in resumed.out
    assert applied.out.count("unchanged") == 2


@pytest.mark.campaign
def test_a_paused_schedule_stays_paused(shop: Shop) -> None:
    assert "paused" in shop.types("schedule pause").out
    assert shop.types("schedule list").out.count("paused") == 2
    again = shop.types("schedule apply").out
    assert (again.count("paused"), again.count("unchanged")) == (2, 2)
    assert shop.types("schedule resume").out.count("active") == 0
    assert shop.types("schedule list").out.count("active") == 2
    assert shop.product.run("schedule", "remove").out.count("removed") >= 2
    assert "no schedule" in shop.types("schedule list").out


@pytest.mark.campaign
def test_history_knows_runs_without_a_decision(shop: Shop) -> None:
    command = next(line for line in commands() if line.startswith("history"))
    out = shop.folder / "history"
    assert int(shop.types(command, **{"out/drift": str(out)}).found(r"^runs +(\d+)")) >= 8
    assert "another-run" in "".join(path.read_text() for path in out.glob("runs.*"))


@pytest.mark.campaign
def test_every_command_of_the_pages_was_typed(shop: Shop) -> None:
    assert set(commands()) - shop.typed == set()
