"""Retention leases: while a build has one, Azure DevOps does not delete it."""

from __future__ import annotations

import time

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ml_service.azure_devops.client import AzureDevOps, AzureDevOpsError, BusyError

_PATH = "build/retention/leases"
_FOR_EVER_DAYS = 36500
_TIMES = 3
_FIRST_WAIT = 0.5  # seconds; doubled each time, where the service names no other wait


class _Lease(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    owner: str = Field(default="", alias="ownerId")
    run: int = Field(default=0, alias="runId")


class _Leases(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    value: tuple[_Lease, ...] = ()


def keep_build(project: AzureDevOps, definition: int, owner: int, build_id: str) -> None:
    """Keep a build indefinitely. owner: id of the pipeline that asks for it. Raises: AzureDevOpsError.

    A busy service may have granted the lease before it answered, so before asking again its leases are read.
    learn.microsoft.com/rest/api/azure/devops/build/leases
    """
    lease = {
        "daysValid": _FOR_EVER_DAYS,
        "definitionId": definition,
        "ownerId": f"Pipeline:{owner}",
        "protectPipeline": True,
        "runId": int(build_id),
    }
    for attempt in range(_TIMES):
        try:
            project.post(_PATH, [lease])
        except BusyError as error:
            time.sleep(error.wait or _FIRST_WAIT * 2**attempt)
            if _is_leased(project, definition, owner, build_id):
                return
            if attempt == _TIMES - 1:
                raise
        else:
            return


def _is_leased(project: AzureDevOps, definition: int, owner: int, build_id: str) -> bool:
    query = {"ownerId": f"Pipeline:{owner}", "definitionId": str(definition), "runId": build_id}
    try:
        found = _Leases.model_validate(project.get(_PATH, query)).value
    except ValidationError:
        raise AzureDevOpsError(
            f"Azure DevOps told something else of the leases of build {build_id} than its documentation says"
        ) from None
    return any((lease.owner, lease.run) == (query["ownerId"], int(build_id)) for lease in found)
