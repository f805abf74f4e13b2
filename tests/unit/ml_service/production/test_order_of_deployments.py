"""Deployments are ordered by the ledger: neither a killed release nor a clock that went back hides one."""

from __future__ import annotations

import hashlib
from types import SimpleNamespace
from typing import cast

import pytest

from azure_ml.pipelines.runs import Run
from azure_ml.workspace import Workspace
from ml_service.errors import CheckFailedError
from ml_service.production import ledger, rollback
from ml_service.production.chain import deployments
from ml_service.production.chain.entry import NONE
from ml_service.production.chain.store import Chain
from ml_service.production.ledger import Record
from ml_service.production.recording import Recorder
from ml_service.production.site import last_good
from tests.unit.ml_service.production.candidate_story import Story

WORKSPACE = Workspace(None, "w", "g")
ACTOR = {"who": "Ada", "identity": "unknown", "build_id": "b", "commit": "c"}


def record(number: int, version: int, state: str = ledger.SUCCEEDED, run: Run | None = None, **other: str) -> Record:
    """Deployment `number` of a version; other: its other properties, `when` and `record_sha256`."""
    actor = {**ACTOR, "when": other.pop("when", f"2026-11-27T10:{number:02}:00")}
    sha256 = other.pop("record_sha256", "")
    properties = {
        "event": ledger.RELEASE,
        "workspace": "production",
        "service": "m",
        "model_name": "m",
        "model_version": str(version),
        "production_version": str(version),
        "model_sha256": f"{version:064}",
        "decision_sha256": f"{version:064}",
        "scoring_sha256": "5" * 64,
        "environment_sha256": "6" * 64,
        "run_id": f"trained-{version}",
        "build_id": f"b{number}",
        "commit": "c",
        **other,
    }
    chain = Chain("p")
    opened = chain.next_entry(deployments.started(f"d{number}", properties, NONE, actor))
    closed = chain.next_entry(deployments.closed(opened, state, sha256, actor)) if state else None
    return Record(opened, closed, run)


def previous(*known: Record, live: int | None = None) -> str:
    """What `rollback --to previous` restores, given the oldest first; live: number of what serves, else the last."""
    newest_first = known[::-1]
    serves = ledger.find(newest_first, f"d{live}") if live else newest_first[0]
    found = ledger.previous(newest_first, serves)
    return found.id if found else ""


def test_previous_passes_over_a_killed_release_and_its_repetition() -> None:
    assert previous(record(1, 1), record(2, 2, ledger.ABANDONED), record(3, 2)) == "d1"


@pytest.mark.parametrize("state", [ledger.FAILED, ledger.UNDONE, ledger.ABANDONED, "rolled-back", ""])
def test_previous_is_never_a_deployment_that_did_not_succeed(state: str) -> None:
    assert previous(record(1, 1), record(2, 3, state), record(3, 2)) == "d1"


def test_previous_of_a_killed_release_that_serves_is_the_last_that_succeeded() -> None:
    assert previous(record(1, 1), record(2, 2), record(3, 3, ""), record(4, 3, ledger.ABANDONED)) == "d2"


def test_previous_after_a_killed_release_that_never_served_is_other_content() -> None:
    assert previous(record(1, 8), record(2, 9), record(3, 9, ledger.ABANDONED), live=2) == "d1"


@pytest.mark.parametrize("live", [2, 3])
def test_a_killed_rollback_is_repeated_to_where_it_was_going(live: int) -> None:
    going_back = record(3, 1, ledger.ABANDONED, event=ledger.ROLLBACK)
    assert previous(record(1, 1), record(2, 2), going_back, live=live) == "d1"


def test_previous_has_other_content_than_what_serves() -> None:
    assert previous(record(1, 1), record(2, 2), record(3, 2), record(4, 2)) == "d1"


def test_another_scoring_script_is_other_content() -> None:
    assert previous(record(1, 1), record(2, 1, scoring_sha256="7" * 64)) == "d1"


def test_back_and_forth_stays_possible() -> None:
    assert previous(record(1, 1), record(2, 2), record(3, 1)) == "d2"


@pytest.mark.parametrize(
    "known",
    [
        (record(1, 1),),
        (record(1, 1, ""), record(2, 1)),
        (record(1, 2, ledger.ABANDONED),),
        (record(1, 1), record(2, 1)),
    ],
)
def test_where_nothing_else_served_there_is_no_previous(known: tuple[Record, ...]) -> None:
    assert previous(*known) == ""


def test_what_serves_is_the_starting_point_only_while_it_has_not_succeeded() -> None:
    assert ledger.previous((record(2, 2), record(1, 1)), None) == record(1, 1), "also where nothing is live"


class LegacyRun(Run):
    """A run as an earlier version kept a deployment in it."""

    def __init__(self, number: int, created: str, **properties: str) -> None:
        document = {"created_utc": created, "end_time_utc": created, "run_number": number}
        super().__init__(SimpleNamespace(id=f"d{number}", properties=properties, _run_dto=document))


def legacy(number: int, version: int, state: str, created: str = "2026-11-27T10:00:00", **other: str) -> LegacyRun:
    properties = {**record(number, version).properties, "record_sha256": "a" * 64, **other}
    return LegacyRun(number, created, **properties, **({"state": state} if state else {}))


def migrated(chain: Chain, *runs: Run, most: int = 100) -> Chain:
    for event in list(deployments.migrate(chain, runs, ledger.NAMES))[:most]:
        chain = chain.followed_by(event)
    return chain


