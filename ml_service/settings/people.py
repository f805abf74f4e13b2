"""Who: the person or identity behind a run, a model version or a release, as far as each service says.

`created_by` is the identity that signed in, of a build agent its service connection. `requested_for` is the person
for whom Azure Pipelines ran the build (Build.RequestedFor); it is recorded where an agent is at work. Who approved
stands in Azure DevOps only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ml_service.settings.variables import Settings

REQUESTED_FOR = "requested_for"
UNKNOWN = "unknown"


def requested(settings: Settings) -> dict[str, str]:
    """The property that names the person for whom the build runs; empty where no agent says so."""
    return {REQUESTED_FOR: settings.build_requestedfor} if settings.build_requestedfor else {}


def of_run(run: Any) -> dict[str, str]:
    """Columns of a run. The creator has no public property; the document that the run came from has it."""
    return {
        "created_by": _name(run._run_dto.get("created_by"), "user_name", "user_object_id"),
        REQUESTED_FOR: str(run.properties.get(REQUESTED_FOR, "")),
    }


def of_model(model: Any) -> dict[str, str]:
    """Column of a model version."""
    return {"created_by": _name(model.created_by, "userName", "userObjectId")}


def _name(creator: object, *keys: str) -> str:
    found = [creator.get(key) for key in keys] if isinstance(creator, Mapping) else []
    return str(next((name for name in found if name), UNKNOWN))
