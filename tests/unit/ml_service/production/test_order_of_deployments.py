"""Deployments are ordered by what followed what: neither a killed release nor a clock that went back hides one."""

from __future__ import annotations

import hashlib
from types import SimpleNamespace
from typing import Any, cast

import pytest

from azure_ml.pipelines.runs import Run
from ml_service.production import ledger
from ml_service.production.ledger import NONE, Record
from ml_service.production.site import Serving, last_good


def record(number: int, version: int, before: int | None, state: str = ledger.SUCCEEDED, **other: str) -> Record:
    """Deployment `number` of a version; before: what served then. other: its other properties, and `created`."""
    created = other.pop("created", f"2026-11-27T10:{number:02}:00")
    properties = {
        "model_name": "m",
        "model_version": str(version),
        "production_version": str(version),
        "model_sha256": f"{version:064}",
        "decision_sha256": f"{version:064}",
        "scoring_sha256": "5" * 64,
        "environment_sha256": "6" * 64,
        "run_id": f"trained-{version}",
        "build_id": f"b{number}",
        "from": f"d{before}" if before else NONE,
        **({"state": state} if state else {}),
        **other,
    }
    sdk = SimpleNamespace(
        id=f"d{number}", properties=properties, _run_dto={"created_utc": created, "run_number": number}
    )
    return Record(Run(sdk), properties, created)


def previous(*known: Record) -> str:
    """What `rollback --to previous` restores, given the newest of these; empty where there is nothing."""
    found = ledger.previous(known, known[-1])
    return found.id if found else ""


def test_previous_passes_over_a_killed_release_and_its_repetition() -> None:
    assert previous(record(1, 1, None), record(2, 2, 1, state=""), record(3, 2, 2)) == "d1"


@pytest.mark.parametrize("state", [ledger.FAILED, ledger.ROLLED_BACK, ""])
def test_previous_is_never_a_deployment_that_did_not_succeed(state: str) -> None:
    assert previous(record(1, 1, None), record(2, 3, 1, state=state), record(3, 2, 2)) == "d1"


def test_previous_of_a_release_that_never_ended_is_what_served_before() -> None:
    assert previous(record(1, 1, None), record(2, 2, 1), record(3, 3, 2, state=""), record(4, 3, 3, state="")) == "d2"


def test_previous_has_other_content_than_what_serves() -> None:
    assert previous(record(1, 1, None), record(2, 2, 1), record(3, 2, 2), record(4, 2, 3)) == "d1"


def test_another_scoring_script_is_other_content() -> None:
    assert previous(record(1, 1, None), record(2, 1, 1, scoring_sha256="7" * 64)) == "d1"


def test_back_and_forth_stays_possible() -> None:
    assert previous(record(1, 1, None), record(2, 2, 1), record(3, 1, 2)) == "d2"


@pytest.mark.parametrize(
    "known",
    [
        (record(1, 1, None),),
        (record(1, 1, None, state=""), record(2, 1, 1)),
        (record(1, 1, 2, state=""), record(2, 1, 1)),  # links that lead in a circle end
        (record(2, 2, 1),),  # the record that it names is gone
    ],
)
def test_where_nothing_else_served_there_is_no_previous(known: tuple[Record, ...]) -> None:
    assert previous(*known) == ""


def test_the_order_is_that_of_the_runs_and_not_of_the_clock() -> None:
    """The clock went back by a year before the third deployment, and the service sorts by time."""
    known = ledger.newest_first((record(1, 1, None), record(2, 2, 1), record(3, 1, 2, created="2025-11-27T10:00:00")))
    assert [item.id for item in known] == ["d3", "d2", "d1"]
    unfinished = Serving(cast("Any", SimpleNamespace(name="s")), record(4, 2, 3, state=""))
    good = last_good(unfinished, known)
    assert good is not None
    assert good.id == "d3"


class Kept(Run):
    """A run that keeps one file."""

    def read_file(self, name: str) -> bytes | None:
        """The file, whatever its name is."""
        assert name
        return bytes(self.sdk.content)


def kept(content: bytes) -> Run:
    """A run that has ended with one file."""
    return Kept(SimpleNamespace(id="d1", status="Completed", content=content))


@pytest.mark.parametrize(
    "content", [b"[" * 100_000, b'{"a":' * 100_000, b"{}" + b" " * ledger.MAX_RECORD_BYTES, b'{"a": NaN}', b"[1]"]
)
def test_a_record_that_is_none_any_more_is_not_intact_and_no_fault(content: bytes) -> None:
    found = record(1, 1, None)
    sha256 = hashlib.sha256(content).hexdigest()
    changed = Record(kept(content), {**found.properties, "record_sha256": sha256}, found.started)
    document, differences = ledger.compare(changed)
    assert document == {}
    assert differences
    most = (b'{"state": "x"}' + b" " * ledger.MAX_RECORD_BYTES)[: ledger.MAX_RECORD_BYTES]
    at_the_cap = {**found.properties, "record_sha256": hashlib.sha256(most).hexdigest()}
    assert ledger.compare(Record(kept(most), at_the_cap, found.started))[0] == {"state": "x"}
