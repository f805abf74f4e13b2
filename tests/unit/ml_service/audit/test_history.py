"""The exported history: cells that no spreadsheet runs, and what is not intact is named."""

from __future__ import annotations

import csv
import tracemalloc
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from forecasting.decision.record import DecisionRecord
from ml_service.audit import history as module
from ml_service.audit.history import History, safe_cell, write
from ml_service.production import ledger
from ml_service.production.integrity import differences
from tests.unit.ml_service.decisions import changed, decision


@pytest.mark.parametrize(
    "text",
    [
        *("=1+1", "+4", "-0.243", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", " \n =1", "\u00a0=1", "\u3000=1"),
        *("\uff1d1+1", "\uff0b4", "\uff0d2", "\uff20SUM(A1)", " \uff1d1", "\ufe62", "\x00=1", "\ufeff=1", "\u200b=1"),
        *("\n", " text"),
    ],
)
def test_a_cell_that_begins_like_a_formula_is_prefixed(text: str) -> None:
    assert safe_cell(text) == f"'{text}"


def test_cells_hold_text_nothing_and_json() -> None:
    assert [safe_cell(value) for value in ("kept", None, 3, True, {"b": 1, "a": [2]})] == [
        "kept",
        "",
        "3",
        "True",
        '{"a": [2], "b": 1}',
    ]


def test_rows_with_different_columns_make_one_table(tmp_path: Path) -> None:
    history = History("unit-ws", {"models": [{"version": 2, "since": "=x"}, {"version": 1, "old": "y"}], "runs": []})
    write(history, tmp_path / "out")

    with (tmp_path / "out/models.csv").open(newline="") as file:
        assert list(csv.reader(file)) == [["version", "since", "old"], ["2", "'=x", ""], ["1", "", "y"]]
    assert (tmp_path / "out/runs.csv").read_text().strip() == ""
    assert '"workspace": "unit-ws"' in (tmp_path / "out/runs.json").read_text()


def test_what_is_not_intact_is_named() -> None:
    history = History("w", {"decisions": [{"run_id": "a", "intact": True}, {"run_id": "b", "intact": False}]})

    assert history.not_intact == ["decisions: b"]


def test_a_difference_names_field_and_both_values() -> None:
    found = differences({"commit": "abc", "rows": "3"}, {"commit": "abd", "rows": 3, "gone": "x"}, "release.json")
    row = {"deployment": "d-1", "intact": False, "differences": [asdict(item) for item in found]}

    assert History("w", {"releases": [row]}).not_intact == [
        "releases: d-1: commit is abc, release.json says abd",
        "releases: d-1: gone is absent, release.json says x",
    ]


@pytest.mark.parametrize("text", ["", "a=1", "3.5", "Zürich", "2024-01-01", "a\n=1", "(=1)"])
def test_other_cells_stay_as_they_are(text: str) -> None:
    assert safe_cell(text) == text


class Workplace:
    """A workspace with runs that have decided, each with a document of its own."""

    workspace = cast(Any, SimpleNamespace(banner="w"))
    settings = cast(Any, SimpleNamespace(experiment_name="e", model_name="m"))

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.runs: list[Any] = []
        self.read: list[str] = []
        none = SimpleNamespace(chain=SimpleNamespace(faults=(), entries=()), records=())
        patch.setattr(module, "list_runs", lambda *_: iter(self.runs))
        patch.setattr(module, "find_versions", lambda *_: [self.model(run) for run in self.runs])
        patch.setattr(ledger, "read", lambda *_: none)

    def decide(self, run_id: str) -> Any:
        """A run that the gate has accepted."""
        found = decision("accepted")
        record = DecisionRecord.of(found.evidence, changed(found.context, run_id=run_id))
        told = {"outcome": "accepted", "reason": record.evidence.reason, "decision_sha256": record.sha256}

        def read_file(_: str) -> bytes:
            self.read.append(run_id)
            return bytes(bytearray(record.content))

        facts = dict.fromkeys(("status", "created", "ended", "created_by"), "")
        properties = {**told, "data_sha256": record.evidence.data.data_sha256}
        self.runs.append(SimpleNamespace(id=run_id, properties=properties, read_file=read_file, **facts))
        return self.runs[-1]

    def model(self, run: Any) -> Any:
        """The version that a run has registered."""
        record = DecisionRecord.of(
            decision("accepted").evidence, changed(decision("accepted").context, run_id=run.id)
        )
        properties = {name: str(value) for name, value in module.model_facts(record).items()}
        told = {**properties, "decision_sha256": run.properties["decision_sha256"], "run_id": run.id}
        name = str(properties.pop("name"))
        return SimpleNamespace(
            name=name, version=1, created="", created_by="", tags={}, properties=told, number="1", sha256=""
        )


def test_an_audit_finds_what_history_shows_and_reads_each_decision_once(monkeypatch: pytest.MonkeyPatch) -> None:
    workplace = Workplace(monkeypatch)
    runs = [workplace.decide(f"r{number}") for number in range(4)]
    assert module.compare(workplace.workspace, workplace.settings) == ()
    assert workplace.read == ["r0", "r1", "r2", "r3"]
    runs[1].properties["outcome"] = "kept"
    runs[2].properties["decision_sha256"] = "f" * 64
    runs[3].read_file = lambda _: b"no decision"
    found = module.compare(workplace.workspace, workplace.settings)
    assert {line.partition(" is ")[0] for line in found} == {
        "runs: r1: outcome",
        *(f"{kind}: r{number}: decision_sha256" for kind in ("runs", "decisions") for number in (2, 3)),
        f"models: {workplace.model(runs[2]).name}:1: decision_sha256",
    }
    rows = module.collect(workplace.workspace, workplace.settings)
    assert sorted(found) == sorted(rows.not_intact) == sorted(rows.differences)


def test_an_audit_keeps_no_decision_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    workplace, peaks = Workplace(monkeypatch), list[int]()
    monkeypatch.setattr(module, "find_versions", lambda *_: [])
    for count in (5, 5, 45):  # the first one imports and compiles
        workplace.runs = []
        runs = [workplace.decide(f"r{number}") for number in range(count)]
        size = len(runs[0].read_file(""))
        tracemalloc.start()
        assert module.compare(workplace.workspace, workplace.settings) == ()
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert (peaks[2] - peaks[1]) / 40 < size / 3
