"""Results of checks: findings, and checks that could not run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from ml_service.documents import Document, demand_mapping


@dataclass(frozen=True)
class Finding:
    """Something that would stop a release."""

    check: str
    found: str
    expected: str
    fix: str


@dataclass(frozen=True)
class Unknown:
    """A check that could not run, and why."""

    check: str
    reason: str


Result = Finding | Unknown
Check = Callable[[], Iterable[Result]]


class Reader(Protocol):
    """Reads documents of Azure Resource Manager."""

    def read(self, path: str, api_version: str, parameters: Mapping[str, str] | None = None) -> Document | None:
        """The document at a path; None where there is none."""

    def listed(
        self, path: str, api_version: str, parameters: Mapping[str, str] | None = None
    ) -> tuple[Document, ...]:
        """The documents of a list."""


def resource_at(reader: Reader, path: str, api_version: str) -> Document | None:
    """A resource; None where there is none. Raises: FaultError for a document without its properties."""
    found = reader.read(path, api_version)
    if found is not None:
        demand_mapping(found, "properties")
    return found


@dataclass(frozen=True)
class Place:
    """The workspace of one environment, as the settings name it. said_by: the settings that do."""

    environment: str
    subscription: str
    resource_group: str
    workspace: str
    said_by: str

    @property
    def group_path(self) -> str:
        """Address of the resource group in Azure Resource Manager."""
        return f"/subscriptions/{self.subscription}/resourceGroups/{self.resource_group}"

    @property
    def path(self) -> str:
        """Address of the workspace in Azure Resource Manager."""
        return f"{self.group_path}/providers/Microsoft.MachineLearningServices/workspaces/{self.workspace}"
