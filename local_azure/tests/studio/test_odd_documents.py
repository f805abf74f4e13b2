"""Documents and files of others: whatever is in them, a page shows it, and no more of it than it can bear."""

from __future__ import annotations

import http.client
import json
import os
import re
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from pipeline_run_fixtures import CARD, Rehearsal  # type: ignore[import-not-found]
from studio_fixtures import Studio  # type: ignore[import-not-found]

from local_azure.machine_learning.domain.runs import metrics
from local_azure.pipelines.run.builds.record import Decision
from local_azure.studio.pages.run import MOST_STEPS
from local_azure.studio.reading import asked_service, logs, pipeline_run_files
from local_azure.studio.reading.asked_service import example_of
from local_azure.studio.reading.file_names import ON_A_PAGE, Listed, listed
from local_azure.studio.views.documents import kind_of_document
from local_azure.studio.views.forecasts import forecast_in
from local_azure.studio.views.formats import moment
from local_azure.studio.views.previews import MOST_CHARACTERS, json_of, pretty, without_secrets

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


def test_a_document_of_another_shape_does_not_hide_the_question(studio: Studio) -> None:
    run = Rehearsal(studio.state.pipeline_runs)
    run.ask()
    assert kind_of_document(CARD) == "approval_card" and kind_of_document(BOARD) == "status_board"
    for odd in (*({**CARD, **each} for each in ODD_CARDS), *({**BOARD, **each} for each in ODD_BOARDS)):
        run.write("artifacts", "odd.json", json.dumps(odd))
        page = studio.get("/studio/builds/1")
        assert "waits for your approval" in page and "from the artifact" not in page, odd
        assert kind_of_document(odd) == "", odd
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


def test_files_that_lead_elsewhere_do_not_hide_the_question(studio: Studio, tmp_path: Path) -> None:
    run = Rehearsal(studio.state.pipeline_runs)
    run.ask()
    secret = tmp_path / "secret.md"
    secret.write_text("the secret")
    for kind, name in (("artifacts", "away.json"), ("artifacts", "gone.json"), ("summaries", "1-away.md")):
        (run.folder / kind).mkdir(exist_ok=True)
        (run.folder / kind / name).symlink_to(secret if "away" in name else tmp_path / "gone")
    run.write("artifacts", "card.json", json.dumps(CARD))
    run.write("summaries", "²-odd.md", "# An odd name")
    (studio.state.pipeline_runs / "²").mkdir()
    page = studio.get("/studio/builds/1")
    assert "waits for your approval" in page and "20 % better" in page and "An odd name" in page
    assert "the secret" not in page
    assert "Waiting for approval" in studio.get("/studio/")


def test_a_card_among_many_documents_is_found_or_missed(studio: Studio) -> None:
    run = Rehearsal(studio.state.pipeline_runs)
    run.ask()
    for number in range(pipeline_run_files.MOST_DOCUMENTS - 1):
        run.write("artifacts", f"a/{number}.json", "{}")
    run.write("artifacts", "evidence/card.json", json.dumps(CARD))
    page = studio.get("/studio/builds/1")
    assert "20 % better" in page and "Not all artifacts were looked at" not in page
    run.write("artifacts", "a/one_more.json", "{}")
    assert "Not all artifacts were looked at" in studio.get("/studio/builds/1")


def test_names_cannot_turn_the_text_behind_them_around(studio: Studio) -> None:
    """A right-to-left override makes a page read otherwise than it is, such as an environment of an approval."""
    run = Rehearsal(studio.state.pipeline_runs)
    run.record.ask("Production", "\u202enoitcudorp\u2066")
    for page in (studio.get("/studio/builds/1"), studio.get("/studio/")):
        assert "\ufffdnoitcudorp\ufffd" in page and "\u202e" not in page and "\u2066" not in page


