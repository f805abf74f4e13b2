"""One module a REST plane; each is a list of routes over the store."""

from __future__ import annotations

from local_azure.machine_learning.planes import blobs, compute, datastores, identity, resource_manager
from local_azure.machine_learning.routing import Plane

PLANES: tuple[Plane, ...] = (
    identity.PLANE,
    resource_manager.PLANE,
    compute.PLANE,
    blobs.PLANE,
    datastores.PLANE,
)
