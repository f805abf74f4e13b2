"""Real decisions of every kind: decision.json keeps its schema, report.html says what was decided, loads nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn
from xml.etree import ElementTree

import pytest
from jsonschema import Draft202012Validator, ValidationError  # type: ignore[import-untyped]

from forecasting.decision.blocks import Override, Request, Workspace
from forecasting.decision.decide import Champion, Decision, decide_candidate
from forecasting.decision.record import DecisionRecord, parse_decision
from forecasting.decision.report import report
from forecasting.json_text import strict_json
from forecasting.models import catalog as candidates
from forecasting.models.model_file import read_model
from forecasting.problem.problem_file import Problem
from tests.sample import DATA, PROBLEMS

ROOT = Path(__file__).resolve().parents[3]
REQUEST = Request(
    reason="manual", build_id="7", commit="<script>alert(1)</script>", run_id="run", step_run_id="step",
    model_name="paid-amount", decided_at="2026-01-02T03:04:05+00:00",
    workspace=Workspace(name="shop", resource_group="rg", tags={"rehearsal": "true"}),
)  # fmt: skip
GOLDEN = ROOT / "tests/unit/forecasting/decision/golden"
CURRENT = GOLDEN / "current"
KINDS = ["accepted", "kept", "failed", "short", "broken", "override", "many accepted", "many kept"]


@dataclass(frozen=True)
class Made:
    """A decision and the candidate it is about."""

    decision: Decision
    candidate: Path

    @property
    def page(self) -> str:
        return report(self.decision.record, read_model(self.candidate).model, self.decision.judgement)


def breaks(*_: object) -> NoReturn:
    """A refit that the numbers do not allow."""
    raise FloatingPointError("a <singular> matrix")


def changed(folder: Path, name: str, **values: str) -> Path:
    """A copy of a problem file with other values of the last key of each name."""
    text = (PROBLEMS / name).read_text()
    for key, value in values.items():
        before, found, after = text.rpartition(f" {key}: ")
        assert found
        text = before + found + re.sub(r"^[0-9.]+", value, after)
    path = folder / f"changed_{name}"
    path.write_text(text)
    return path


@pytest.fixture
def make(step: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Made]:
    """make("kept") trains on an embedded table and lets the gate decide so that it ends in this way."""

    def made(kind: str) -> Made:
        many = kind.startswith("many")
        problem = PROBLEMS / ("product_sales.yml" if many else "paid_amount.yml")
        table = DATA / ("daily_sales_by_product.csv" if many else "daily_by_type.csv")
        candidate = tmp_path / "candidate"
        assert step("train", "--problem", problem, "--data", table, "--candidate", candidate).code == 0
        champion = Champion(read_model(candidate), "m", "3") if kind.endswith("kept") or kind == "override" else None
        if kind == "failed":
            problem = changed(tmp_path, problem.name, floor="0.5")
        if kind == "short":
            problem = changed(tmp_path, problem.name, origins="40", held_back="301")
        if kind == "broken":
            monkeypatch.setattr(candidates.FAMILIES["same_weekday_mean"], "fits", breaks)
        override = (
            Override(person="Ada", reason="the <old> model is worse on Mondays") if kind == "override" else None
        )
        return Made(decide_candidate(Problem(problem), candidate, champion, REQUEST, override=override), candidate)

    return made


@pytest.fixture(scope="module")
def schema() -> Draft202012Validator:
    document = json.loads((ROOT / "docs/decision.schema.json").read_text())
    Draft202012Validator.check_schema(document)
    return Draft202012Validator(document)


@pytest.mark.parametrize("kind", KINDS)
def test_a_real_decision_keeps_the_schema_and_has_its_page(
    make: Callable[[str], Made], schema: Draft202012Validator, kind: str
) -> None:
    made = make(kind)
    document = strict_json(made.decision.record.content)
    schema.validate(document)
    evidence, page = document["evidence"], made.page
    expected = {"short": "failed", "broken": "failed", "override": "accepted"}.get(kind, kind.removeprefix("many "))
    assert evidence["outcome"] == expected
    tone = "override" if kind == "override" else expected
    assert f'<header class="verdict {tone}">' in page, "an override never looks like an acceptance by the gate"
    for rule in evidence["rules"]:
        assert f"<code>{rule['code']}</code>" in page
    assert (evidence["windows"] is None) == (kind == "short")
    drawn = page.count("<figure ")
    assert (evidence["reason"] == "error") == (kind == "broken")
    assert drawn == (0 if kind in {"short", "broken"} else 7 if kind.startswith("many") else 4)
    assert "rehearsal=true" in page
    assert made.decision.record.sha256 in page
    gate = evidence["gate"]
    assert (f"The gate itself said {gate['outcome']} ({gate['reason']})" in page) == (kind == "override")


@pytest.mark.parametrize("golden", sorted(CURRENT.glob("*.json")), ids=lambda path: path.stem)
def test_the_same_input_gives_the_same_bytes(make: Callable[[str], Made], golden: Path) -> None:
    assert make(golden.stem.replace("_", " ")).decision.record.content == golden.read_bytes()


@pytest.mark.parametrize("golden", sorted(GOLDEN.glob("*.json")), ids=lambda path: path.stem)
def test_a_record_of_an_earlier_version_still_has_its_page(make: Callable[[str], Made], golden: Path) -> None:
    """These were written before there were warnings, windows of a year ago and fallbacks."""
    record = parse_decision(golden.read_bytes())
    page = report(record, read_model(make("accepted").candidate).model)
    assert record.sha256 in page
    assert all(f"<code>{rule.code}</code>" in page for rule in record.evidence.rules)


def test_a_page_is_the_same_twice_whole_and_loads_nothing(make: Callable[[str], Made]) -> None:
    made = make("override")
    page = made.page
    assert page == made.page
    for forbidden in ("<script", "<link", "<img", "@import", "url(", "src=", "href=", "javascript:"):
        assert forbidden not in page.lower().replace("&lt;script", ""), forbidden
    assert "&lt;old&gt; model" in page
    for picture in re.findall(r"<svg.*?</svg>", page, re.DOTALL):
        ElementTree.fromstring(picture)  # noqa: S314 - our own text; well-formed is what is asked
    assert "NaN" not in page
    assert "prefers-color-scheme:dark" in page
    assert "nothing to show here" in report(made.decision.record, read_model(made.candidate).model)


def test_parts_that_get_worse_are_highlighted_and_the_page_prints(make: Callable[[str], Made]) -> None:
    made = make("kept")
    evidence = made.decision.record.evidence
    first = evidence.segments[0]
    told = ((0.25, True, "warning"), (0.1, True, "worse"), (-0.3, True, ""), (0.25, False, "few"))
    parts = tuple(first.model_copy(update={"change": change, "judged": judged}) for change, judged, _ in told)
    shown = DecisionRecord.of(evidence.model_copy(update={"segments": parts}), made.decision.record.context)

    page = report(shown, read_model(made.candidate).model, made.decision.judgement, made.decision.unit)

    assert re.findall(r'<tr class="(\w*)">', page) == [kind for _, _, kind in told]
    assert "how far a forecast is off on average, in the unit of Amount" in page
    assert "@media print{@page{size:A4" in page


def test_the_schema_refuses_what_is_no_decision(make: Callable[[str], Made], schema: Draft202012Validator) -> None:
    document = strict_json(make("kept").decision.record.content)
    for path, value in (
        (("evidence", "outcome"), "promoted"),
        (("evidence", "reason"), "Because."),
        (("evidence", "rules", 0, "status"), "maybe"),
        (("evidence", "champion", "cutoff"), "31.05.2014"),
        (("evidence", "extra"), 1),
        (("evidence_sha256",), "0"),
        (("schema_version",), 1),
        (("context", "workspace"), "shop"),
    ):
        broken: Any = deepcopy(document)
        place = broken
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value
        with pytest.raises(ValidationError):
            schema.validate(broken)
