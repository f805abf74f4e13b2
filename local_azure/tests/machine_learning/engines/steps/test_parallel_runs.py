"""Parallel runs through the real client: mini-batches of files and tables, retries, limits on failures, logs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.filterwarnings("ignore:(.|\n)*ParallelRunStep requires")
Unique = Callable[[str], str]

LENGTHS = """
import argparse, os, time
from azureml_user.parallel_run import EntryScript

p = argparse.ArgumentParser(); p.add_argument("--unit"); args, _ = p.parse_known_args()

def init():
    global starts
    if not os.path.exists("model"):  # as Model.get_model_path does; two at a time would read half of it
        open("downloading", "x").close()
        time.sleep(0.3)
        os.rename("downloading", "model")
    starts = EntryScript().logger.info("init of %s", os.getpid())

def run(mini_batch):
    print("batch of", len(mini_batch))
    return [f"{os.path.basename(path)}:{os.path.getsize(path)}{args.unit}" for path in mini_batch]
"""


class Many:
    """Builds parallel steps of one project."""

    def __init__(self, project: Any, experiment: Any, stem: str) -> None:
        self.project = project
        self.experiment = experiment
        self.stem = stem
        self.store = project.workspace.get_default_datastore()

    def upload(self, files: dict[str, str]) -> None:
        folder = self.project.folder / "data"
        for name, text in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        self.store.upload(str(folder), self.stem, show_progress=False)

    def files(self) -> Any:
        from azureml.core import Dataset

        return Dataset.File.from_files((self.store, f"{self.stem}/**"), validate=False).as_named_input("many")

    def table(self) -> Any:
        from azureml.core import Dataset

        return Dataset.Tabular.from_delimited_files((self.store, f"{self.stem}/*.csv"), validate=False)

    def submit(self, script: str, given: Any, arguments: list[str] | None = None, **more: Any) -> Any:
        from azureml.pipeline.core import PipelineData
        from azureml.pipeline.steps import ParallelRunConfig, ParallelRunStep

        source = self.project.folder / "source"
        source.mkdir(exist_ok=True)
        (source / "work.py").write_text(script)
        settings = {
            "mini_batch_size": "2",
            "error_threshold": -1,
            "output_action": "append_row",
            "process_count_per_node": 2,
            "environment": self.project.configuration.environment,
            "compute_target": self.project.workspace.compute_targets["cluster"],
            "node_count": 1,
            **more,
        }
        configuration = ParallelRunConfig(source_directory=str(source), entry_script="work.py", **settings)
        step = ParallelRunStep(
            "many",
            configuration,
            inputs=[given],
            output=PipelineData("out", datastore=self.store),
            arguments=arguments or [],
            allow_reuse=False,
        )
        return self.experiment.submit(self.project.pipeline(step))

    def result(self, run: Any, name: str = "parallel_run_step.txt") -> list[str]:
        step = self.project.steps_of(self.project.finished(run))["many"]
        target = self.project.folder / "down"
        step.get_output_data("out").download(str(target))
        found: Path = next(target.rglob(name))
        return found.read_text().splitlines()


@pytest.fixture
def many(project: Any, experiment: Any, unique: Unique) -> Many:
    return Many(project, experiment, unique("many"))


def test_each_file_is_given_to_run_once_and_rows_come_in_order(many: Many, tmp_path: Path) -> None:
    many.upload({f"part{number}.txt": "x" * number for number in range(1, 6)})
    run = many.submit(LENGTHS, many.files(), ["--unit", "B"], append_row_file_name="lengths.txt")
    assert many.result(run, "lengths.txt") == [f"part{number}.txt:{number}B" for number in range(1, 6)]
    step = many.project.steps_of(run)["many"]
    assert step.get_properties()["StepType"] == "ParallelRunStep"
    logs = [name for name in step.get_file_names() if name.startswith("logs/")]
    assert "logs/job_progress_overview.txt" in logs
    step.download_file("logs/job_progress_overview.txt", str(tmp_path / "overview"))
    assert (tmp_path / "overview").read_text().startswith("3 mini-batches: 3 processed, 0 failed;")
    assert "logs/user/stdout/0/process000.stdout.txt" in logs
    assert any(name.startswith("logs/user/entry_script_log/0/") for name in logs)


def test_a_mini_batch_that_fails_is_tried_again(many: Many) -> None:
    many.upload({"a.txt": "a", "b.txt": "b"})
    marker = many.project.folder / "tried"
    once = f"""
import os, pathlib
def run(mini_batch):
    marker = pathlib.Path({str(marker)!r})
    if mini_batch[0].endswith("a.txt") and not marker.exists():
        marker.touch()
        raise ValueError("not the first time")
    return list(map(os.path.basename, mini_batch))
"""
    assert many.result(many.submit(once, many.files(), mini_batch_size="1", error_threshold=0)) == ["a.txt", "b.txt"]


LOST = """
import os, time
def run(mini_batch):
    name = os.path.basename(mini_batch[0])
    if name == "raises.txt":
        raise ValueError("cannot be read")
    if name == "hangs.txt":
        time.sleep(600)
    if name == "ends.txt":
        os._exit(0)
    return [name]
