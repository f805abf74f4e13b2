"""The blobs of a default datastore in memory, where other writers may come first."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from azure_ml.storage.blobs import Blobs


class MemoryBlobs(Blobs):
    """A container in memory. before_create: what happens right before each creation, such as another writer's."""

    def __init__(self) -> None:
        super().__init__(None, "w", lambda: None)
        object.__setattr__(self, "stored", dict[str, bytes]())
        object.__setattr__(self, "before_create", list[Callable[[], None]]())

    stored: dict[str, bytes]
    before_create: list[Callable[[], None]]

    def create(self, name: str, content: bytes) -> bool:
        """See Blobs."""
        if self.before_create:
            self.before_create.pop(0)()
        if name in self.stored:
            return False
        self.stored[name] = content
        return True

    def read(self, name: str) -> bytes | None:
        """See Blobs."""
        return self.stored.get(name)

    def read_all(self, names: Iterable[str]) -> list[bytes | None]:
        """See Blobs."""
        return [self.read(name) for name in names]

    def names(self, prefix: str) -> list[str]:
        """See Blobs."""
        return sorted(name for name in self.stored if name.startswith(prefix))
