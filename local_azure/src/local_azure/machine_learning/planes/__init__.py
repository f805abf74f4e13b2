"""One module a REST plane; each is a list of routes over the store."""

from __future__ import annotations

from local_azure.machine_learning.planes import (
    artifacts,
    blobs,
    compute,
    credentials,
    datasets,
    datastores,
    environments,
    execution,
    experiments,
    history,
    identity,
    metrics,
    models,
    pipeline_modules,
    pipeline_runs,
    published_pipelines,
    resource_manager,
    run_events,
    schedules,
    services,
    snapshots,
)
from local_azure.machine_learning.routing import Plane

PLANES: tuple[Plane, ...] = (
    identity.PLANE,
    resource_manager.PLANE,
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
    published_pipelines.PLANE,
    schedules.PLANE,
    models.PLANE,
    services.PLANE,
)
