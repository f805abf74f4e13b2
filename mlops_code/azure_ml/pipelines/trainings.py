"""At most one training of a problem at a time: the run that has the claim `training/<problem>.json` trains."""

from __future__ import annotations

from azure_ml.pipelines.runs import ENDED, Run, find_run, list_runs, one_word
from azure_ml.step_run import ended_before_training
from azure_ml.storage.blobs import open_blobs
from azure_ml.storage.claims import claim, claimed_by
from azure_ml.workspace import Workspace

LOOKED_AT = 50
"""How many of the newest runs of an experiment are looked at."""


def is_over(run: Run) -> bool:
    """Whether a run trains no more: it has ended, or its first step has ended it."""
    return one_word(run.status) in ENDED or bool(ended_before_training(run.properties))


def training_now(workspace: Workspace, problem: str, experiment: str) -> str:
    """The id of the run that trains a problem; empty where none does.

    It has the claim, or is a run of the experiment that was submitted without one and has not ended.
    """
    holder = claimed_by(open_blobs(workspace), _name(problem))
    if holder and not _has_ended(workspace, holder):
        return holder
    return next((run.id for run in list_runs(workspace, experiment, LOOKED_AT) if not is_over(run)), "")


def claim_training(workspace: Workspace, problem: str, run_id: str) -> str:
    """Take the claim for a run, unless another one has it that trains; returns the id of the run that has it then."""
    return claim(open_blobs(workspace), _name(problem), run_id, lambda other: _has_ended(workspace, other))


def _has_ended(workspace: Workspace, run_id: str) -> bool:
    """Whether a run trains no more; one that does not exist any more has ended."""
    found = find_run(workspace, run_id)
    return found is None or is_over(found)


def _name(problem: str) -> str:
    return f"training/{problem}.json"
