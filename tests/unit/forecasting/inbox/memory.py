"""An inbox in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from forecasting.inbox.files import WHOLE_TYPE, InboxFile


@dataclass(frozen=True)
class File:
    name: str
    etag: str = "1"
    size: int = 1
    modified: float = 0.0
    type: str = WHOLE_TYPE


@dataclass
class MemoryInbox:
    """What the storage offers. contents: by file; versions: tags of each, the first is number 1."""

    scratch: Path
    contents: dict[File, bytes] = field(default_factory=dict)
    kept: dict[str, bytes] = field(default_factory=dict)
    versions: list[dict[str, str]] = field(default_factory=list)
    fetched: list[str] = field(default_factory=list)

    def deliver(self, name: str, content: bytes) -> None:
        """Put a file; one of the same name is replaced."""
        clock = len(self.contents) + len(self.fetched)
        self.contents = {file: held for file, held in self.contents.items() if file.name != name}
        self.contents[File(name, f"{name}-{clock}", len(content), clock)] = content

    def files(self) -> list[File]:
        return list(self.contents)

    def receipts(self, keys: Iterable[str]) -> list[bytes | None]:
        return [self.kept.get(key) for key in keys]

    def keep(self, key: str, content: bytes) -> None:
        self.kept.setdefault(key, content)

    def fetch(self, file: InboxFile) -> tuple[Path, str] | None:
        content = self.contents.get(file) if isinstance(file, File) else None
        if content is None:
            return None
        self.fetched.append(file.name)
        path = self.scratch / "data.csv"
        path.write_bytes(content)
        return path, hashlib.sha256(content).hexdigest()

    def find(self, sha256: str) -> int | None:
        return next((number for number, tags in enumerate(self.versions, 1) if tags["sha256"] == sha256), None)

    def newest(self) -> Mapping[str, str]:
        return self.versions[-1] if self.versions else {}

    def register(self, table: Path, sha256: str, tags: Mapping[str, str], description: str) -> int:
        assert hashlib.sha256(table.read_bytes()).hexdigest() == sha256
        self.versions.append({"sha256": sha256, **tags})
        return len(self.versions)
