"""All controls together: verify compares them, apply makes them so, remove takes away what apply has created."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ml_service.azure_devops.controls.control import Control, Drift
from ml_service.azure_devops.controls.declared import Declared
from ml_service.azure_devops.controls.project import Project
from ml_service.azure_devops.controls.project_controls import (
    pipeline_controls,
    policy_controls,
    retention_control,
    settings_control,
    team_controls,
)
from ml_service.azure_devops.controls.resources import (
    Connection,
    connection_controls,
    environment_controls,
    identities_control,
    others_control,
)


def controls(project: Project, declared: Declared, connections: Mapping[str, Connection]) -> Iterator[Control]:
    """Each control in an order in which it can be created: read when it is its turn, after those before it are made.

    connections: by the names of their settings; one that is missing here is not configured and not compared.
    """
    resources = (*declared.environments.values(), *declared.connections.values())
    approvals = [one.checks.approval for one in resources if one.checks.approval]
    yield from team_controls(project, frozenset(name for one in approvals for name in one.teams))
    yield from pipeline_controls(project, declared)
    for name, resource in declared.environments.items():
        yield from environment_controls(project, name, resource)
    for setting, resource in declared.connections.items():
        if setting in connections:
            yield from connection_controls(project, connections[setting], resource)
    yield identities_control(project, connections)
    yield others_control(project, connections.values())
    yield from policy_controls(project, declared)
    yield settings_control(project, declared)
    yield retention_control(project, declared)


@dataclass(frozen=True)
class Compared:
    """What a comparison has found."""

    compared: tuple[str, ...]
    """Titles of the objects."""
    drifts: tuple[Drift, ...]


def compare(project: Project, declared: Declared, connections: Mapping[str, Connection]) -> Compared:
    """Compare every control with what Azure DevOps has; nothing is changed. Raises: AzureDevOpsError."""
    found = list(controls(project, declared, connections))
    return Compared(tuple(one.title for one in found), tuple(drift for one in found for drift in one.drifts))


def apply(project: Project, declared: Declared, connections: Mapping[str, Connection]) -> Iterator[str]:
    """Make every control what it must be; yields a line for each that was changed or could not be."""
    for control in controls(project, declared, connections):
        if not control.drifts:
            continue
        if control.write is None:
            yield f"cannot {'change' if control.found else 'create'} {control.title}: {control.place}"
            continue
        control.write()
        yield f"{'changed' if control.found else 'created'} {control.title}"


def remove(project: Project, declared: Declared, connections: Mapping[str, Connection]) -> Iterator[str]:
    """Take away what `apply` creates, the last first; teams, retention and settings stay."""
    for control in reversed(list(controls(project, declared, connections))):
        if control.remove is not None:
            control.remove()
            yield f"removed {control.title}"