def test_numbers_of_an_address_that_are_none_count_as_absent(studio: Studio) -> None:
    studio.write(studio.run("r"), "user_logs/std_log.txt", "a line")
    w = "w/local-development"
    for number in ("9" * 5_000, "9" * 19, "²", "-1", "x"):
        assert "a line" in studio.get(f"/studio/{w}/runs/r/log?end={number}"), number
        for place in ("builds", f"{w}/runs"):
            assert "<h1>" in studio.get(f"/studio/{place}?before={number}")


def test_names_of_files_keep_their_blanks(studio: Studio) -> None:
    studio.write(studio.run("r"), " a .txt", "the content")
    assert "the content" in studio.get("/studio/w/local-development/runs/r/files?path=%20a%20.txt")


def test_secrets_of_an_environment_are_masked() -> None:
    shown = {"username": "ada", "identity": None, "token": ""}
    registry = {**shown, **dict.fromkeys(("password", "identityToken"), "x")}
    found = without_secrets({"docker": [{"baseImageRegistry": registry}], "environmentVariables": {"API_KEY": "k"}})
    masked = {**shown, "password": "***", "identityToken": "***"}
    assert found == {"docker": [{"baseImageRegistry": masked}], "environmentVariables": {"API_KEY": "***"}}


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
    assert pipeline_run_files.section(log, "one", 1_000) == ["first"]
    found = pipeline_run_files.section(log, "two", 1_000)
    assert len(found) <= 1_000 and found[-1] == "last"
    assert pipeline_run_files.section(log, "three", 1_000) == ["x"]
    assert pipeline_run_files.section(log, "four", 1_000) == []
    log.write_bytes(b"##[section]one\nlost 1234567\nkept 1\n##[section]two\nx\n##[section]one\nkept 2\n")
    assert pipeline_run_files.section(log, "one", 20) == ["kept 1", "kept 2"], "both times, and no half of a line"


def test_a_list_of_files_has_pages_and_asks_for_no_more_than_one() -> None:
    asked = (f"{number:05}" for number in range(10 * ON_A_PAGE))
    found = listed(asked)
    assert (len(found.names), found.after) == (ON_A_PAGE, f"{ON_A_PAGE - 1:05}")
    assert next(asked) == f"{ON_A_PAGE + 1:05}", "nothing behind the page was looked at"
    assert listed(["a", "\udcff", "b"]) == Listed(["a", "b"], "", 1)


@pytest.mark.parametrize("place", ["w/local-development/runs/r", "builds/1"])
def test_many_files_of_a_run_are_shown_page_by_page(studio: Studio, place: str) -> None:
    run, rehearsal = studio.run("r"), Rehearsal(studio.state.pipeline_runs)
    kept = studio.write(run, "x", "").parent if place.startswith("w/") else rehearsal.folder / "artifacts"
    (kept / "a").mkdir(parents=True)
    (kept / "x").unlink(missing_ok=True)
    names = {f"a/{number}.txt" for number in range(ON_A_PAGE)} | {"b &.txt", "c.txt"}
    for name in names:
        (kept / name).write_text("the content")
    listing = f"/studio/{place}/files" + ("" if place.startswith("w/") else "/artifacts")
    first = studio.get(listing)
    following = re.search(r'<a href="([^"]+)" rel="next">', first)
    assert following
    second = studio.get(unescape(following[1]))
    found = [unquote(name) for name in re.findall(r'\?path=([^"&]+)', first + second)]
    assert len(found) == len(names) and set(found) == names
    assert ">First files</a>" in second and 'rel="next"' not in second
    chosen = re.search(r'<a href="([^"]+path=b[^"]+)"', second)
    assert chosen and "the content" in studio.get(unescape(chosen[1])), "and it is shown with its page of the list"
    assert ">c.txt</a>" in studio.get(unescape(chosen[1]))


