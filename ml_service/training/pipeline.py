"""Build the Azure ML pipeline: the one graph that is published, run unpublished and checked by the tests.

prepare -> train -> evaluate -> register -> deploy, joined by OutputFileDatasetConfig. Prepare and evaluate may be
left out: train then prepares in its own process, register then applies the gate itself. The data version is an input
of the graph, because the service decides about reuse by the definition of a data set, not by its bytes.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from azure_ml.datasets import DatasetVersion
from azure_ml.digests import file_sha256, folder_sha256
from azure_ml.environments import BASE_IMAGE
from azure_ml.pipelines import graph
from azure_ml.pipelines.argument_text import packed
from azure_ml.workspace import Workspace
from forecasting.problem.problem_file import Problem
from ml_service.errors import FaultError
from ml_service.settings.build import Build
from ml_service.settings.override import NONE as NO_OVERRIDE
from ml_service.settings.variables import Settings
from ml_service.training import snapshots
from ml_service.training.snapshots import (
    FORECAST,
    PROBLEM_NAME,
    RESOLVE,
    SCORING_ENVIRONMENT,
    SCORING_FOLDER,
    STEP_FILES,
)

RAW_INPUT = "raw"
DATA_PARAMETER = "raw_data"
REASON_PARAMETER = "reason"
DEFAULT_REASON = "manual"
OVERRIDE_BY_PARAMETER = "override_by"
OVERRIDE_REASON_PARAMETER = "override_reason"
VERSION_PARAMETER, HORIZON_PARAMETER, FORMAT_PARAMETER = "model_version", "horizon", "format"
TRAINING_ENVIRONMENT = snapshots.ENVIRONMENTS / "training.yml"
_OUTPUTS = {
    RESOLVE: "resolved",
    "prepare": "series",
    "train": "candidate",
    "evaluate": "evaluation",
    "register": "registration",
    FORECAST: "forecasts",
}
"""The folder that each step writes for the next one."""


@dataclass(frozen=True)
class BuiltPipeline:
    """A pipeline that is ready to be validated, published or submitted; valid inside `built` only."""

    sdk: Any
    steps: tuple[str, ...]
    fingerprint: str
    """SHA-256 over everything that makes the graph: snapshots, arguments, environment, data version."""


@contextmanager
def built(
    workspace: Workspace, settings: Settings, build: Build, steps: tuple[str, ...], dataset: DatasetVersion | None
) -> Iterator[BuiltPipeline]:
    """Assemble the snapshots in a temporary folder and build the pipeline from them.

    dataset: the version that is the default of the parameter `raw_data`; None: the step `resolve` finds it, or no
    step reads data.
    The SDK uploads the snapshots when it publishes or submits, so do both inside the block.
    Raises: InvalidRequestError for files that do not exist; FaultError when the SDK finds the graph unsound.
    """
    problem = Problem(settings.problem_file).document
    with tempfile.TemporaryDirectory(prefix="ml_service_") as scratch:
        folders = {step: snapshots.assemble(step, problem, Path(scratch)) for step in steps}
        parts = _Graph(workspace, settings, build, folders, dataset)
        pipeline, faults = graph.build_pipeline(
            workspace,
            parts.steps(),
            compute=settings.compute_name,
            conda_file=TRAINING_ENVIRONMENT,
            description=settings.pipeline_name,
        )
        if faults:
            raise FaultError(
                f"the graph of {settings.pipeline_name} is invalid",
                found="\n".join(faults),
                todo="correct ml_service/training/pipeline.py; nothing was published",
            )
        yield BuiltPipeline(sdk=pipeline, steps=steps, fingerprint=parts.fingerprint())


class _Graph:
    """The steps of one pipeline and the data that joins them."""

    def __init__(
        self,
        workspace: Workspace,
        settings: Settings,
        build: Build,
        folders: dict[str, Path],
        dataset: DatasetVersion | None,
    ) -> None:
        self._settings = settings
        self._build = build
        self._folders = folders
        self._dataset = dataset
        self._workspace = workspace
        self._champion_by = "release" if settings.has_production else "deploy"
        self._reason = graph.parameter(REASON_PARAMETER, DEFAULT_REASON)
        # Parameters of the deciding steps only, so that an override causes no retraining.
        self._override_by = graph.parameter(OVERRIDE_BY_PARAMETER, NO_OVERRIDE)
        self._override_reason = graph.parameter(OVERRIDE_REASON_PARAMETER, NO_OVERRIDE)
        self._outputs = {step: graph.output(_OUTPUTS[step]) for step in folders if step in _OUTPUTS}
        self._raw: Any = None
        if RESOLVE in folders:
            self._raw = self._outputs[RESOLVE].as_input(RAW_INPUT)
        elif dataset is not None:
            self._raw = graph.mounted_data(RAW_INPUT, DATA_PARAMETER, dataset)

    def steps(self) -> list[graph.Step]:
        """One step for each folder, in order."""
        return [
            graph.Step(step, folder, self._arguments(step), STEP_FILES[step].reusable and self._dataset is not None)
            for step, folder in self._folders.items()
        ]

    def fingerprint(self) -> str:
        """Equal for two graphs that would do the same; build id and commit are not part of it."""
        content = {
            "steps": {step: folder_sha256(folder) for step, folder in self._folders.items()},
            "environment": file_sha256(TRAINING_ENVIRONMENT),
            "base_image": BASE_IMAGE,
            "compute": self._settings.compute_name,
            "data": f"{self._dataset.name}:{self._dataset.version}" if self._dataset else "newest",
            "names": [
                self._settings.model_name,
                self._settings.dataset_name,
                self._settings.test_service_name,
            ],
            "champion_by": self._champion_by,
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def _arguments(self, step: str) -> list[Any]:
        """The command line of a step, as mlops_code/<step>.py declares it."""
        arguments = {
            RESOLVE: self._resolve,
            "prepare": self._prepare,
            "train": self._train,
            "evaluate": self._evaluate,
            "register": self._register,
            "deploy": self._deploy,
            FORECAST: self._forecast,
        }
        scheduled = ["--scheduled"] if RESOLVE in self._folders and step != RESOLVE else []
        return ["--problem", PROBLEM_NAME, *arguments[step](), *scheduled]

    def _resolve(self) -> list[Any]:
        return [*("--dataset-name", self._settings.dataset_name), *("--resolved", self._outputs[RESOLVE])]

    def _prepare(self) -> list[Any]:
        return [
            *("--data", self._raw),
            *("--series", self._outputs["prepare"]),
            *("--dataset-name", self._settings.dataset_name),
        ]

    def _train(self) -> list[Any]:
        if "prepare" in self._outputs:
            source = ["--series", self._outputs["prepare"].as_input("series")]
        else:
            source = ["--data", self._raw]
        return [*source, "--candidate", self._outputs["train"]]

    def _evaluate(self) -> list[Any]:
        return [
            *("--candidate", self._outputs["train"].as_input("candidate")),
            *("--evaluation", self._outputs["evaluate"]),
            *("--model-name", self._settings.model_name),
            *self._context(),
        ]

    def _register(self) -> list[Any]:
        evaluation: list[Any] = []
        if "evaluate" in self._outputs:
            evaluation = ["--evaluation", self._outputs["evaluate"].as_input("evaluation")]
        return [
            *("--candidate", self._outputs["train"].as_input("candidate")),
            *evaluation,
            *("--registration", self._outputs["register"]),
            *("--model-name", self._settings.model_name),
            *("--dataset-name", self._settings.dataset_name),
            *self._context(),
        ]

    def _deploy(self) -> list[Any]:
        return [
            *("--registration", self._outputs["register"].as_input("registration")),
            *("--service", self._settings.test_service_name),
            *("--scoring", SCORING_FOLDER),
            *("--environment", SCORING_ENVIRONMENT),
            *("--champion-by", self._champion_by),
        ]

    def _forecast(self) -> list[Any]:
        return [
            *("--model-name", self._settings.model_name),
            *("--model-version", graph.parameter(VERSION_PARAMETER, "champion")),
            *("--horizon", graph.parameter(HORIZON_PARAMETER, 0)),
            *("--format", graph.parameter(FORMAT_PARAMETER, "csv")),
            *("--forecasts", self._outputs[FORECAST]),
        ]

    def _context(self) -> list[Any]:
        """Who asked for the run and which build made the graph: recorded, never an input of training."""
        tags = urlencode(sorted(self._workspace.tags.items()))
        return [
            *("--reason", self._reason),
            *("--build-id", self._build.build_id),
            *("--commit", self._build.commit),
            *("--override-by", self._override_by),
            *("--override-reason", self._override_reason),
            *(("--workspace-tags", packed(tags)) if tags else ()),
        ]
