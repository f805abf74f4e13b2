"""A change of the YAML shows here as a difference of what the service would run."""

from __future__ import annotations

import difflib

import pytest

from local_azure.pipelines.check.pipeline_check import check
from tests.pipelines.golden import CASES, FOLDER, PIPELINES, Case, text_of


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_expansion_is_the_golden_one(case: Case) -> None:
    expected, found = case.golden.read_text(encoding="utf-8"), text_of(case)
    difference = difflib.unified_diff(
        expected.splitlines(), found.splitlines(), f"golden/{case.name}.yml", "now", lineterm="", n=4
    )

    assert found == expected, "\n".join(["read the difference, then: make golden", *difference])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_it_has_no_fault(case: Case) -> None:
    _, problems = check(case.file, case.parameters, case.facts)

    assert [str(problem) for problem in problems] == []


def test_every_golden_file_has_a_case_and_every_pipeline_one() -> None:
    assert {path.name for path in FOLDER.iterdir()} == {case.golden.name for case in CASES}
    assert {path.stem for path in PIPELINES.glob("*.yml")} == {case.pipeline for case in CASES}


def test_an_unknown_parameter_and_a_wrong_value_are_faults() -> None:
    for name, parameters in (("retrain", {"reason": "boredom"}), ("release", {"redploy": "true"})):
        _, problems = check(PIPELINES / f"{name}.yml", parameters)
        assert problems, parameters
