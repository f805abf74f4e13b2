"""All routes of the server: its planes, in the order of COVERAGE.md."""

from __future__ import annotations

from local_azure.machine_learning.http.routing import Plane, Route
from local_azure.machine_learning.planes.data import artifacts, blobs, datasets, datastores, snapshots
from local_azure.machine_learning.planes.pipelines import modules as pipeline_modules
from local_azure.machine_learning.planes.pipelines import published, schedules
from local_azure.machine_learning.planes.pipelines import runs as pipeline_runs
from local_azure.machine_learning.planes.runs import execution, experiments, history, metrics, run_events
from local_azure.machine_learning.planes.serving import models, services
from local_azure.machine_learning.planes.workspace import (
    administration,
    compute,
    credentials,
    environments,
    identity,
    resource_manager,
)

PLANES: tuple[Plane, ...] = (
    identity.PLANE,
    resource_manager.PLANE,
    administration.PLANE,
    compute.PLANE,
    blobs.PLANE,
    datastores.PLANE,
    datasets.PLANE,
    environments.PLANE,
    credentials.PLANE,
    snapshots.PLANE,
    artifacts.PLANE,
    experiments.PLANE,
    history.PLANE,
    run_events.PLANE,
    metrics.PLANE,
    execution.PLANE,
    pipeline_modules.PLANE,
    pipeline_runs.PLANE,
    published.PLANE,
    schedules.PLANE,
    models.PLANE,
    services.PLANE,
)

ROUTES: tuple[Route, ...] = tuple(route for plane in PLANES for route in plane.routes)
