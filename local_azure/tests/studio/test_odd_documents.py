"""Documents and files of others: whatever is in them, a page shows it, and no more of it than it can bear."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from pipeline_run_fixtures import CARD, Rehearsal  # type: ignore[import-not-found]
from studio_fixtures import Studio  # type: ignore[import-not-found]

from local_azure.studio.reading import pipeline_runs
from local_azure.studio.reading.file_names import MOST_NAMES, listed
from local_azure.studio.views.documents import kind_of_document
from local_azure.studio.views.formats import moment
from local_azure.studio.views.previews import MOST_CHARACTERS, json_of, pretty

BOARD: dict[str, Any] = {
    "schema_version": 1, "problem": "sales", "moment": "2026-11-30T10:00:00+00:00", "tags": {},
    "agreement": {"status": "agrees", "finding": ""}, "test": None, "candidates": [], "data": {},
}  # fmt: skip
ODD_CARDS: tuple[dict[str, Any], ...] = (
    {"target": {"tags": ["a"]}}, {"target": {"tags": "a"}}, {"improvement": "better"}, {"improvement": None},
    {"serves_now": "a model"}, {"serves_now": {"version": "7"}}, {"verdict": ["x"]}, {"earlier": ["x"]},
    {"earlier": {"what": "x"}}, {"warnings": 5}, {"asked": 1},
)  # fmt: skip
ODD_BOARDS: tuple[dict[str, Any], ...] = (
    {"data": 5}, {"data": None}, {"agreement": "yes"}, {"tags": [1]}, {"serves": "x"}, {"serves": {"version": [1]}},
    {"test": "x"}, {"test": {"models": 3}}, {"production": {"models": {}}}, {"candidates": ["x"]},
    {"candidates": {"a": 1}}, {"schedules": [None]}, {"drift": "x"}, {"accuracy": 1.0},
)  # fmt: skip


@pytest.mark.parametrize(
    "odd", [*({**CARD, **each} for each in ODD_CARDS), *({**BOARD, **each} for each in ODD_BOARDS)]
)
def test_a_document_of_another_shape_does_not_hide_the_question(studio: Studio, odd: dict[str, Any]) -> None:
    run = Rehearsal(studio.state.pipeline_runs)
    run.ask()
    run.write("artifacts", "odd.json", json.dumps(odd))
    assert kind_of_document(CARD) == "approval_card" and kind_of_document(BOARD) == "status_board"
    page = studio.get("/studio/builds/1")
    assert "waits for your approval" in page and "from the artifact" not in page
    assert "schema_version" in studio.get("/studio/builds/1/files/artifacts?path=odd.json"), "as JSON"


def test_odd_texts_and_names_do_not_hide_the_question(studio: Studio) -> None:
    run = Rehearsal(studio.state.pipeline_runs)
    run.ask()
    serving = {"version": {"model": "\ud800"}, "since": "0001-01-01T00:00:00+14:00"}
    run.write("artifacts", "card.json", json.dumps({**CARD, "serves_now": serving}))
    for kind in ("artifacts", "files", "summaries"):
        run.write(kind, "plain.txt", "x")
        Path(os.fsdecode(bytes(run.folder / kind) + b"/\xff.md")).write_text("x")
    page = studio.get("/studio/builds/1")
    assert "waits for your approval" in page and "Serves now" in page and "plain.txt" in page
    assert "Names that are not UTF-8 are left out: 1" in studio.get("/studio/builds/1/files/artifacts")


def test_pages_of_a_run_leave_names_out_that_are_not_utf8(studio: Studio) -> None:
    run = studio.run("r")
    for name in ("outputs/a.txt", "user_logs/std_log.txt"):
        path = studio.write(run, name, "x")
        Path(os.fsdecode(bytes(path.parent) + b"/\xff.txt")).write_text("x")
    for address in ("", "/files", "/log"):
        assert ".txt" in studio.get(f"/studio/w/local-development/runs/r{address}")


def test_moments_at_both_ends_of_time_are_none() -> None:
    for text in ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"):
        assert "UTC" not in moment(text)


def test_readable_json_is_cut() -> None:
    bomb = json_of("[" * 150 + "1," * 100_000 + "1" + "]" * 150)
    assert MOST_CHARACTERS < len(pretty(bomb)) < MOST_CHARACTERS + 100
    assert pretty(bomb).endswith("\n… cut")
    assert pretty("x" * 100, 10) == '"' + "x" * 9 + "\n… cut"
    assert pretty({"a": [1, "é"]}) == json.dumps({"a": [1, "é"]}, indent=2, ensure_ascii=False)
    deep: list[Any] = []
    for _ in range(5_000):
        deep = [deep]
    assert pretty(deep).endswith("\n… too deep")


def test_empty_lines_of_a_step_count_too(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_bytes(b"##[section]one\nfirst\n##[section]two\n" + b"\n" * 5_000 + b"last\n##[section]three\nx\n")
    assert pipeline_runs.section(log, "one", 1_000) == ["first"]
    found = pipeline_runs.section(log, "two", 1_000)
    assert len(found) <= 1_000 and found[-1] == "last"
    assert pipeline_runs.section(log, "three", 1_000) == ["x"]
    assert pipeline_runs.section(log, "four", 1_000) == []
    log.write_bytes(b"##[section]one\nlost 1234567\nkept 1\n##[section]two\nx\n##[section]one\nkept 2\n")
    assert pipeline_runs.section(log, "one", 20) == ["kept 1", "kept 2"], "both times, and no half of a line"


def test_a_list_of_files_ends() -> None:
    found = listed(str(number) for number in range(MOST_NAMES + 5))
    assert (len(found.names), found.is_cut) == (MOST_NAMES, True)
    assert listed(["b", "a", "\udcff"]).names == ["a", "b"] and not listed(["a"]).is_cut
