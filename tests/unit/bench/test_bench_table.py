"""The arithmetic of the benchmark's table and aims."""

from __future__ import annotations

from bench.table import LABELS, aims, summary, table

TIMES = {
    ("dvc", "first"): [6.0, 5.0, 9.0],
    ("dvc", "again"): [0.5],
    ("server_up", "first"): [3.0, 2.0, 4.0],
    ("five", "first"): [3.5],
}


def test_a_summary_is_the_median_with_its_range() -> None:
    assert summary([6.0, 5.0, 9.0]) == "6.00 (5.00-9.00)"


def test_ratios_are_of_medians_and_only_for_the_same_work() -> None:
    _, _, dvc, server_up, five = table(TIMES).splitlines()
    assert dvc == f"| {LABELS['dvc']} | 6.00 (5.00-9.00) | 1.00 | 0.50 (0.50-0.50) | 1.00 |"
    assert server_up == f"| {LABELS['server_up']} | 3.00 (2.00-4.00) | 0.50 | - | - |"
    assert five == f"| {LABELS['five']} | 3.50 (3.50-3.50) | - | - | - |"


def test_aims_are_judged_only_where_there_are_times() -> None:
    found = {aim.text: aim.met for aim in aims(TIMES)}
    assert found == {
        "server up, submit to Finished under 3 s: five steps that log a metric": False,
        "whole process no slower than dvc cold: server up": True,
    }
