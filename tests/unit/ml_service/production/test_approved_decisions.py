"""A release is by the decision that was approved, and its record names it."""

from __future__ import annotations

import pytest

from ml_service.errors import ConflictError
from ml_service.production import ledger
from ml_service.production.release import demand_approved
from ml_service.production.rollback import of_target
from tests.unit.ml_service.decisions import decision
from tests.unit.ml_service.production.test_order_of_deployments import record

RUN, DECISION, REPORT = "judged-again", "7" * 64, "8" * 64


def test_a_decision_that_nobody_has_approved_is_refused() -> None:
    found = decision("accepted")
    demand_approved(found, "", "m:7")
    demand_approved(found, found.sha256, "m:7")
    with pytest.raises(ConflictError) as refused:
        demand_approved(found, "0" * 64, "m:7")
    assert refused.value.exit_code == 4
    assert "the decision that accepts it is not the one that was approved" in str(refused.value)
    assert found.sha256 in str(refused.value) and "0" * 64 in str(refused.value)


def test_a_record_names_the_decision_that_was_approved() -> None:
    """Of bytes that were accepted twice, it once named the first decision, whichever was approved."""
    assert record(1, 7).judged == ("trained-7", f"{7:064}"), "of an earlier version"
    again = record(1, 7, approved_run_id=RUN, approved_decision_sha256=DECISION)
    assert again.judged == (RUN, DECISION)
    assert again.opened.evidence[ledger.APPROVED_DECISION] == DECISION, "the ledger itself tells"


def test_a_rollback_is_by_the_decision_of_the_deployment_that_it_restores() -> None:
    told = of_target(record(1, 7, report_sha256=REPORT, approved_run_id=RUN, approved_decision_sha256=DECISION))
    judged = {ledger.APPROVED_RUN: RUN, ledger.APPROVED_DECISION: DECISION}
    assert told == {"back_to": "d1", "report_sha256": REPORT, **judged}
    assert of_target(record(1, 7)) == {"back_to": "d1"}
