"""A datastore and the versions of one data set in memory, with a count of what the service is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from azure_ml import datasets
from azure_ml.datasets import DatasetVersion
from azure_ml.storage import inbox
from azure_ml.storage.blobs import Blobs


class MemoryContainer(Blobs):
    """Blobs by their names."""

    def __init__(self) -> None:
        super().__init__(None, "unit", lambda: None)
        object.__setattr__(self, "held", {})
        object.__setattr__(self, "broken", False)

    held: dict[str, bytes]
    broken: bool
    """Whether the storage refuses every change."""

    def create(self, name: str, content: bytes) -> bool:
        if self.broken:
            raise ConnectionError("the storage does not answer")
        return content is self.held.setdefault(name, content)

    def read_all(self, names: Any) -> list[bytes | None]:
        return [self.held.get(name) for name in names]

    def listed(self, prefix: str, most: int) -> list[Any]:
        return [SimpleNamespace(name=name) for name in sorted(self.held) if name.startswith(prefix)][: most + 1]


@dataclass
class MemoryDatastore:
    """The versions of the data set `name`, the first one is number 1."""

    name: str
    blobs: MemoryContainer = field(default_factory=MemoryContainer)
    versions: list[DatasetVersion] = field(default_factory=list)
    asked: int = 0
    """How many versions were looked at."""

    def add(self, sha256: str, **tags: str) -> DatasetVersion:
        """Register bytes of this hash as the newest version."""
        self.blobs.held[f"datasets/{self.name}/{sha256}/data.csv"] = b"rows"
        self.versions.append(DatasetVersion(None, self.name, len(self.versions) + 1, {**tags, "sha256": sha256}))
        return self.versions[-1]

    def find(self, _: Any, name: str, version: int | None = None) -> DatasetVersion | None:
        """As `find_dataset`."""
        assert name == self.name
        self.asked += 1
        number = len(self.versions) if version is None else version
        return self.versions[number - 1] if 0 < number <= len(self.versions) else None

    def register(
        self, _: Any, name: str, file: Path, sha256: str, *, tags: Mapping[str, str], description: str
    ) -> DatasetVersion:
        """As `register_file`."""
        assert (name, file.is_file(), bool(description)) == (self.name, True, True)
        return self.add(sha256, **tags)

    @property
    def markers(self) -> list[str]:
        """Names of the markers for the change schedule."""
        prefix = f"ready/{self.name}/"
        return [name.removeprefix(prefix) for name in sorted(self.blobs.held) if name.startswith(prefix)]

    def serve(self, patch: pytest.MonkeyPatch, *modules: Any) -> None:
        """Answer in place of the workspace, also in these modules."""
        answers = {"find_dataset": self.find, "register_file": self.register, "open_blobs": lambda _: self.blobs}
        for module in (datasets, inbox, *modules):
            for name, answer in answers.items():
                if hasattr(module, name):
                    patch.setattr(module, name, answer)