"""


def test_failures_below_the_limit_are_left_out_of_the_result(many: Many) -> None:
    many.upload(dict.fromkeys(("fine.txt", "raises.txt", "hangs.txt", "ends.txt", "last.txt"), "x"))
    run = many.submit(
        LOST, many.files(), mini_batch_size="1", error_threshold=3, run_max_try=1, run_invocation_timeout=1
    )
    assert many.result(run) == ["fine.txt", "last.txt"]
    log = many.project.steps_of(run)["many"].get_stdout_log()
    assert "attempt 1 of 1: ValueError: cannot be read" in log
    assert "longer than run_invocation_timeout, 1 s" in log
    assert "5 mini-batches: 2 processed, 3 failed; 3 input items without a result" in log


@pytest.mark.parametrize(
    ("limit", "message"),
    [
        ({"error_threshold": 0}, "1 input items have no result; error_threshold allows 0"),
        ({"allowed_failed_count": 0}, "1 mini-batches have failed; allowed_failed_count allows 0"),
        ({"allowed_failed_percent": 10}, "50.0% of the mini-batches have failed; allowed_failed_percent allows 10%"),
    ],
)
def test_failures_above_a_limit_fail_the_step(many: Many, limit: dict[str, Any], message: str) -> None:
    many.upload({"fine.txt": "x", "raises.txt": "x"})
    run = many.submit(LOST, many.files(), mini_batch_size="1", run_max_try=1, **limit)
    many.project.failing(run)
    assert message in many.project.steps_of(run)["many"].get_stdout_log()


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("def init():\n    raise KeyError('no model')\ndef run(b):\n    return b", "could not be started: KeyError"),
        ("def init():\n    open('no model')\ndef run(b):\n    return b", "could not be started: FileNotFoundError"),
        ("def init():\n    pass", "has no function run"),
        ("import os\nos._exit(0)", "ended the process before init"),
        ("def run(b):\n    return None", "run\\(\\) must return a list"),
    ],
)
def test_an_entry_script_that_cannot_serve_fails_the_step(many: Many, script: str, message: str) -> None:
    many.upload({"a.txt": "a"})
    run = many.submit(script, many.files(), error_threshold=0, run_max_try=1)
    many.project.failing(run)
    log = many.project.steps_of(run)["many"].get_stdout_log()
    assert message.replace("\\", "") in log


SUMS = """
def run(mini_batch):
    mini_batch["total"] = mini_batch["n"].sum()
    return mini_batch
"""


def test_a_table_is_cut_by_bytes_and_its_rows_are_written(many: Many) -> None:
    rows = "\n".join(f"{number},some words" for number in range(100))
    many.upload({"t.csv": "n,text\n" + rows + "\n"})
    run = many.submit(SUMS, many.table().as_named_input("table"), mini_batch_size="1KB", error_threshold=0)
    lines = many.result(run)
    assert len(lines) == 100
    assert lines[1].startswith('1 "some words" ')
    assert 1 < len({line.rsplit(" ", 1)[1] for line in lines}) < 10  # one total each mini-batch


CONTEXT = """
def init():
    print("starts")

def run(mini_batch, mini_batch_context):
    values = mini_batch_context.partition_key_value
    assert len(mini_batch_context.dataset.to_pandas_dataframe()) == len(mini_batch)
    mini_batch["of"] = values["store"]
    return mini_batch
"""


def test_a_partitioned_table_gives_each_partition_to_one_call(many: Many) -> None:
    from azureml.core import Dataset

    many.upload({"a/t.csv": "n\n1\n3\n", "b/t.csv": "n\n2\n"})
    parts = Dataset.Tabular.from_delimited_files(
        (many.store, f"{many.stem}/**"), validate=False, partition_format=f"{many.stem}/{{store}}/t.csv"
    )
    run = many.submit(
        CONTEXT,
        parts.as_named_input("parts"),
        mini_batch_size=None,
        partition_keys=["store"],
        error_threshold=0,
        run_max_try=1,
    )
    assert many.result(run) == ["a 1 a", "a 3 a", "b 2 b"]


def test_partitioned_files_give_each_partition_to_one_call(many: Many) -> None:
    from azureml.core import Dataset

    many.upload({"u1/fall.txt": "x", "u2/fall.txt": "xx", "u1/spring.txt": "xxx"})
    parts = Dataset.File.from_files(
        (many.store, f"{many.stem}/**"), validate=False, partition_format=f"{many.stem}/{{user}}/{{season}}.txt"
    )
    script = """
import os
def run(mini_batch, mini_batch_context):
    size = sum(os.path.getsize(path) for path in mini_batch)
    return [f"{mini_batch_context.partition_key_value['season']} {len(mini_batch)} {size}"]
"""
    run = many.submit(
        script, parts.as_named_input("parts"), mini_batch_size=None, partition_keys=["season"], run_max_try=1
    )
    assert sorted(many.result(run)) == ["fall 2 3", "spring 1 3"]


def test_metrics_and_child_runs_of_workers_arrive(many: Many) -> None:
    many.upload({"a.txt": "abc"})
    script = """
from azureml.core import Run
def run(mini_batch):
    run = Run.get_context()
    run.log("files", len(mini_batch))
    child = run.child_run(name="model-a")
    child.log("loss", 0.5)
    child.complete()
    return mini_batch
"""
    run = many.submit(script, many.files(), output_action="summary_only")
    step = many.project.steps_of(many.project.finished(run))["many"]
    assert step.get_metrics() == {"files": 1}
    children = list(step.get_children())
    assert [(child.name.split(">")[-1], child.get_metrics()) for child in children] == [("model-a", {"loss": 0.5})]


def test_a_mini_batch_without_inputs_is_refused_by_name(many: Many) -> None:
    many.upload({"a.txt": "abc"})
    with pytest.raises(Exception, match="rank_mini_batch_count"):
        many.submit(LENGTHS, many.files(), ["--rank_mini_batch_count", "3"])
