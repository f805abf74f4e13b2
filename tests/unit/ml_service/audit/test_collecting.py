"""What no command saw is recorded once, afterwards, and says so."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from azure_ml.pipelines.runs import Run
from forecasting.inbox.files import Receipt
from ml_service.audit.events import collecting, kinds
from ml_service.audit.retain import unsuccessful
from ml_service.azure_devops.approvals import Approval, Status
from ml_service.production.chain.deployments import Actor
from ml_service.production.chain.entry import Entry, Event
from ml_service.production.chain.store import Chain

BY: Actor = {"who": "Ada", "identity": "i", "when": "2026-01-01T00:00:00+00:00", "build_id": "9", "commit": "c"}


def run(name: str, status: str, number: int, **properties: str) -> Run:
    """A run without files."""
    facts: dict[str, Any] = {"id": name, "status": status, "number": number, "created": "t1", "ended": "t2"}
    return cast(Run, SimpleNamespace(**facts, created_by="spn", experiment="e", properties=properties))


def entries(*events: Event) -> tuple[Entry, ...]:
    """A ledger of these."""
    chain = Chain("p")
    for event in events:
        chain = chain.followed_by(event)
    return chain.entries


def told(events: Any) -> list[tuple[str, str]]:
    """Kinds and subjects."""
    return [(event.event, event.subject) for event in events]


def test_runs_that_have_ended_and_that_no_entry_tells_of() -> None:
    runs = [run("r3", "Canceled", 3), run("r2", "Running", 2), run("r1", "Completed", 1, outcome="kept")]
    found = list(collecting.of_runs((), runs, BY))
    assert told(found) == [("run.finished", "r1"), ("run.canceled", "r3")]
    assert all("collected" in event.details for event in found)
    assert found[0].identity == "spn"
    assert list(collecting.of_runs(entries(*found), runs, BY)) == []


def receipt(file: str, version: int | None, sha256: str = "a") -> Receipt:
    """What the inbox keeps of a file."""
    return Receipt(
        file=file, etag="e", size=1, sha256=sha256, problem="p", when="t", version=version, findings=("bad",)
    )


def test_deliveries_are_recorded_once_for_a_version_or_for_the_bytes_of_a_file() -> None:
    receipts = [receipt("b.csv", None), receipt("a.csv", 1), receipt("again.csv", 1), receipt("b.csv", None, "c")]
    found = list(collecting.of_deliveries((), receipts, "d", BY))
    assert told(found) == [("data.accepted", "d:1"), ("data.quarantined", "d/b.csv"), ("data.quarantined", "d/b.csv")]
    assert list(collecting.of_deliveries(entries(*found), receipts, "d", BY)) == []


def test_answers_to_approvals_are_recorded_once_and_never_guessed() -> None:
    asked = entries(*(kinds.approval_requested("rollback", "m:1", "worse", {**BY, "build_id": b}, {}) for b in "123"))
    answers = {
        "1": {
            "Production_p": Approval(Status.REJECTED, "Grace", "no"),
            "Production_q": Approval(Status.APPROVED, "Grace", "yes"),
        },
        "2": {"Production_p": Approval(Status.PENDING)},
    }
    found = list(collecting.of_approvals(asked, "p", answers.get, BY))
    assert told(found) == [("approval.refused", "1/Production_p")]
    assert (found[0].details["person"], found[0].details["comment"]) == ("Grace", "no")
    seen = list[str]()
    assert list(collecting.of_approvals((*asked, *entries(*found)), "p", seen.append, BY)) == []
    assert seen == ["2", "3"], "a build that has an answer is not asked about again"
    many = [kinds.approval_requested("rollback", "m:1", "x", {**BY, "build_id": str(n)}, {}) for n in range(300)]
    assert list(collecting.of_approvals(entries(*many), "p", seen.append, BY)) == []
    assert seen[2:] == [str(number) for number in range(100, 300)]


@pytest.mark.parametrize("status", [Status.APPROVED, Status.ENDED])
def test_a_person_that_is_not_told_is_unknown(status: Status) -> None:
    assert kinds.approval_answered("1", "Production", Approval(status), BY).details["person"] == "unknown"


def test_builds_that_were_rejected_or_failed_are_kept_once() -> None:
    rejected = kinds.approval_answered("7", "Production", Approval(Status.REJECTED, "Grace", "no"), BY)
    failed = kinds.run_ended(run("r1", "Failed", 1), "Failed", None, {**BY, "build_id": "8"}, report_sha256="")
    local = kinds.run_ended(run("r2", "Failed", 2), "Failed", None, {**BY, "build_id": "local-1"}, report_sha256="")
    known = entries(rejected, *failed, *local)
    assert unsuccessful(known) == {"7": "approval.refused", "8": "run.failed"}
    kept = [kinds.build_retained(build, why, BY) for build, why in unsuccessful(known).items()]
    assert unsuccessful(entries(rejected, *failed, *local, *kept)) == {}
