"""Nothing durable is written on the thread of the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from local_azure.machine_learning.storage.files import BlobFiles, append_chunks
from local_azure.machine_learning.storage.store import Store
from local_azure.machine_learning.storage.threads import EventLoopWriteError

Write = Callable[[], None]


def _writes(folder: Path) -> dict[str, Write]:
    store, files = Store(folder / "store.sqlite"), BlobFiles(folder / "blobs")
    (folder / "log").touch()

    def put() -> None:
        store.put("w", "kind", "key", {"a": 1})

    def write() -> None:
        with files.writing(files.path("azureml-a", "x")) as stream:
            stream.write(b"x")

    def append() -> None:
        append_chunks(folder / "log", [b"x"])

    return {"document": put, "blob": write, "log": append}


@pytest.mark.parametrize("kind", ["document", "blob", "log"])
def test_a_write_on_the_event_loop_is_refused(tmp_path: Path, kind: str) -> None:
    write = _writes(tmp_path)[kind]

    async def on_the_loop() -> None:
        write()

    async def beside_it() -> None:
        await asyncio.to_thread(write)

    with pytest.raises(EventLoopWriteError):
        asyncio.run(on_the_loop())
    asyncio.run(beside_it())


def test_documents_are_read_on_the_event_loop(tmp_path: Path) -> None:
    store = Store(tmp_path / "store.sqlite")
    store.put("w", "kind", "key", {"a": 1})

    async def read() -> object:
        return store.get("w", "kind", "key")

    assert asyncio.run(read()) == {"a": 1}
    store.close()
