"""Builds as Azure DevOps tells them: how they ended, and the tags that they carry."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ml_service.azure_devops.client import AzureDevOps, AzureDevOpsError, NotFoundError


class _Definition(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    id: int = 0


class _Build(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    status: str
    result: str = ""
    tags: tuple[str, ...] = ()
    definition: _Definition = Field(default_factory=_Definition)


@dataclass(frozen=True)
class BuildState:
    """How a build stands. result: empty while it runs; definition: id of its pipeline, 0 where it is not told."""

    status: str
    result: str
    tags: tuple[str, ...]
    definition: int


def read_build(project: AzureDevOps, build_id: str) -> BuildState | None:
    """A build; None when Azure DevOps does not have it. Raises: AzureDevOpsError."""
    try:
        told = _Build.model_validate(project.get(f"build/builds/{build_id}"))
    except NotFoundError:
        return None
    except ValidationError as mistakes:
        raise AzureDevOpsError(
            f"Azure DevOps told something else of build {build_id} than its documentation says",
            found=str(mistakes.errors(include_url=False, include_input=False)[0]["msg"]),
        ) from None
    return BuildState(told.status, told.result, told.tags, told.definition.id)