RUNS = (
    legacy(3, 1, ledger.SUCCEEDED, "2025-11-27T10:00:00", **{"from": "d2"}),
    legacy(2, 2, "rolled-back", **{"from": "d1"}),
    legacy(1, 1, ledger.SUCCEEDED),
    legacy(4, 3, ""),
    LegacyRun(5, "2026-11-27T10:00:00"),
)


def test_records_of_an_earlier_version_keep_the_order_of_their_runs_and_not_of_the_clock() -> None:
    chain = migrated(Chain("p"), *RUNS)
    known = ledger.records_of(chain, RUNS, WORKSPACE)
    assert [(item.id, item.state) for item in known] == [
        ("d4", ""),
        ("d3", ledger.SUCCEEDED),
        ("d2", "rolled-back"),
        ("d1", ledger.SUCCEEDED),
    ]
    assert [entry.sequence for entry in chain.entries] == [1, 2, 3, 4, 5, 6, 7]
    assert (chain.entries[2].before, chain.entries[2].after) == ("m:1", "m:2")
    assert chain.entries[1].evidence == {"record_sha256": "a" * 64}
    good = last_good(known)
    assert good is not None
    assert good.id == "d3"


@pytest.mark.parametrize("most", range(8))
def test_a_migration_that_broke_off_goes_on_where_it_was(most: int) -> None:
    begun = migrated(Chain("p"), *RUNS, most=most)
    assert migrated(begun, *RUNS) == migrated(Chain("p"), *RUNS)


def test_nothing_is_migrated_once_this_version_has_written() -> None:
    chain = Chain("p").followed_by(deployments.started("d9", record(9, 1).properties, NONE, {**ACTOR, "when": "now"}))
    assert migrated(chain, *RUNS) == chain


def test_what_is_recorded_of_candidates_does_not_end_the_migration() -> None:
    story = Story()
    story.accept(1)
    found = migrated(story.chain, *RUNS).entries
    assert [entry.event.partition(".")[0] for entry in found] == ["candidate"] * 2 + ["deployment"] * 7


class Kept(Run):
    """A run that keeps one file."""

    def read_file(self, name: str) -> bytes | None:
        """The file, whatever its name is."""
        assert name
        return bytes(self.sdk.content)


def kept(content: bytes) -> Run:
    """A run that has ended with one file."""
    return Kept(SimpleNamespace(id="d1", status="Completed", properties=record(1, 1).properties, content=content))


@pytest.mark.parametrize(
    "content", [b"[" * 100_000, b'{"a":' * 100_000, b"{}" + b" " * ledger.MAX_RECORD_BYTES, b'{"a": NaN}', b"[1]"]
)
def test_a_record_that_is_none_any_more_is_not_intact_and_no_fault(content: bytes) -> None:
    changed = record(1, 1, run=kept(content), record_sha256=hashlib.sha256(content).hexdigest())
    document, differences = ledger.compare(changed)
    assert document == {}
    assert differences
    most = (b'{"state": "x"}' + b" " * ledger.MAX_RECORD_BYTES)[: ledger.MAX_RECORD_BYTES]
    at_the_cap = record(1, 1, run=kept(most), record_sha256=hashlib.sha256(most).hexdigest())
    assert ledger.compare(at_the_cap)[0] == {"state": "x"}


def test_a_deleted_run_is_a_difference() -> None:
    found = ledger.compare(record(1, 1, record_sha256="a" * 64))[1]
    assert [str(item) for item in found] == ["run is absent, entry 1 of the ledger says d1"]


@pytest.mark.parametrize(("known", "to"), [((record(1, 1),), "m:1"), ((), NONE)])
def test_the_hook_of_a_build_that_has_deployed_nothing_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, known: tuple[Record, ...], to: str
) -> None:
    live = SimpleNamespace(record=known[0], service=SimpleNamespace(url="http://x/score")) if known else None
    monkeypatch.setattr(rollback, "serving", lambda *_: live)
    site = SimpleNamespace(build=SimpleNamespace(build_id="b2"))  # whoever asks more of it fails
    recorder = cast(Recorder, SimpleNamespace(site=site, here=known))
    done = rollback._rollback(recorder, rollback.BEFORE_THIS_BUILD)
    assert (done.to, done.before, done.deployment) == (to, to, "")


LEFT = {"event": ledger.ROLLBACK, "from": "d2"}


def test_previous_is_refused_where_it_was_itself_rolled_back() -> None:
    """Who typed `rollback --to previous` twice once got the bad version back."""
    back = record(3, 1, ledger.SUCCEEDED, None, **LEFT, asked_because="too high on Mondays")
    known = (back, record(2, 2), record(1, 1))
    target = rollback.target_of(known, back, rollback.PREVIOUS, "b9")
    assert target is not None and target.id == "d2"
    with pytest.raises(CheckFailedError) as refused:
        rollback.demand_not_left(known, target)
    for said in ("m:2, was itself rolled back", "by Ada", "too high on Mondays", "rollback --to d2 --reason TEXT"):
        assert said in str(refused.value)
    released = (record(4, 2), *known)
    target = rollback.target_of(released, released[0], rollback.PREVIOUS, "b9")
    assert target is not None and target.id == "d3"
    rollback.demand_not_left(released, target)
    undone = (record(3, 1, ledger.UNDONE, None, **LEFT), *known[1:])
    rollback.demand_not_left(undone, known[1])
