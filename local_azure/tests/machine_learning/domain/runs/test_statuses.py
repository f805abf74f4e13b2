"""The words of the run history and the codes of the pipelines plane tell the same."""

from __future__ import annotations

from local_azure.machine_learning.domain.runs.statuses import NODE_CODES, PIPELINE_RUN_CODES, RunStatus


def test_every_final_status_has_a_code_of_its_own_in_both_sets() -> None:
    final = [status for status in RunStatus if status.is_final]
    assert final == ["Completed", "Failed", "Canceled"]
    assert [PIPELINE_RUN_CODES[status] for status in final] == ["3", "2", "4"]
    assert [NODE_CODES[status] for status in final] == ["4", "3", "5"]
    assert (PIPELINE_RUN_CODES[RunStatus.RUNNING], NODE_CODES[RunStatus.RUNNING]) == ("1", "2")


def test_a_run_moves_up_only() -> None:
    ranks = [status.rank for status in RunStatus]
    assert ranks == sorted(ranks)
    assert len({status.rank for status in RunStatus if status.is_final}) == 1
