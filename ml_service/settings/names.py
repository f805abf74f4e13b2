"""The names of a problem: one rule for the settings, for the pipelines and for what `problems new` prints."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from forecasting.problem.problem_file import Problem

_LONGEST_SERVICE = 32  # azureml/_model_management/_util.py


def names_of(problem: str) -> dict[str, str]:
    """Return the settings that must differ between problems, with values that only this one uses."""
    stem = problem.replace("_", "-").strip("-")
    service = f"{stem}-service" if len(stem) < 3 else stem
    return {
        "DATASET_NAME": f"{stem}-data",
        "MODEL_NAME": stem,
        "PIPELINE_NAME": f"{stem}-training",
        "PIPELINE_ENDPOINT_NAME": f"{stem}-training-endpoint",
        "EXPERIMENT_NAME": stem,
        "TEST_SERVICE_NAME": f"{service[: _LONGEST_SERVICE - 5].rstrip('-')}-test",
        "PRODUCTION_SERVICE_NAME": service[:_LONGEST_SERVICE].rstrip("-"),
    }


def settings_of(problem: Problem) -> dict[str, str]:
    """The settings that follow from a problem file: its names and, where it says so, its table and data set.

    Raises: UsageError of forecasting.
    """
    table = problem.table
    found = names_of(problem.series.name)
    if table.dataset:
        found["DATASET_NAME"] = table.dataset
    if table.file:
        found["DATA_FILE"] = table.file
    return found


def own_settings(problem: str, problem_file: str, data_file: str) -> dict[str, str]:
    """The whole block of settings of one problem."""
    return {"PROBLEM_FILE": problem_file, "DATA_FILE": data_file, **names_of(problem)}


def as_variables(settings: Mapping[str, str]) -> list[str]:
    """Lines for variables.yml; the last name belongs to environments/production.yml."""
    return [f"{name}: {value}" for name, value in settings.items()]


def as_export(settings: Mapping[str, str]) -> str:
    """One command for a shell, for trying it out."""
    return "export " + " ".join(f"{name}={shlex.quote(value)}" for name, value in settings.items())


def first_forecast(problem: str, problem_file: str, data_file: str) -> list[str]:
    """The commands from a table to its forecasts on plain files, as they are pasted into a shell."""
    file, table, out = shlex.quote(problem_file), shlex.quote(data_file), f"out/{problem}"
    return [
        f"python mlops_code/train.py --problem {file} --data {table} --candidate {out}/candidate",
        f"python mlops_code/evaluate.py --problem {file} --candidate {out}/candidate --champion none "
        f"--evaluation {out}/evaluation",
        f"python -m ml_service forecast --model {out}/candidate --evaluation {out}/evaluation "
        f"--out {out}/forecast.csv",
    ]
