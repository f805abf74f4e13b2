"""Writes by the real SDK, or reads back what was written so.

`sdk_client.py write STOP JOURNAL STEP_FOLDER` writes until the file STOP is there, or until the first call that
fails: the server has gone then, and the variables of this process with it. `sdk_client.py close` completes what such
processes left open. `sdk_client.py read JOURNALS` prints one line of JSON a fact that is not there any more.
"""

import hashlib
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import chdir
from pathlib import Path
from typing import Any

from azureml.core import Dataset, Environment, Experiment, Model, Run, Workspace
from azureml.core.runconfig import RunConfiguration
from azureml.pipeline.core import Pipeline, PipelineEndpoint, PublishedPipeline
from azureml.pipeline.steps import PythonScriptStep

from tests.campaign.journal import Fact, Journal, facts

EXPERIMENT = "campaign-sdk"
ENDPOINT = "campaign-endpoint"


class Writer:
    """One object of each kind after another."""

    def __init__(self, workspace: Any, journal: Journal, folder: str, number: int) -> None:
        self._workspace = workspace
        self._journal = journal
        self._folder = folder
        self._number = number

    def run(self) -> None:
        """A run of this process's own, with all that a run can hold."""
        name, value = f"run {self._number}", self._number
        run = Experiment(self._workspace, EXPERIMENT).start_logging(snapshot_directory=None)
        run.tag("name", name)
        self._journal.note("sdk-tag", run=run.id, tags={"name": name})
        run.add_properties({"number": str(value)})
        self._journal.note("sdk-property", run=run.id, properties={"number": str(value)})
        run.log("value", value)
        run.flush()
        self._journal.note("sdk-metric", run=run.id, metric="value", value=value)
        Path("file.txt").write_text(f"{name}\n" * 500)
        run.upload_file("outputs/file.txt", "file.txt")
        self._journal.note("sdk-file", run=run.id, sha256=hashlib.sha256(Path("file.txt").read_bytes()).hexdigest())
        run.complete()
        self._journal.note("sdk-completed", run=run.id)

    def model(self) -> None:
        """A version of a model, with its file."""
        Path("model.txt").write_text(f"model {self._number}\n")
        model = Model.register(self._workspace, "model.txt", "campaign-sdk", tags={"number": str(self._number)})
        self._journal.note("sdk-model", model=model.id, number=str(self._number))

    def dataset(self) -> None:
        """A version of a data set."""
        place = (self._workspace.get_default_datastore(), f"campaign-sdk/{self._number}")
        found = Dataset.File.from_files(place, validate=False)
        found = found.register(self._workspace, "campaign-sdk", create_new_version=True)
        self._journal.note("sdk-dataset", dataset="campaign-sdk", version=found.version, id=found.id)

    def pipeline(self) -> None:
        """A published pipeline, behind an endpoint."""
        configuration = RunConfiguration()
        configuration.environment = Environment("plain")
        configuration.environment.python.user_managed_dependencies = True
        step = PythonScriptStep(
            "campaign_step.py",
            arguments=["1"],
            source_directory=self._folder,
            compute_target="cluster",
            runconfig=configuration,
        )
        published = Pipeline(self._workspace, [step]).publish(f"campaign-{self._number}", version=str(self._number))
        self._journal.note("sdk-pipeline", pipeline=published.id, name=published.name)
        name = f"{ENDPOINT}-{self._number}"
        endpoint = PipelineEndpoint.publish(self._workspace, name, pipeline=published, description="of the campaign")
        self._journal.note("sdk-endpoint", endpoint=endpoint.id, name=name, pipeline=published.id)

    def all(self) -> Iterator[Callable[[], None]]:
        """What is written, in turn; pipelines take longest."""
        while True:
            self._number += 1
            yield from (self.run, self.model, self.dataset, self.run)
            if self._number % 3 == 0:
                yield self.pipeline


def write(workspace: Any, stop: str, journal_path: str, folder: str) -> None:
    """Write until the file STOP is there, or until a call fails."""
    journal = Journal(Path(journal_path))
    for act in Writer(workspace, journal, folder, number=time.time_ns() // 10**8).all():
        if Path(stop).exists():
            return
        act()


def close(workspace: Any) -> None:
    """Complete the runs that clients left open which lost their server: nobody else can know that they are over."""
    for run in Experiment(workspace, EXPERIMENT).get_runs():
        if run.get_status() not in ("Completed", "Failed", "Canceled"):
            run.complete()


# --- reading back


def lost(workspace: Any, fact: Fact) -> bool:
    """Whether something that was acknowledged is not there, or not as it was."""
    kind = fact["kind"]
    if "run" in fact:
        return _lost_of_run(Run(Experiment(workspace, EXPERIMENT), fact["run"]), fact)
    if kind == "sdk-model":
        return bool(Model(workspace, id=fact["model"]).tags.get("number") != fact["number"])
    if kind == "sdk-dataset":
        return bool(Dataset.get_by_name(workspace, fact["dataset"], version=fact["version"]).id != fact["id"])
    if kind == "sdk-pipeline":
        return bool(PublishedPipeline.get(workspace, fact["pipeline"]).name != fact["name"])
    endpoint = PipelineEndpoint.get(workspace, id=fact["endpoint"])
    return [one.id for one in endpoint.list_pipelines()] != [fact["pipeline"]]


def _lost_of_run(run: Any, fact: Fact) -> bool:
    kind = fact["kind"]
    if kind == "sdk-tag":
        return bool(run.get_tags().get("name") != fact["tags"]["name"])
    if kind == "sdk-property":
        return bool(run.get_properties().get("number") != fact["properties"]["number"])
    if kind == "sdk-metric":
        return bool(run.get_metrics("value") != {"value": fact["value"]})
    if kind == "sdk-completed":
        return bool(run.get_status() != "Completed")
    if kind == "sdk-file":
        run.download_file("outputs/file.txt", "read.txt")
        return bool(hashlib.sha256(Path("read.txt").read_bytes()).hexdigest() != fact["sha256"])
    return False


def read(workspace: Any, journals: str) -> None:
    """Print what was lost."""
    for fact in facts(Path(journals)):
        if not fact["kind"].startswith("sdk-"):
            continue
        try:
            is_lost, why = lost(workspace, fact), "not as it was"
        except Exception as error:
            is_lost, why = True, f"{type(error).__name__}: {error}"
        if is_lost:
            sys.stdout.write(json.dumps({**fact, "why": why[:300]}) + "\n")


def main(act: str, *paths: str) -> None:
    """Work in a folder of this process's own: the SDK wants files below the working directory."""
    workspace, absolute = Workspace.from_config(), [str(Path(path).absolute()) for path in paths]
    with tempfile.TemporaryDirectory(dir=".") as folder, chdir(folder):
        acts: dict[str, Callable[..., None]] = {"write": write, "close": close, "read": read}
        acts[act](workspace, *absolute)


if __name__ == "__main__":
    main(*sys.argv[1:])
