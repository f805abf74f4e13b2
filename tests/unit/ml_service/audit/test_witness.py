"""What commands write of what happened: behind the last entry, beside other writers, and never in silence."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from azure_ml.errors import AzureMlError
from azure_ml.workspace import Workspace
from ml_service.audit.events import kinds, witness
from ml_service.audit.events.kinds import Attempt, Table
from ml_service.audit.events.witness import Witness
from ml_service.azure_devops.approvals import Approval, Status
from ml_service.errors import CheckFailedError, FaultError
from ml_service.production.chain import deployments, store
from ml_service.production.chain.entry import MAX_ENTRY_BYTES, NONE, Event, utc_now
from ml_service.production.chain.store import Chain
from ml_service.settings.build import Build
from tests.unit.ml_service.conftest import MakeSettings
from tests.unit.ml_service.production.memory_blobs import MemoryBlobs

PROBLEM = "paid_amount"
TABLE = Table("data", 3, "a" * 64, "week.csv", 12, "2026-01-01", "2026-01-12")


class CountedBlobs(MemoryBlobs):
    """Blobs that tell which ones were read."""

    def __init__(self) -> None:
        super().__init__()
        object.__setattr__(self, "read_names", list[str]())

    read_names: list[str]

    def read(self, name: str) -> bytes | None:
        """See Blobs."""
        self.read_names.append(name)
        return super().read(name)


@dataclass
class House:
    """A ledger in memory, and a command that writes to it."""

    settings: Any
    blobs: CountedBlobs = field(default_factory=CountedBlobs)
    said: list[str] = field(default_factory=list)

    def witness(self, build: int = 7) -> Witness:
        """A command of a build."""
        return Witness(Workspace(None, "w", "g"), self.settings, Build(str(build), "c", "Ada"), self.said.append)

    @property
    def chain(self) -> Chain:
        """The ledger as it is stored."""
        found = store.read(self.blobs, PROBLEM)
        assert not found.faults
        return found

    @property
    def told(self) -> list[str]:
        """Kinds and subjects of the entries."""
        return [f"{entry.event} {entry.subject}" for entry in self.chain.entries]


@pytest.fixture
def house(make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch) -> House:
    """An empty ledger."""
    made = House(make_settings({"SYSTEM_STAGENAME": "Production"}))
    monkeypatch.setattr(witness, "open_blobs", lambda _: made.blobs)
    return made


def accepted(actor: deployments.Actor) -> list[Event]:
    """One event."""
    return [kinds.data_accepted(TABLE, actor)]


def test_an_event_is_written_behind_the_last_entry_and_reads_no_other(house: House) -> None:
    for _ in range(5):
        house.witness().record(accepted)
    house.blobs.read_names.clear()
    house.witness().record(accepted)
    assert house.blobs.read_names == [store.path(PROBLEM, 5)]
    assert house.told == ["data.accepted data:3"] * 6
    last = house.chain.entries[-1]
    assert (last.who, last.build_id, last.evidence) == ("Ada", "7", {"data_sha256": "a" * 64})
    assert last.details["rows"] == "12", "numbers are decimal texts"


def test_another_writer_at_the_same_moment_comes_first_and_nothing_is_lost(house: House) -> None:
    house.witness().record(accepted)

    def other() -> None:
        house.witness(8).record(accepted)

    house.blobs.before_create.append(other)
    house.witness().record(lambda actor: [*accepted(actor), *accepted(actor)])
    assert [entry.build_id for entry in house.chain.entries] == ["7", "8", "7", "7"]


def test_an_entry_that_cannot_be_written_is_said_and_fails_no_command(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def closed(_: Workspace) -> MemoryBlobs:
        raise AzureMlError("the datastore has no credential")

    monkeypatch.setattr(witness, "open_blobs", closed)
    assert house.witness().record(accepted) == ()
    assert "this is not recorded in the ledger yet: the datastore has no credential" in house.said[0]


def test_nothing_is_written_behind_an_entry_that_was_changed(house: House) -> None:
    house.witness().record(accepted)
    house.blobs.stored[store.path(PROBLEM, 1)] += b" "
    house.witness().record(accepted)
    assert list(house.blobs.stored) == [store.path(PROBLEM, 1)]
    assert "was changed or damaged" in house.said[0]


def test_no_entry_is_stored_that_could_not_be_read_again(house: House) -> None:
    table = Table("data", 3, "a" * 64, "x" * MAX_ENTRY_BYTES)
    with pytest.raises(FaultError, match="too large for the ledger"):
        house.witness().write(lambda actor: [kinds.data_accepted(table, actor)])
    assert not house.blobs.stored


def test_the_longest_texts_fit_into_an_entry(house: House) -> None:
    long = "\U0001f600" * 10_000
    house.witness().write(lambda actor: [kinds.data_quarantined(TABLE, (long,) * 99, actor)])
    error = CheckFailedError(long, found=long, expected=long)
    house.witness().record_refusal(Attempt("release", "version 9", utc_now(), long[:500]), error)
    assert [entry.event for entry in house.chain.entries] == ["data.quarantined", "request.refused"]
    assert house.chain.entries[0].details["findings"][-1] == "and 79 more findings"


def test_a_refused_request_is_recorded_with_what_was_asked_and_why_not(house: House) -> None:
    error = CheckFailedError("version 99 has never served", expected="one of the versions 1, 2")
    house.witness().record_refusal(Attempt("rollback", "99", utc_now(), "worse"), error)
    (entry,) = house.chain.entries
    assert (entry.event, entry.subject, entry.details["verb"]) == ("request.refused", "99", "rollback")
    assert (entry.details["reason"], entry.details["exit_code"]) == ("worse", "3")
    assert entry.details["expected"] == "one of the versions 1, 2"


def test_nothing_is_added_to_a_damaged_ledger_so_that_the_copy_can_be_restored(house: House) -> None:
    house.witness().write(accepted)
    house.witness().write(accepted)
    del house.blobs.stored[store.path(PROBLEM, 1)]
    house.witness().record_refusal(Attempt("release", "version 9", utc_now(), ""), CheckFailedError("damaged"))
    assert list(house.blobs.stored) == [store.path(PROBLEM, 2)]
    assert "warning: this is not recorded in the ledger yet" in house.said[-1]


def test_a_deployment_that_was_begun_tells_itself_how_it_ended(house: House) -> None:
    attempt, by = Attempt("release", "version 1", utc_now()), house.witness()
    record = {"event": "release", "model_name": "m", "model_version": "1", "service": "s", "workspace": "w"}
    by.record(lambda actor: [deployments.started("d1", record, NONE, actor)])
    by.record_refusal(attempt, CheckFailedError("it answers wrongly"))
    assert house.told == ["deployment.started d1"]
    house.witness(8).record_refusal(attempt, CheckFailedError("held by another process"))
    assert house.told == ["deployment.started d1", "request.refused version 1"]


def test_an_approval_is_recorded_where_azure_devops_tells_who_gave_it(house: House) -> None:
    given = Approval(Status.APPROVED, "Grace", "looks right", "2026-11-30T12:00:00+00:00", "a1", "approved")
    house.witness().record_approval(lambda build, stage: given if (build, stage) == ("7", "Production") else None)
    house.witness(8).record_approval(lambda *_: None)
    (entry,) = house.chain.entries
    assert (entry.event, entry.subject) == ("approval.given", "7/Production")
    assert (entry.details["person"], entry.details["comment"]) == ("Grace", "looks right")


def test_what_is_known_is_not_written_twice(house: House) -> None:
    for _ in range(2):
        house.witness().record_new(accepted)
    assert house.told == ["data.accepted data:3"]
