"""`data upload` with the versions of the data set in memory: what becomes a version, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from forecasting.errors import ContractError
from forecasting.inbox.tables import Acceptance, CheckedTable
from ml_service.output.console import Terminal
from ml_service.settings.variables import Settings
from ml_service.training import data, publish
from tests.unit.azure_ml.memory_datastore import MemoryDatastore

MakeSettings = Callable[[dict[str, str]], Settings]
NOWHERE: Any = None
LATER = {"rows": "900", "last_date": "2014-06-30"}
"""Tags of a delivery that came after DATA_FILE."""


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> MemoryDatastore:
    found = MemoryDatastore("unit-data")
    found.serve(monkeypatch, data, publish)
    return found


@pytest.fixture
def settings(make_settings: MakeSettings) -> Settings:
    return make_settings({})


@pytest.fixture
def table(settings: Settings) -> CheckedTable:
    return data.check_file(settings)


def upload(
    settings: Settings, table: CheckedTable, acceptance: Acceptance | None = None, **how: bool
) -> data.Uploaded:
    return data.upload(NOWHERE, settings, Terminal(as_json=True), table, acceptance, **how)


def test_a_release_never_registers_the_table_of_its_repository_again(
    store: MemoryDatastore, settings: Settings, table: CheckedTable
) -> None:
    assert upload(settings, table).created
    for number in range(30):
        store.add(f"delivery-{number}", **LATER)
    again = upload(settings, table)
    assert (again.version, again.created, again.newest, len(store.versions)) == (1, False, 31, 31)
    assert "is version 1, not this one" in publish._other_table(NOWHERE, settings, store.versions[-1])


def test_a_table_that_ends_before_the_newest_version_needs_a_reason(
    store: MemoryDatastore, settings: Settings, table: CheckedTable
) -> None:
    store.add("delivery", columns=table.columns, **LATER)
    with pytest.raises(ContractError, match=r"ends on 2014-05-31; expected 2014-06-30.* --reason TEXT"):
        upload(settings, table)
    assert len(store.versions) == 1
    accepted = upload(settings, table, Acceptance("Ada", "June was counted twice", "2014-07-01T09:00:00+00:00"))
    assert (accepted.version, store.versions[-1].tags["accepted_by"]) == (2, "Ada")


def test_a_table_as_new_as_the_newest_version_is_taken(
    store: MemoryDatastore, settings: Settings, table: CheckedTable
) -> None:
    store.add("delivery", columns=table.columns, rows=str(table.rows), last_date=table.last_date)
    assert upload(settings, table).version == 2


def test_a_marker_that_could_not_be_written_is_written_when_the_command_is_repeated(
    store: MemoryDatastore, settings: Settings, table: CheckedTable
) -> None:
    object.__setattr__(store.blobs, "broken", True)
    with pytest.raises(ConnectionError):
        upload(settings, table)
    object.__setattr__(store.blobs, "broken", False)
    assert (upload(settings, table).created, store.markers) == (False, [table.sha256])


def test_no_marker_leads_to_an_old_version(store: MemoryDatastore, settings: Settings, table: CheckedTable) -> None:
    store.add(table.sha256)
    store.add("delivery", **LATER)
    assert (upload(settings, table).version, store.markers) == (1, [])


def test_a_caller_who_trains_on_the_version_starts_no_scheduled_training(
    store: MemoryDatastore, settings: Settings, table: CheckedTable
) -> None:
    for created in (True, False):
        assert (upload(settings, table, announce=False).created, store.markers) == (created, [])
