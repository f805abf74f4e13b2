"""Kinds of steps that are not run here are refused by name when they are submitted, never run as something else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Build = Callable[[Any, Path], Any]


def _hyper_drive(project: Any, source: Path) -> Any:
    from azureml.core import ScriptRunConfig
    from azureml.pipeline.steps import HyperDriveStep
    from azureml.train.hyperdrive import HyperDriveConfig, PrimaryMetricGoal, RandomParameterSampling, choice

    run = ScriptRunConfig(str(source), "work.py", compute_target="cluster")
    configuration = HyperDriveConfig(
        RandomParameterSampling({"--n": choice(1, 2)}),
        "loss",
        PrimaryMetricGoal.MINIMIZE,
        max_total_runs=2,
        run_config=run,
    )
    return HyperDriveStep("sweep", configuration)


def _auto_ml(project: Any, source: Path) -> Any:
    from azureml.core import Dataset
    from azureml.pipeline.steps import AutoMLStep
    from azureml.train.automl import AutoMLConfig

    store = project.workspace.get_default_datastore()
    data = Dataset.Tabular.from_delimited_files((store, "t.csv"), validate=False, infer_column_types=False)
    configuration = AutoMLConfig(
        task="regression",
        training_data=data,
        label_column_name="y",
        compute_target=project.workspace.compute_targets["cluster"],
        path=str(source),
    )
    return AutoMLStep("auto", configuration)


def _mpi(project: Any, source: Path) -> Any:
    from azureml.pipeline.steps import MpiStep

    return MpiStep(
        "mpi",
        source_directory=str(source),
        script_name="work.py",
        arguments=["--all"],
        compute_target=project.workspace.compute_targets["cluster"],
        node_count=1,
        process_count_per_node=1,
    )


def _r_script(project: Any, source: Path) -> Any:
    from azureml.core.environment import RSection
    from azureml.core.runconfig import RunConfiguration
    from azureml.pipeline.steps import RScriptStep

    configuration = RunConfiguration(framework="R")
    configuration.environment.r = RSection()
    configuration.environment.docker.enabled = True
    return RScriptStep("work.R", source_directory=str(source), compute_target="cluster", runconfig=configuration)


@pytest.mark.parametrize(
    ("build", "name"),
    [
        (_hyper_drive, "HyperDriveStep"),
        (_auto_ml, "AutoMLStep"),
        (_mpi, "MpiStep"),
        (_r_script, "RScriptStep"),
    ],
)
@pytest.mark.filterwarnings("ignore")  # the SDK deprecates its own steps
def test_a_step_of_another_kind_is_refused_by_name(project: Any, experiment: Any, build: Build, name: str) -> None:
    source = project.folder / "source"
    source.mkdir()
    for file in ("work.py", "work.R"):
        (source / file).write_text("")
    with pytest.raises(Exception, match=f"NotImplemented(.|\n)*steps of type {name}"):
        experiment.submit(project.pipeline(build(project, source)))