def test_a_search_keeps_the_last_lines_only(studio: Studio, tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text("".join(f"hit {number}\n" for number in range(1_000)))
    found, is_all = logs.search(log, studio.parts.redactor, "HIT")
    assert ([line.text for line in found], is_all) == ([f"hit {number}" for number in range(800, 1_000)], True)


MATRICES = (
    ({"class_labels": 5, "matrix": [[1, 2], [3, 4]]}, True),
    ({"class_labels": ["a"], "matrix": [[1, 2], [3, 4]]}, True),
    ({"class_labels": ["a", "b"], "matrix": [[1, 2], 3]}, False),
    ({"class_labels": "ab", "matrix": "x"}, False),
)


@pytest.mark.parametrize(("matrix", "is_shown"), MATRICES)
def test_an_odd_confusion_matrix_is_a_table_or_a_file(studio: Studio, matrix: Any, is_shown: bool) -> None:
    run = studio.run("r")
    kind = {"uxMetricType": "azureml.v1.confusion_matrix"}
    for name, file in (("m", "m.json"), ("long", "x" * 300)):
        told = {"data_location": f"aml://artifactId/ExperimentRun/{run['dataContainerId']}/{file}"}
        rows = [{"metricId": name, "data": told}]
        document = {"name": name, "columns": {"data_location": "string"}, "properties": kind, "value": rows}
        metrics.append(studio.store, studio.workspace.id, "r", document)
    studio.write(run, "m.json", json.dumps({"data": matrix}))
    assert ("Confusion matrix" in studio.get("/studio/w/local-development/runs/r")) == is_shown


def test_odd_swagger_documents_give_an_empty_example(monkeypatch: pytest.MonkeyPatch) -> None:
    for text in ("[1]", '"x"', "5", '{"definitions": [1]}', '{"definitions": {"ServiceInput": 1}}', "not JSON"):
        monkeypatch.setattr(asked_service, "_call", lambda *_, text=text: (200, text))
        assert example_of("http://127.0.0.1:1/score") == "{}"

    def broken(*_: object) -> None:
        raise http.client.BadStatusLine("x")

    monkeypatch.setattr(asked_service, "_call", broken)
    assert example_of("http://127.0.0.1:1/score") == "{}"


def test_odd_forecasts_are_drawn_as_far_as_they_can_be() -> None:
    intervals = {"0.8": ["low", 10**400]}
    first = {"date": "2026-01-01", "value": 1.0, "intervals": intervals}
    for odd in ({"value": 10**400, "intervals": intervals}, {"date": "x", "value": "y", "intervals": {"0.8": 5}}):
        found = forecast_in([first, odd])
        assert found is not None and "<svg" in found.chart and found.rows[0] == ["2026-01-01", "1.000"]
    nothing = forecast_in([{"date": "x", "value": True}])
    assert nothing is not None and nothing.chart == "" and nothing.rows == [["x", ""]]
    models: tuple[Any, ...] = (5, ["x"], {"name": ["x"], "version": None, "sha256": "0" * 64, "deep": {}})
    for odd_model in models:
        assert forecast_in({"forecast": [first], "model": odd_model}) is not None


def test_a_second_answer_that_says_the_same_is_told_too(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Rehearsal(studio.state.pipeline_runs)
    asked = run.ask()
    first = Decision(True, "Grace", "seen the report")
    monkeypatch.setattr("local_azure.studio.pages.builds.settle", lambda *_: first)
    said = studio.answer(asked, answer="approve", comment="only until Friday")
    assert said.status_code == 409 and "Grace was faster: approved" in said.text and "not recorded" in said.text


def test_a_run_with_very_many_runs_below_it_shows_some_of_them(studio: Studio) -> None:
    """Each was once asked for its metrics, which took a second for a thousand."""
    studio.run("top")
    with studio.store.transaction():
        for number in range(MOST_STEPS + 1_000):
            studio.run(f"below-{number}", parentRunId="top", name=f"the run {number}")
    studio.log_metric("below-0", "loss", [0.5])
    page = studio.get("/studio/w/local-development/runs/top")
    assert page.count('<td class="name">') == MOST_STEPS and "and 1,000 more" in page and ">0.5<" in page
