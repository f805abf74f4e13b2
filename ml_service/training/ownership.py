"""Whose names are these? Two problems under one name would replace each other's model, service and endpoint.

What carries its problem is asked: a registered version by a property, a test service by its model, a pipeline, its
endpoint and a data version by a mark of ours. What carries none is older than the mark, or somebody else's, and is
tolerated. Nothing is changed here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from azure_ml.datasets import DatasetVersion
from azure_ml.models.versions import ModelVersion, find_versions
from azure_ml.pipelines.published import Endpoint, find_endpoint
from azure_ml.services import find_service
from azure_ml.workspace import Workspace
from forecasting.inbox.tables import COLUMNS_TAG, PROBLEM_TAG
from forecasting.problem.problem_file import Problem
from ml_service.errors import ConflictError
from ml_service.settings.names import as_variables, own_settings
from ml_service.settings.variables import Settings, shown

_MARK = re.compile(r"\bproblem ([a-z][a-z0-9_]*)")


@dataclass(frozen=True)
class Ours:
    """The settings' names are free or of this problem."""

    problem: str
    endpoint: Endpoint | None
    """The pipeline endpoint as it was found; None when there is none yet."""


@dataclass(frozen=True)
class Claim:
    """Something that another problem holds."""

    what: str
    setting: str
    owner: str

    def __str__(self) -> str:
        return f"{self.what} ({self.setting}) belongs to the problem {self.owner}"


def mark(problem: str) -> str:
    """What a description carries, so that its object is known as the problem's."""
    return f"problem {problem}"


def owner_of(description: str) -> str:
    """The problem that a description names; empty when it names none."""
    found = _MARK.search(description)
    return found.group(1) if found else ""


def owner_of_model(model: ModelVersion) -> str:
    """The problem of a registered version; empty when it was registered by somebody's own code."""
    return model.properties.get("problem", "")


def demand_ours(workspace: Workspace, settings: Settings) -> Ours:
    """Refuse names that another problem holds: model, pipeline endpoint, test service. Raises: ConflictError."""
    problem = Problem(settings.problem_file).series.name
    endpoint = find_endpoint(workspace, settings.pipeline_endpoint_name)
    demand(_claims(workspace, settings, problem, endpoint), problem, settings)
    return Ours(problem, endpoint)


def foreign_names(workspace: Workspace, settings: Settings) -> list[Claim]:
    """What of the settings' names another problem holds: model, pipeline endpoint, test service."""
    problem = Problem(settings.problem_file).series.name
    endpoint = find_endpoint(workspace, settings.pipeline_endpoint_name)
    return _taken(_claims(workspace, settings, problem, endpoint), problem)


def demand_readable(workspace: Workspace, settings: Settings) -> None:
    """Refuse to show another problem's objects as this problem's: only PROBLEM_FILE was changed, not the names.

    Raises: ConflictError.
    """
    problem = Problem(settings.problem_file).series.name
    if taken := foreign_names(workspace, settings):
        raise _conflict(
            f"the settings name the problem {problem}, and objects of the problem {taken[0].owner}",
            taken,
            problem,
            settings,
        )


def _claims(workspace: Workspace, settings: Settings, problem: str, endpoint: Endpoint | None) -> list[Claim]:
    model, service = settings.model_name, settings.test_service_name
    of_endpoint = owner_of(endpoint.description) if endpoint else ""
    return [
        Claim(f"model {model}", "MODEL_NAME", _owner_in_model(workspace, model, problem)),
        Claim(f"pipeline endpoint {settings.pipeline_endpoint_name}", "PIPELINE_ENDPOINT_NAME", of_endpoint),
        Claim(f"service {service}", "TEST_SERVICE_NAME", _owner_in_service(workspace, service)),
    ]


def demand_data_ours(newest: DatasetVersion | None, columns: str, settings: Settings) -> None:
    """Refuse a table with other columns than the data set of another problem has; the same table may be shared.

    newest: the data set's newest version. columns: hash of the table's header. Raises: ConflictError.
    """
    tags = newest.tags if newest else {}
    if tags.get(COLUMNS_TAG, columns) != columns:
        what = f"data set {settings.dataset_name}, whose table has other columns,"
        owned = Claim(what, "DATASET_NAME", tags.get(PROBLEM_TAG, ""))
        demand([owned], Problem(settings.problem_file).series.name, settings)


def demand(claims: Iterable[Claim], problem: str, settings: Settings) -> None:
    """Raises: ConflictError when another problem holds one of them; it names all, and the names to use instead."""
    if taken := _taken(claims, problem):
        happened = f"the problem {problem} would replace objects of the problem {taken[0].owner}"
        raise _conflict(f"{happened}; nothing was changed", taken, problem, settings)


def _taken(claims: Iterable[Claim], problem: str) -> list[Claim]:
    return [claim for claim in claims if claim.owner not in ("", problem)]


def _conflict(happened: str, taken: list[Claim], problem: str, settings: Settings) -> ConflictError:
    files = [shown(path) for path in (settings.problem_file, settings.data_file)]
    return ConflictError(
        happened,
        found="\n".join(map(str, taken)),
        expected=f"names that no other problem uses, for the problem {problem}",
        todo="\n".join(
            [
                f"give {problem} its own names, in variables.yml or as environment variables, for example:",
                *(f"  {line}" for line in as_variables(own_settings(problem, *files))),
                "(set PRODUCTION_SERVICE_NAME in environments/production.yml)",
                f"or, if you meant the problem {taken[0].owner}, set PROBLEM_FILE and DATA_FILE back",
            ]
        ),
    )


def _owner_in_model(workspace: Workspace, name: str, problem: str) -> str:
    """The problem of a model's versions; ours where any version is, because both then use the name by now."""
    owners = [owner_of_model(model) for model in find_versions(workspace, name)]
    return problem if problem in owners else next(filter(None, owners), "")


def _owner_in_service(workspace: Workspace, name: str) -> str:
    service = find_service(workspace, name)
    owners = [owner_of_model(model) for model in service.models] if service else []
    return next(filter(None, owners), "")
