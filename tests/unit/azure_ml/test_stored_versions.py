"""Which bytes are a data version already, and what it costs to find out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from azure_ml.storage.inbox import StoredInbox
from tests.unit.azure_ml.memory_datastore import MemoryDatastore

VERSIONS = 60


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> MemoryDatastore:
    found = MemoryDatastore("sales")
    for number in range(1, VERSIONS + 1):
        found.add(f"hash-{number}")
    found.serve(monkeypatch)
    return found


@pytest.fixture
def inbox(store: MemoryDatastore, tmp_path: Path) -> StoredInbox:
    nobody: Any = None
    return StoredInbox(nobody, "sales", tmp_path, store.blobs)


def test_new_bytes_are_known_as_new_without_a_look_at_old_versions(
    store: MemoryDatastore, inbox: StoredInbox
) -> None:
    for number in range(3):
        assert inbox.find(f"new-{number}") is None
    assert store.asked == 1, "the newest version, once for an ingest"


def test_the_oldest_bytes_are_found_and_no_version_is_looked_at_twice(
    store: MemoryDatastore, inbox: StoredInbox
) -> None:
    assert [inbox.find(f"hash-{number}") for number in (1, 2, VERSIONS)] == [1, 2, VERSIONS]
    assert store.asked == VERSIONS


def test_a_file_that_a_broken_attempt_left_behind_is_no_version(store: MemoryDatastore, inbox: StoredInbox) -> None:
    store.blobs.held["datasets/sales/left/data.csv"] = b"rows"
    assert inbox.find("left") is None


def test_a_data_set_without_a_version_holds_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    nobody: Any = None
    store = MemoryDatastore("sales")
    store.serve(monkeypatch)
    assert StoredInbox(nobody, "sales", tmp_path, store.blobs).find("hash-1") is None


def test_only_the_newest_version_is_announced_and_once(store: MemoryDatastore, inbox: StoredInbox) -> None:
    for version in (1, VERSIONS, VERSIONS):
        inbox.announce(version, f"hash-{version}")
    assert store.markers == [f"hash-{VERSIONS}"]
