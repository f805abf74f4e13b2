"""The settings that every problem needs of its own, made from the problem's name; needs no Azure.

The same names as .pipelines/templates/problem.yml makes for a problem that variables.yml does not name.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping

_LONGEST_SERVICE = 32  # azureml/_model_management/_util.py


def own_settings(problem: str, problem_file: str, data_file: str) -> dict[str, str]:
    """Names of variables.yml and environments/production.yml with values that only this problem uses."""
    stem = problem.replace("_", "-").strip("-")
    service = f"{stem}-service" if len(stem) < 3 else stem
    return {
        "PROBLEM_FILE": problem_file,
        "DATA_FILE": data_file,
        "DATASET_NAME": f"{stem}-data",
        "MODEL_NAME": stem,
        "PIPELINE_NAME": f"{stem}-training",
        "PIPELINE_ENDPOINT_NAME": f"{stem}-training-endpoint",
        "EXPERIMENT_NAME": stem,
        "TEST_SERVICE_NAME": f"{service[: _LONGEST_SERVICE - 5].rstrip('-')}-test",
        "PRODUCTION_SERVICE_NAME": service[:_LONGEST_SERVICE].rstrip("-"),
    }


def as_variables(settings: Mapping[str, str]) -> list[str]:
    """Lines for variables.yml; the last name belongs to environments/production.yml."""
    return [f"{name}: {value}" for name, value in settings.items()]


def as_export(settings: Mapping[str, str]) -> str:
    """One command for a shell, for trying it out."""
    return "export " + " ".join(f"{name}={shlex.quote(value)}" for name, value in settings.items())
