"""The run that a step of a submitted pipeline belongs to: metrics, tags, files, the outcome on its parent."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from azure_ml.workspace import Workspace

_RUN_ID_VARIABLE = "AZUREML_RUN_ID"


NO_NEW_DATA, ANOTHER_RUN = "no-new-data", "another-run"
"""Reasons of a scheduled run that keeps the champion without training."""


OVERRIDE_TAGS = ("override_by", "override_reason")
"""Facts of an outcome that lists of runs show too."""


def ended_before_training(properties: Mapping[str, str]) -> str:
    """Why a run has ended before it trained, from its properties; empty where it has not, or a gate has decided."""
    reason = properties.get("reason", "")
    return reason if reason in (NO_NEW_DATA, ANOTHER_RUN) and "decision_sha256" not in properties else ""


def is_submitted() -> bool:
    """Whether this process is a step of a submitted pipeline: Azure ML has set its variables."""
    return _RUN_ID_VARIABLE in os.environ


class StepRun:
    """The run of this process and its pipeline's run. The service is asked only when there is something to record."""

    @cached_property
    def _step(self) -> Any:
        from azureml.core import Run

        return Run.get_context(allow_offline=False)

    @cached_property
    def _pipeline(self) -> Any:
        return self._step.parent or self._step  # a script run submitted by itself has no parent

    @property
    def id(self) -> str:
        """Id of the pipeline run, which outcome, model and decision are recorded under."""
        return str(self._pipeline.id)

    @property
    def experiment(self) -> str:
        """Name of the experiment of the run."""
        return str(self._step.experiment.name)

    @property
    def step_id(self) -> str:
        """Id of the step's own run."""
        return str(self._step.id)

    @cached_property
    def workspace(self) -> Workspace:
        """The workspace of the run."""
        sdk = self._step.experiment.workspace
        return Workspace(sdk, name=str(sdk.name), resource_group=str(sdk.resource_group))

    def recorded(self) -> Mapping[str, str]:
        """What is recorded of the pipeline run so far."""
        found: Mapping[str, str] = self._pipeline.get_properties()
        return found

    def mark(self, properties: Mapping[str, str]) -> None:
        """Write properties of the pipeline run, which nobody can change afterwards."""
        self._pipeline.add_properties(dict(properties))

    def log(self, metrics: Mapping[str, float]) -> None:
        """Record metrics of this step."""
        for name, value in metrics.items():
            self._step.log(name, value)

    def tag(self, tags: Mapping[str, str]) -> None:
        """Tag this step."""
        self._step.set_tags(dict(tags))

    def attach(self, path: Path) -> None:
        """Keep a file with the pipeline run under its own name."""
        self._pipeline.upload_file(path.name, str(path))

    def record(self, outcome: str, reason: str, facts: Mapping[str, str]) -> str | None:
        """Record the outcome of the pipeline run; returns what an earlier step has recorded instead, which stands.

        Properties are write-once.
        """
        recorded = self.recorded().get("outcome")
        if recorded is not None:
            return str(recorded)
        told = {"outcome": outcome, "reason": reason}
        self._pipeline.add_properties({**told, **facts})
        self._pipeline.set_tags({**told, **{key: facts[key] for key in OVERRIDE_TAGS if key in facts}})
        return None
