"""infra/azure_devops.yml: what must protect production in Azure DevOps."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from forecasting.problem.yaml_text import UNREADABLE, read_yaml
from ml_service.errors import InvalidRequestError
from ml_service.settings.variables import ROOT, shown

FILE = ROOT / "infra" / "azure_devops.yml"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Approval(_Part):
    """Who must approve before a stage starts that uses the resource."""

    teams: tuple[str, ...] = Field(min_length=1)
    minimum: int = Field(ge=1, le=20)
    requester_may_approve: bool
    timeout_minutes: int = Field(ge=1, le=43_200)


class Lock(_Part):
    """One run at a time uses the resource."""

    timeout_minutes: int = Field(ge=1, le=43_200)


class BranchControl(_Part):
    """Only runs of these branches use the resource."""

    branches: tuple[str, ...] = Field(min_length=1)
    protected_only: bool


class RequiredTemplate(_Part):
    """Only pipelines that extend this file use the resource."""

    path: str = Field(min_length=1)
    ref: str = Field(min_length=1)


class Checks(_Part):
    """The checks of one resource; None: none is needed."""

    approval: Approval | None = None
    exclusive_lock: Lock | None = None
    branch_control: BranchControl | None = None
    required_template: RequiredTemplate | None = None


class Resource(_Part):
    """An environment or a service connection."""

    pipelines: tuple[str, ...]
    """Those that may use it, and no other."""
    checks: Checks


class Reviews(_Part):
    """What a pull request needs."""

    minimum: int = Field(ge=1, le=20)
    author_counts: bool
    reset_on_push: bool


class Retention(_Part):
    """How long the project keeps what has no lease."""

    runs_days: int = Field(ge=30, le=731)
    pull_request_runs_days: int = Field(ge=1, le=30)
    artifacts_days: int = Field(ge=1, le=60)


class Declared(_Part):
    """The whole file."""

    repository: str = ""
    branch: str
    pipelines: dict[str, str]
    environments: dict[str, Resource]
    connections: dict[str, Resource]
    """By the name of the setting that names the connection."""
    reviews: Reviews
    build_validation: str
    retention: Retention
    settings: dict[str, bool]

    @property
    def unknown_pipelines(self) -> list[str]:
        """Names that a resource or the policy mentions and `pipelines` does not."""
        resources = (*self.environments.values(), *self.connections.values())
        named = {self.build_validation, *(name for one in resources for name in one.pipelines)}
        return sorted(named - self.pipelines.keys())


def read_declared(path: Path = FILE) -> Declared:
    """Read the file. Raises: InvalidRequestError with each line that is not understood."""
    try:
        declared = Declared.model_validate(read_yaml(path))
    except (*UNREADABLE, OSError) as error:
        raise InvalidRequestError(f"{shown(path)} cannot be read", found=str(error), todo="correct it") from None
    except ValidationError as mistakes:
        lines = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in mistakes.errors(include_url=False)]
        raise InvalidRequestError(
            f"{shown(path)} does not describe the controls", found="\n".join(lines), todo="correct the file"
        ) from None
    if unknown := declared.unknown_pipelines:
        raise InvalidRequestError(
            f"{shown(path)} names pipelines that it does not declare",
            found=", ".join(unknown),
            expected=f"names of its section pipelines: {', '.join(sorted(declared.pipelines))}",
        )
    return declared
