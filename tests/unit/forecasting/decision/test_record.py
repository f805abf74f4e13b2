"""The typed decision record: reads what was written, refuses what was changed, generates its own schema."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from forecasting.decision.blocks import Rule
from forecasting.decision.record import (
    DECISION_FILE,
    DecisionRecord,
    parse_decision,
    read_decision,
    schema,
)
from forecasting.errors import ModelFileError
from forecasting.json_text import hash_of, to_json

ROOT = Path(__file__).resolve().parents[4]
GOLDEN = Path(__file__).parent / "golden"
WRITTEN = sorted(GOLDEN.rglob("*.json"))
Change = Callable[[dict[str, Any]], object]


@pytest.fixture
def document() -> dict[str, Any]:
    """A record of the version before the typed model."""
    found: dict[str, Any] = json.loads((GOLDEN / "kept.json").read_text())
    return found


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: f"{path.parent.name} {path.stem}")
def test_a_record_that_was_written_before_reads_verifies_and_is_written_again_as_it_was(path: Path) -> None:
    record = parse_decision(path.read_bytes())
    assert record.content == path.read_bytes()
    assert record.evidence_sha256 == hash_of(json.loads(path.read_bytes())["evidence"])


def test_attributes_are_named_like_the_keys(tmp_path: Path) -> None:
    (tmp_path / DECISION_FILE).write_bytes((GOLDEN / "override.json").read_bytes())
    sha256 = json.loads((GOLDEN / "override.json").read_bytes())["evidence"]["challenger"]["model_sha256"]
    record = read_decision(tmp_path, sha256)
    assert record.evidence.challenger.metrics is not None
    assert record.evidence.challenger.metrics.mae == pytest.approx(246.7, rel=0.01)
    assert record.evidence.override is not None
    assert (record.evidence.override.person, record.evidence.gate.reason) == ("Ada", "no-new-data")
    assert (record.verdict.outcome, record.verdict.reason) == ("accepted", "override")
    assert record.context.champion is not None
    assert (record.context.champion.name, record.context.champion.version) == ("m", "3")
    assert {"challenger_mae", "champion_mae", "seasonal_naive_rel_mae"} < set(record.metrics)


def test_the_committed_schema_is_the_one_of_the_model() -> None:
    assert (ROOT / "docs/decision.schema.json").read_text() == schema(), "run: make schema"


def in_block(*path: str | int, value: Any) -> Change:
    """Set a value inside a document."""

    def change(document: dict[str, Any]) -> None:
        place: Any = document
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (in_block("evidence", "outcome", value="promoted"), "evidence.outcome"),
        (in_block("evidence", "rules", 0, "status", value="maybe"), "evidence.rules.0.status"),
        (in_block("evidence", "champion", "cutoff", value="31.05.2014"), "evidence.champion.cutoff"),
        (in_block("evidence", "data", "rows", value="889"), "evidence.data.rows"),
        (in_block("evidence", "data", "rows", value=889.0), "evidence.data.rows"),
        (in_block("evidence", "extra", value=1), "evidence.extra"),
        (in_block("context", "workspace", value="shop"), "context.workspace"),
        (in_block("evidence", "baselines", value=[]), "evidence.baselines"),
        (in_block("evidence", "challenger", "interval", "level", value=1), "evidence.challenger.interval.level"),
        (in_block("evidence", "rules", 0, "value", value=0), "canonical form"),
        (in_block("evidence", "champion", "cutoff", value="2014-05-31T00:00:00"), "not a decision record"),
        (lambda document: document.pop("context"), "context"),
        (lambda document: document.pop("evidence"), "evidence"),
        (lambda document: document["evidence"].pop("windows"), "evidence.windows"),
    ],
)
def test_a_malformed_record_is_refused_with_its_place(document: dict[str, Any], change: Change, part: str) -> None:
    change(document)
    if "evidence" in document:
        document["evidence_sha256"] = hash_of(document["evidence"])
    with pytest.raises(ModelFileError, match="not a decision record") as caught:
        parse_decision(to_json(document), "decision.json of run 7")
    assert part in str(caught.value)
    assert str(caught.value).startswith("decision.json of run 7 is")


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"{", b'{"a": NaN}', b'{"a": 1, "a": 1}', b"[" * 100_000])
def test_what_is_no_json_object_is_refused(content: bytes) -> None:
    with pytest.raises(ModelFileError, match="not a decision record"):
        parse_decision(content)


def test_another_schema_version_is_refused_by_name(document: dict[str, Any]) -> None:
    document["schema_version"] = 1
    with pytest.raises(ModelFileError, match="has schema version 1, this code reads 2"):
        parse_decision(to_json(document))


def test_evidence_that_was_changed_is_refused(document: dict[str, Any]) -> None:
    document["evidence"]["sentence"] = "challenger and champion differ."
    with pytest.raises(ModelFileError, match="changed after it was hashed"):
        parse_decision(to_json(document))


def test_a_number_that_is_not_finite_is_never_written(document: dict[str, Any]) -> None:
    record = parse_decision(to_json(document))
    rule = Rule(code="floor", status="passed", value=float("nan"), threshold=1.0, sentence="?")
    evidence = record.evidence.model_copy(update={"rules": (rule,)})
    with pytest.raises(ValueError, match="not JSON compliant"):
        DecisionRecord.of(evidence, record.context)


def test_reading_a_record_needs_no_numeric_library() -> None:
    code = (
        "import sys, forecasting.decision.record; "
        "print([name for name in ('numpy', 'pandas', 'sklearn', 'jinja2') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT / "mlops_code")},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.strip() == "[]"
