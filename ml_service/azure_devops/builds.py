"""Builds as Azure DevOps tells them: how they ended, and the tags that they carry."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ml_service.azure_devops.client import AzureDevOps, AzureDevOpsError, NotFoundError

_SUCCEEDED = ("succeeded", "succeededWithIssues")
_STAGE = "Stage"


class _Told(BaseModel):
    """What is read of a document; the service has more, and may leave out what it has not."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class _Definition(_Told):
    id: int = 0


class _Build(_Told):
    status: str
    result: str = ""
    tags: tuple[str, ...] = ()
    definition: _Definition = Field(default_factory=_Definition)


class _Person(_Told):
    name: str = Field(default="", alias="displayName")


class _Listed(_Told):
    id: int
    finished: str = Field(default="", alias="finishTime")
    requested_for: _Person = Field(default_factory=_Person, alias="requestedFor")


class _List(_Told):
    value: tuple[_Listed, ...] = ()


class _Record(_Told):
    type: str
    identifier: str | None = None
    result: str | None = None


class _Timeline(_Told):
    records: tuple[_Record, ...] = ()


@dataclass(frozen=True)
class BuildState:
    """How a build stands. result: empty while it runs; definition: id of its pipeline, 0 where it is not told."""

    status: str
    result: str
    tags: tuple[str, ...]
    definition: int


@dataclass(frozen=True)
class EndedBuild:
    """A build of a list. finished: as the service tells it."""

    id: str
    finished: str
    requested_for: str


def read_build(project: AzureDevOps, build_id: str) -> BuildState | None:
    """A build; None when Azure DevOps does not have it. Raises: AzureDevOpsError."""
    try:
        with _as_documented(f"build {build_id}"):
            told = _Build.model_validate(project.get(f"build/builds/{build_id}"))
    except NotFoundError:
        return None
    return BuildState(told.status, told.result, told.tags, told.definition.id)


def list_ended(project: AzureDevOps, definitions: Collection[int], since: str, most: int) -> list[EndedBuild]:
    """The builds of some pipelines that have ended since a moment, the newest first. Raises: AzureDevOpsError.

    learn.microsoft.com/rest/api/azure/devops/build/builds/list
    """
    query = {
        "definitions": ",".join(map(str, sorted(definitions))),
        "statusFilter": "completed",
        "queryOrder": "finishTimeDescending",
        "minTime": since,
        "$top": str(most),
    }
    with _as_documented("a list of builds"):
        listed = _List.model_validate(project.get("build/builds", query)).value
    return [EndedBuild(str(one.id), one.finished, one.requested_for.name) for one in listed]


def succeeded_stages(project: AzureDevOps, build_id: str) -> list[str]:
    """Names of the stages of a build that have succeeded. Raises: AzureDevOpsError."""
    with _as_documented(f"build {build_id}"):
        records = _Timeline.model_validate(project.get(f"build/builds/{build_id}/timeline")).records
    stages = (one for one in records if one.type == _STAGE and one.result in _SUCCEEDED)
    return [stage.identifier for stage in stages if stage.identifier]


@contextmanager
def _as_documented(what: str) -> Iterator[None]:
    try:
        yield
    except ValidationError as mistakes:
        raise AzureDevOpsError(
            f"Azure DevOps told something else of {what} than its documentation says",
            found=str(mistakes.errors(include_url=False, include_input=False)[0]["msg"]),
        ) from None
