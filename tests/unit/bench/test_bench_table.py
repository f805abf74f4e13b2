"""The arithmetic of the benchmark's table and aims."""

from __future__ import annotations

from bench.comparison.samples import AGAIN, FIRST, Sample
from bench.comparison.table import LABELS, aims, summary, table

SAMPLES = [
    Sample("dvc", FIRST, 6.0, cpu=6.5, others=0.1),
    Sample("dvc", FIRST, 5.0, cpu=6.0, others=0.0),
    Sample("dvc", FIRST, 9.0, cpu=7.0, others=0.2),
    Sample("dvc", AGAIN, 0.5, cpu=0.5, others=0.0),
    Sample("server_up", FIRST, 3.0, cpu=4.0, others=0.0),
    Sample("five", FIRST, 3.5, cpu=None, others=0.0),
]


def test_a_summary_is_the_median_with_its_range() -> None:
    assert summary([6.0, 5.0, 9.0]) == "6.00 (5.00-9.00)"


def test_ratios_are_of_medians_and_only_for_the_same_work() -> None:
    _, _, dvc, server_up, five = table(SAMPLES).splitlines()
    assert dvc == f"| {LABELS['dvc']} | 6.00 (5.00-9.00) | 1.00 | 6.5 | 0.50 (0.50-0.50) | 1.00 | 0.5 |"
    assert server_up == f"| {LABELS['server_up']} | 3.00 (3.00-3.00) | 0.50 | 4.0 | - | - | - |"
    assert five == f"| {LABELS['five']} | 3.50 (3.50-3.50) | - | - | - | - | - |"


def test_aims_are_judged_only_where_there_are_times() -> None:
    found = {aim.text: aim.met for aim in aims(SAMPLES)}
    assert found == {
        "server up, submit to Finished under 3 s: five steps that log a metric": False,
        "whole process no slower than dvc cold: server up": True,
    }


def test_preloaded_rows_have_aims_of_their_own() -> None:
    preloaded = [
        Sample("server_up_warm", turn, seconds, cpu=1.0, others=0.0) for turn, seconds in ((FIRST, 2.0), (AGAIN, 0.6))
    ]
    found = {aim.text: (aim.measured, aim.met) for aim in aims([*SAMPLES, *preloaded])}
    assert found["server_up_warm, first run: at most 0.4 of dvc"] == ("0.33", True)
    assert found["server_up_warm, again run: at most 1 of dvc"] == ("1.20", False)
