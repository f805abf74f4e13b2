"""What tests of the domain functions share: a store, no server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from local_azure.machine_learning.storage.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty store of the test's own."""
    made = Store(tmp_path / "store.sqlite")
    yield made
    made.close()
