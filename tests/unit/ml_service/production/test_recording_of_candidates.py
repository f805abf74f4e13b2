"""What verbs write of candidates: once each, in their order, beside other writers, and never over a lost ledger."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from types import SimpleNamespace
from typing import Any, cast

import pytest

from azure_ml.workspace import Workspace
from forecasting.decision.record import DecisionRecord
from ml_service.azure_devops.approvals import Approval, Status
from ml_service.errors import CheckFailedError, ConflictError, InvalidRequestError
from ml_service.production import ledger
from ml_service.production.candidates import recording
from ml_service.production.candidates.candidate import State
from ml_service.production.candidates.reading import Registry
from ml_service.production.candidates.recording import Desk
from ml_service.production.candidates.releasing import demand_releasable
from ml_service.production.chain import deployments, store
from ml_service.production.chain.entry import NONE
from ml_service.production.chain.store import Chain
from ml_service.settings.build import Build
from tests.unit.ml_service.conftest import MakeSettings
from tests.unit.ml_service.production.candidate_story import STAGE, Story
from tests.unit.ml_service.production.memory_blobs import MemoryBlobs

PROBLEM = "paid_amount"
REJECTED = Approval(Status.REJECTED, "Grace", "not before Monday", "2026-11-30T12:00:00+00:00")


@dataclass
class House:
    """One problem whose ledger and registry are in memory."""

    settings: Any
    blobs: MemoryBlobs = field(default_factory=MemoryBlobs)
    story: Story = field(default_factory=Story)
    approvals: dict[str, Approval] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)

    def desk(self, build: int) -> Desk:
        """A verb of a build."""
        by = Build(str(build), "commit", "Ada")
        return Desk(
            Workspace(None, "w", "g"), self.settings, by, lambda b, _: self.approvals.get(b), self.said.append
        )

    def accept(self, version: int, build: int, run: str, stage: str = STAGE) -> None:
        """The gate accepts a version in a training run."""
        sha256 = self.story.register(version).model_sha256
        champion = SimpleNamespace(version=str(self.story.champion)) if self.story.champion else None
        evidence = SimpleNamespace(
            challenger=SimpleNamespace(model_sha256=sha256), override=None, sentence="it is better"
        )
        context = SimpleNamespace(model_name="m", run_id=run, champion=champion)
        decision = SimpleNamespace(evidence=evidence, context=context, sha256="d" * 64)
        recording.accept(self.desk(build), cast(DecisionRecord, decision), version, stage)

    @property
    def chain(self) -> Chain:
        """The ledger as it is stored."""
        found = store.read(self.blobs, PROBLEM)
        assert not found.faults
        return found

    @property
    def events(self) -> list[str]:
        """Names and subjects of the entries."""
        return [f"{entry.event.removeprefix('candidate.')} {entry.subject}" for entry in self.chain.entries]


@pytest.fixture
def house(make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch) -> House:
    """A ledger without entries, a registry without versions."""
    made = House(make_settings({}))

    def registry(*_: object) -> Registry:
        return Registry(tuple(made.story.models.values()), made.story.models.get(made.story.champion or 0), 30)

    monkeypatch.setattr(recording, "open_blobs", lambda _: made.blobs)
    monkeypatch.setattr(recording, "read_registry", registry)
    monkeypatch.setattr(ledger, "read_stored", lambda blobs, *_: (store.read(blobs, PROBLEM), ()))
    return made


def test_an_acceptance_is_recorded_once_with_the_approval_that_it_awaits(house: House) -> None:
    for _ in range(2):
        house.accept(1, build=7, run="r1")
    assert house.events == ["accepted m:1", "awaiting_approval m:1"]
    first, second = house.chain.entries
    assert (first.who, first.build_id, first.details["compared_with"]) == ("Ada", "7", "none")
    assert second.details["stage"] == STAGE


def test_without_a_stage_nothing_is_awaited(house: House) -> None:
    house.accept(1, build=7, run="r1", stage="")
    assert house.events == ["accepted m:1"]


def test_the_rejection_of_an_earlier_build_is_recorded_before_the_same_bytes_are_accepted_again(house: House) -> None:
    house.accept(1, build=7, run="r1")
    house.approvals["7"] = REJECTED
    house.accept(1, build=8, run="r2")
    assert house.events == [
        "accepted m:1",
        "awaiting_approval m:1",
        "rejected m:1",
        "accepted m:1",
        "awaiting_approval m:1",
    ]
    rejected = house.chain.entries[2]
    assert (rejected.who, rejected.details["reason"], rejected.build_id) == ("Grace", "not before Monday", "8")
    assert "candidate m:1: rejected since 2026-11-30T12:00:00+00:00 by Grace: not before Monday" in house.said


def test_a_second_build_that_asks_for_the_same_candidate_has_its_rejection_recorded(house: House) -> None:
    house.accept(1, build=7, run="r1")
    house.approvals["7"] = Approval(Status.ENDED, said="timedOut")
    house.approvals["8"] = Approval(Status.PENDING)
    for _ in range(2):
        house.accept(1, build=8, run="r1")
    assert house.events[2:] == ["accepted m:1", "awaiting_approval m:1"]
    assert house.chain.entries[-1].details["build_id"] == "8"
    house.approvals["8"] = REJECTED
    recording.settle(house.desk(9))
    assert house.events[4:] == ["rejected m:1"]


def test_a_candidate_that_was_rejected_awaits_nothing(house: House) -> None:
    house.accept(1, build=7, run="r1")
    house.approvals["7"] = REJECTED
    recording.settle(house.desk(8))
    house.accept(1, build=9, run="r1")
    assert house.events == ["accepted m:1", "awaiting_approval m:1", "rejected m:1"]


def test_what_is_due_is_recorded_once_by_whichever_verb_comes(house: House) -> None:
    house.accept(1, build=7, run="r1")
    house.approvals["7"] = REJECTED
    for build in (8, 9):
        recording.settle(house.desk(build))
    assert house.events[2:] == ["rejected m:1"]


def test_the_champions_own_bytes_are_no_candidate(house: House) -> None:
    house.story.register(1)
    house.story.champion = 1
    house.accept(1, build=7, run="r1")
    assert house.events == []


def started(house: House) -> None:
    """Another process begins a deployment."""
    record = {"event": "release", "model_name": "m", "model_version": "1", "service": "s", "workspace": "w"}
    event = deployments.started("d1", record, NONE, house.desk(99).actor)
    store.append(house.blobs, house.chain, house.chain.next_entry(event))


def test_beside_another_writer_nothing_is_lost_and_nothing_is_written_twice(house: House) -> None:
    house.accept(1, build=7, run="r1")
    house.approvals["7"] = REJECTED
    house.blobs.before_create.append(partial(recording.settle, house.desk(8)))
    recording.settle(house.desk(9))
    assert house.events[2:] == ["rejected m:1"]
    house.blobs.before_create.append(partial(started, house))
    house.accept(2, build=10, run="r3", stage="")
    assert house.events[3:] == ["deployment.started d1", "accepted m:2"]


def test_who_changes_production_follows_entries_of_candidates_and_stops_at_any_other(house: House) -> None:
    before = house.chain
    house.accept(1, build=7, run="r1")
    event = deployments.withdrawn(before.next_entry(_begun(house)), house.desk(9).actor)
    chain = store.append_beside_others(house.blobs, before, event)
    assert [entry.sequence for entry in chain.entries] == [1, 2, 3]
    assert chain == house.chain
    started(house)
    with pytest.raises(ConflictError, match="entry 4 of the ledger"):
        store.append_beside_others(house.blobs, chain, event)
    assert len(house.events) == 4


def _begun(house: House) -> Any:
    record = {"event": "release", "model_name": "m", "model_version": "1", "service": "s", "workspace": "w"}
    return deployments.started("d0", record, NONE, house.desk(9).actor)


def test_a_candidate_is_withdrawn_with_a_reason_and_only_while_it_is_open(house: House) -> None:
    house.accept(1, build=7, run="r1")
    desk = house.desk(9)
    with pytest.raises(InvalidRequestError, match="requires a reason"):
        recording.withdraw(desk, 1, " ")
    with pytest.raises(InvalidRequestError, match="no candidate unit:2"):
        recording.withdraw(desk, 2, "wrong table")
    assert recording.withdraw(desk, 1, "wrong table").state is State.UNKNOWN
    entry = house.chain.entries[-1]
    assert (entry.event, entry.who, entry.details["reason"]) == ("candidate.withdrawn", "Ada", "wrong table")
    with pytest.raises(CheckFailedError, match="cannot be withdrawn") as raised:
        recording.withdraw(desk, 1, "again")
    assert "withdrawn since" in raised.value.found
    assert len(house.events) == 3


def test_a_ledger_that_was_changed_is_not_extended_and_the_verb_goes_on(house: House) -> None:
    house.accept(1, build=7, run="r1")
    house.blobs.stored[store.path(PROBLEM, 1)] += b" "
    with pytest.raises(CheckFailedError, match="was changed or damaged"):
        recording.settle(house.desk(8))
    recording.try_to(recording.settle, house.desk(8))
    assert "the next writing verb records them" in house.said[-1]
    assert len(house.blobs.stored) == 2


@pytest.mark.parametrize(
    ("state", "at_a_terminal", "in_a_pipeline"),
    [
        ("accepted", True, True),
        ("awaiting approval", True, True),
        ("released", True, True),
        ("rejected", False, True),
        ("unknown", False, True),
        ("superseded", False, True),
        ("expired", False, False),
        ("withdrawn", False, False),
    ],
)
def test_who_may_release_what_without_a_reason(state: str, at_a_terminal: bool, in_a_pipeline: bool) -> None:
    """A reason that a build was queued with was given before the expiry or the withdrawal, and excuses neither."""
    candidate = cast(Any, SimpleNamespace(state=State(state), model="m:1", line=f"{state} since then"))
    for in_pipeline, free in ((False, at_a_terminal), (True, in_a_pipeline)):
        for reason in ("", "a customer waits"):
            if free or (reason and not in_pipeline):
                demand_releasable(candidate, reason, in_pipeline=in_pipeline)
                continue
            with pytest.raises(CheckFailedError, match=f"it is {state}") as raised:
                demand_releasable(candidate, reason, in_pipeline=in_pipeline)
            assert "--reason TEXT" in raised.value.todo
