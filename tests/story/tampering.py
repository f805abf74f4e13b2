"""Files of the storage account are changed behind the back of the service, and put back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def tampered(changed: Iterable[Path], removed: Iterable[Path] = ()) -> Iterator[None]:
    """As long as the block lasts, some files have a byte more and others are gone."""
    gone = {path: path.read_bytes() for path in removed}
    originals = {path: path.read_bytes() for path in changed}
    try:
        for path, content in originals.items():
            path.write_bytes(content + b" ")
        for path in gone:
            path.unlink()
        yield
    finally:
        for path, content in (originals | gone).items():
            path.write_bytes(content)
