"""Plain Azure ML SDK v1 code that builds a pipeline, submits it and waits: what the benchmark measures.

It knows nothing of who answers. The last line of its output is one JSON object with seconds:

    client.py four           wait as the SDK waits: it looks once a second
    client.py five --poll    look twenty times a second, to see the end when it comes
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from azureml.core import Dataset, Environment, Experiment, Workspace
from azureml.core.compute import AmlCompute, ComputeTarget
from azureml.core.runconfig import RunConfiguration
from azureml.data import OutputFileDatasetConfig
from azureml.pipeline.core import Pipeline, StepSequence
from azureml.pipeline.steps import PythonScriptStep

HERE = Path(__file__).resolve().parent
DATA = HERE.parents[1] / "data/adventureworks/daily_by_type.csv"
POLL_SECONDS = 0.05
ENDED = ("Finished", "Failed", "Canceled")


def common_settings(workspace: Any, folder: Path) -> dict[str, Any]:
    """What all steps have in common: source folder, cluster, environment, reuse."""
    cluster = AmlCompute.provisioning_configuration(vm_size="STANDARD_DS2_V2", max_nodes=1)
    compute = ComputeTarget.create(workspace, "cluster", cluster)
    compute.wait_for_completion()
    configuration = RunConfiguration()
    configuration.environment = Environment("bench")
    configuration.environment.python.user_managed_dependencies = True
    return {
        "source_directory": str(folder),
        "compute_target": compute,
        "runconfig": configuration,
        "allow_reuse": True,
    }


def four_steps(workspace: Any) -> Any:
    """prepare, train, evaluate, register: the scripts that dvc runs too, joined by folders."""
    store = workspace.get_default_datastore()
    store.upload_files([str(DATA)], target_path="bench", overwrite=True, show_progress=False)
    raw = Dataset.File.from_files((store, f"bench/{DATA.name}"), validate=False)
    common = common_settings(workspace, HERE.parent / "steps")
    names = ("features", "model", "metrics", "entry")
    outputs = {name: OutputFileDatasetConfig(name=name) for name in names}

    def step(name: str, inputs: tuple[str, ...], output: str) -> Any:
        words: list[Any] = []
        for given in inputs:
            words += [f"--{given}", outputs[given].as_input(given)]
        words += [f"--{output}", outputs[output]]
        if not inputs:
            words += ["--data", raw.as_named_input("raw").as_mount()]
        return PythonScriptStep(f"{name}.py", name=name, arguments=words, **common)

    steps = [
        step("prepare", (), "features"),
        step("train", ("features",), "model"),
        step("evaluate", ("features", "model"), "metrics"),
        step("register", ("features", "model", "metrics"), "entry"),
    ]
    return Pipeline(workspace, steps=steps)


def five_steps(workspace: Any, source: str = "logging_step", first_number: int = 1) -> Any:
    """Five steps, one after another, that do nothing but log a metric (another source: not even that)."""
    common = common_settings(workspace, HERE / source)
    steps = [
        PythonScriptStep("log_metric.py", name=f"log_{number}", arguments=["--number", number], **common)
        for number in range(first_number, first_number + 5)
    ]
    return Pipeline(workspace, steps=StepSequence(steps))


PIPELINES: dict[str, Callable[[Any], Any]] = {"four": four_steps, "five": five_steps}


def submit(workspace: Any, pipeline: Any, *, poll: bool) -> tuple[Any, float]:
    """The ended run, and the seconds from before `submit` until it was seen to have ended."""
    started = time.perf_counter()
    run = Experiment(workspace, "bench").submit(pipeline)
    if poll:
        while (status := run.get_status()) not in ENDED:
            time.sleep(POLL_SECONDS)
    else:
        status = run.wait_for_completion(show_output=False)
    seconds = time.perf_counter() - started
    if status != "Finished":
        raise SystemExit(f"The run {run.id} ended as {status}.")
    return run, seconds


def main() -> int:
    """Build and submit; print how long the parts took and how many steps were reused."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pipeline", choices=sorted(PIPELINES))
    parser.add_argument("--poll", action="store_true", help="look twenty times a second, and count reused steps")
    arguments = parser.parse_args()
    workspace = Workspace.get(
        os.environ["AZUREML_WORKSPACE_NAME"],
        subscription_id=os.environ["AZURE_SUBSCRIPTION_ID"],
        resource_group=os.environ["AZURE_RESOURCE_GROUP"],
    )
    started = time.perf_counter()
    pipeline = PIPELINES[arguments.pipeline](workspace)
    built = time.perf_counter() - started
    run, seconds = submit(workspace, pipeline, poll=arguments.poll)
    answer: dict[str, float] = {"build": built, "submit_to_finished": seconds}
    if arguments.poll:  # asks the service once a step, which is not part of what a plain client does
        properties = [step.get_properties() for step in run.get_steps()]
        answer["reused"] = sum(found.get("azureml.isreused") == "true" for found in properties)
    print("\n" + json.dumps(answer))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
