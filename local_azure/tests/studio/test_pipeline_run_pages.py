"""Pages of YAML runs: what waits for an approval comes first, and the first answer counts."""

from __future__ import annotations

import json
import os
import re
from typing import Any
from urllib.parse import quote

import pytest
from pipeline_run_fixtures import CARD, HOSTILE, Rehearsal  # type: ignore[import-not-found]
from studio_fixtures import Studio  # type: ignore[import-not-found]

from local_azure.pipelines.run.builds.answers import answer_of, settle
from local_azure.pipelines.run.builds.record import Decision, local_person
from local_azure.pipelines.run.results import Result


@pytest.fixture
def run(studio: Studio) -> Rehearsal:
    return Rehearsal(studio.state.pipeline_runs)


def test_the_question_comes_first_with_the_card(studio: Studio, run: Rehearsal) -> None:
    run.ask()
    run.write("artifacts", "evidence/approval_card.json", json.dumps(CARD))
    for path in ("/studio/", "/studio/builds"):
        assert "To production</strong> to the environment <strong>production" in studio.get(path)
    page = studio.get("/studio/builds/1")
    assert page.index("waits for your approval") < page.index('id="stages"')
    assert "20 % better" in page and "model:7" in page and "nothing changes" in page
    assert page.split('id="stages"')[1].count("Waiting for approval") > 0, "its stage does not run"
    assert "<script>alert" not in page and "&lt;script&gt;alert(1)" in page


def test_a_question_says_who_answers_and_leads_to_what_to_read(studio: Studio, run: Rehearsal) -> None:
    run.ask()
    run.write("artifacts", "evidence/approval_card.json", json.dumps(CARD))
    run.write("artifacts", "evidence/report.html", "<p>report</p>")
    page = studio.get("/studio/builds/1")
    assert "Answers are recorded as: " in page.split("<main")[0] and "(local rehearsal)" in page
    question = page.split('id="approvals"')[1].split('id="failures"')[0]
    assert "your answer is recorded as" in question and ">Approve for production</button>" in question
    link = 'href="/studio/builds/1/files/artifacts?path=evidence%2Freport.html"'
    assert 0 < question.index(link) < question.index("Approve for production")
    assert "path=evidence%2Fapproval_card.json" not in question, "it is shown"


def test_an_answered_approval_says_what_was_shown_then(studio: Studio, run: Rehearsal) -> None:
    asked = run.ask()
    run.write("artifacts", "evidence/approval_card.json", json.dumps(CARD))
    run.record.decide(asked, Decision(True, "Grace", "fine by me"))
    page = studio.get("/studio/builds/1")
    approval = page.split('id="approvals"')[1].split('id="failures"')[0]
    assert "by Grace: To production to production" in approval and "fine by me" in approval
    assert " after the question" in approval and "What was shown then" in approval
    assert "Served then" in approval and "Was proposed" in approval and "model:7" in approval
    assert page.count('aria-label="Approval card"') == 1 and "Serves now" not in page
    preview = studio.get("/studio/builds/1/files/artifacts?path=evidence/approval_card.json")
    assert "Served then" in preview, "a file may be old"


def test_a_tag_of_an_override_is_seen_first(studio: Studio, run: Rehearsal) -> None:
    for tag in ("ledger." + "0" * 70, "released", "override", "released"):
        run.record.tag(tag)
    head = studio.get("/studio/builds/1").split('id="head"')[1].split('id="approvals"')[0]
    assert re.findall("override|released|ledger.0{70}", head) == ["override", "released", "ledger." + "0" * 70]
    assert 'class="tag warn"><span aria-hidden="true">⚠</span> override' in head


def test_the_list_says_who_started_what_why_and_for_how_long(studio: Studio, run: Rehearsal) -> None:
    build = {"sourceVersion": "0ecfdf3044c114", "reason": "individualCI", "requestedFor": {"displayName": "Ada"}}
    run.record.begin("20261130.2", {"Train": "Train it"}, {"sourceBranch": "refs/heads/main", **build})
    run.record.end(Result.SUCCEEDED)
    row = studio.get("/studio/builds").split("<tbody>")[1].partition("</tbody>")[0]
    assert re.search(r'href="/studio/builds/1">\S+ 20261130.2</a>', row) and "Succeeded" in row
    for told in ("main <code>0ecfdf30</code>", ">push<", ">Ada<"):
        assert told in row
    assert re.search(r'data-label="took">\d[\d.]* m?s<', row)


def test_a_run_whose_process_has_died_has_no_duration(studio: Studio, run: Rehearsal) -> None:
    run.record.stage_began("Train")
    os.close(run.record._lock)
    page = studio.get("/studio/builds")
    assert "Canceled" in page and 'data-label="took">-<' in page


@pytest.mark.parametrize(("answer", "status"), [("approve", "approved"), ("reject", "rejected")])
def test_an_answer_is_for_the_run_to_find(studio: Studio, run: Rehearsal, answer: str, status: str) -> None:
    asked = run.ask()
    said = studio.answer(asked, answer=answer, comment=f"because {HOSTILE}")
    assert (said.status_code, said.headers["location"]) == (303, "/studio/builds/1")
    found = answer_of(run.folder, asked)
    assert found and (found.approved, found.comment) == (answer == "approve", f"because {HOSTILE}")
    assert found.person.endswith("(local rehearsal)")
    page = studio.get("/studio/builds/1")
    assert "waits for your approval" not in page and "<script>alert" not in page
    assert status in page.lower()
    again = studio.answer(asked, answer="approve", comment="me too")
    assert again.status_code == 409
    assert answer_of(run.folder, asked) == found


@pytest.mark.parametrize("answer", ["approve", "reject"])
@pytest.mark.parametrize("changed", ["artifacts", "summaries"])
def test_an_answer_counts_only_for_the_evidence_that_was_shown(
    studio: Studio, run: Rehearsal, answer: str, changed: str
) -> None:
    asked = run.ask()
    run.write("artifacts", "evidence/approval_card.json", json.dumps(CARD))
    run.write("summaries", "Train.train/1-card.md", "# model:7")
    seen = studio.shown_evidence(asked)
    files = {"artifacts": ("evidence/approval_card.json", json.dumps({**CARD, "title": "Release of model:8"}))}
    files["summaries"] = ("Train.train/1-card.md", "# model:8")
    run.write(changed, *files[changed])
    for evidence in (seen, "", "x"):
        said = studio.post(
            f"/studio/builds/1/approvals/{asked}", answer=answer, comment=f"good {HOSTILE}", evidence=evidence
        )
        assert said.status_code == 409 and "evidence has changed" in said.text and "not recorded" in said.text
        assert "model:8" in said.text and "&lt;script&gt;alert(1)&lt;/script&gt;" in said.text, "the typed comment"
        assert answer_of(run.folder, asked) is None
    again = studio.shown_evidence(asked)
    assert f'value="{again}"' in said.text, "its form can be sent"
    assert studio.answer(asked, answer=answer, comment="good").status_code == 303
    found = answer_of(run.folder, asked)
    assert found and found.evidence == again != seen


def test_a_question_shows_the_cards_of_the_stages_before_it(studio: Studio, run: Rehearsal) -> None:
    """Of several problems in one run, each question once showed the cards of all."""
    run.plan(Train="train", Production="release", Other="other")
    plan = json.loads((run.folder / "progress.jsonl").read_text())
    plan["plan"]["stages"][1]["waits_for"] = ["Train"]
    run.write("", "progress.jsonl", json.dumps(plan) + "\n")
    asked = run.ask()
    for name, label in (("mine", "Train.train"), ("others", "Other.other")):
        run.progress.found("artifact", label, {"name": name})
        run.write("artifacts", f"{name}/approval_card.json", json.dumps({**CARD, "title": f"card of {name}"}))
    seen = studio.shown_evidence(asked)
    question, rest = studio.get("/studio/builds/1").split('id="failures"')
    assert "card of mine" in question and "card of others" not in question
    assert "card of others" in rest and "card of mine" not in rest
    run.write("artifacts", "others/approval_card.json", json.dumps({**CARD, "title": "another card of others"}))
    run.progress.found("artifact", "Other.other", {"name": "later"})
    run.write("artifacts", "later/report.html", "<p>later</p>")
    assert studio.shown_evidence(asked) == seen, "what is no evidence of it refuses no answer"
    run.write("artifacts", "unknown/report.html", "<p>whose?</p>")
    assert studio.shown_evidence(asked) != seen, "what nobody has published counts for every question"


def test_a_rejection_needs_a_comment_and_an_answer_is_yes_or_no(studio: Studio, run: Rehearsal) -> None:
    asked = run.ask()
    for fields in ({"answer": "reject", "comment": "  "}, {"answer": "maybe"}, {}):
        assert studio.answer(asked, **fields).status_code == 400
    assert studio.post("/studio/builds/1/approvals/unknown", answer="approve").status_code == 404
    assert answer_of(run.folder, asked) is None


def test_both_boxes_of_a_card_have_the_same_facts_and_the_own_account_is_told(studio: Studio, run: Rehearsal) -> None:
    run.ask()
    before = {"model": "model:7", "recipe": "mean", "model_sha256": "1" * 64, "scoring_sha256": "2" * 64}
    after = before | {"scoring_sha256": "3" * 64}
    now = {"version": before, "commit": "c" * 40, "since": "2026-11-27T10:00:00+00:00"}
    asked = CARD["asked"] | {"who": local_person(), "commit": "d" * 40}
    card = CARD | {"serves_now": now, "proposed": after, "asked": asked}
    run.write("artifacts", "evidence/approval_card.json", json.dumps(card))
    page = studio.get("/studio/builds/1")
    for said in ("3" * 12 + "<", "2" * 12 + "<", "c" * 12 + "<", "d" * 12 + "<", f'title="{"3" * 64}"'):
        assert said in page
    assert page.count(">changed<") == 1
    assert "Your own account asks for this" in page


def test_a_user_without_a_name_can_answer(studio: Studio, run: Rehearsal, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown() -> str:
        raise KeyError("getpwuid(): uid not found")

    monkeypatch.setattr("getpass.getuser", unknown)
    asked = run.ask()
    assert studio.answer(asked, answer="approve").status_code == 303
    found = answer_of(run.folder, asked)
    assert found and found.person == f"user {os.getuid()} (local rehearsal)"


def test_of_two_answers_the_first_one_counts(run: Rehearsal) -> None:
    asked = run.ask()
    first = Decision(False, "terminal", "no")
    assert settle(run.folder, asked, first) == first
    assert settle(run.folder, asked, Decision(True, "studio")) == first
    assert [path.name for path in (run.folder / "answers").iterdir()] == [f"{asked}.json"], "nothing is left over"


def test_an_answer_that_cannot_be_read_is_none(run: Rehearsal) -> None:
    asked = run.ask()
    for content in ("", "[]", "null", '{"approved": true}', "[" * 10_000):
        run.write("answers", f"{asked}.json", content)
        assert answer_of(run.folder, asked) is None
    run.write("answers", f"{asked}.json", '{"approved": "true", "person": "x", "comment": ""}')
    found = answer_of(run.folder, asked)
    assert found and not found.approved, "only a plain true is a yes"


def test_the_approval_of_a_dead_run_cannot_be_given(studio: Studio, run: Rehearsal) -> None:
    asked = run.ask()
    os.close(run.record._lock)  # what the kernel does when the process is killed
    assert studio.answer(asked, answer="approve").status_code == 409
    assert "waits for your approval" not in studio.get("/studio/builds/1")


def test_a_failed_job_shows_the_end_of_its_failed_step(studio: Studio, run: Rehearsal) -> None:
    run.plan(Train="train", Production="release")
    run.progress.began("job", "Train.train")
    for title, result in (("first", Result.SUCCEEDED), ("second", Result.FAILED)):
        run.progress.began("step", "Train.train", title)
        run.progress.ended("step", "Train.train", result, title=title)
    run.progress.ended("job", "Train.train", Result.FAILED)
    run.progress.ended("stage", "Production", Result.SKIPPED, why="outcome of Train is kept")
    run.write("logs", "Train.train.log", f"##[section]first\nfine\n##[section]second\nbroken {HOSTILE}\n")
    page = studio.get("/studio/builds/1")
    failure = page.split('id="failures"')[1].split('id="stages"')[0]
    assert "second" in failure and "broken" in failure and "fine" not in failure
    assert "Skipped: outcome of Train is kept" in page
    assert "<script>alert" not in page
    step = studio.get("/studio/builds/1/log/Train.train?step=second")
    assert "broken" in step and "fine" not in step
    whole = studio.get("/studio/builds/1/log/Train.train")
    assert "fine" in whole and 'href="/studio/builds/1/log/Train.train/raw"' in whole
    raw = studio.client.get("/studio/builds/1/log/Train.train/raw")
    assert "fine" in raw.text and raw.headers["content-security-policy"].startswith("sandbox")
    for label in ("Production.release", "unknown"):
        assert studio.client.get(f"/studio/builds/1/log/{label}/raw").status_code == 404


@pytest.mark.parametrize("name", ["../../../store.sqlite", "/etc/passwd", "a/..", "a%00b", "../azure_devops.json"])
def test_no_path_leads_out_of_a_pipeline_run(studio: Studio, run: Rehearsal, name: str) -> None:
    run.write("artifacts", "a.txt", "x")
    for address in ("raw/artifacts", "files/artifacts", "raw/logs", "files/logs"):
        answer = studio.client.get(f"/studio/builds/1/{address}?path={name}")
        assert answer.status_code == 404 and "SQLite" not in answer.text
    assert studio.client.get(f"/studio/builds/1/log/{quote(name, safe='')}").status_code == 404
    assert studio.client.get("/studio/builds/1/raw/artifacts?path=a.txt").text == "x"


@pytest.mark.parametrize("number", ["0", "2", "x", "1" * 12, "1e1", "¹"])
def test_an_unknown_run_is_not_found(studio: Studio, run: Rehearsal, number: str) -> None:
    assert studio.client.get(f"/studio/builds/{number}").status_code == 404


def test_records_that_are_broken_hide_no_others(studio: Studio, run: Rehearsal) -> None:
    for number, content in enumerate(("", "[]", '{"build": 1, "timeline": {}, "approvals": []}'), 2):
        folder = studio.state.pipeline_runs / str(number)
        folder.mkdir()
        (folder / "azure_devops.json").write_text(content)
    assert "20261130.1" in studio.get("/studio/builds")


def test_a_status_board_of_a_project_is_shown(studio: Studio, run: Rehearsal) -> None:
    board: dict[str, Any] = {
        "schema_version": 1, "problem": "sales", "moment": "2026-11-30T10:00:00+00:00", "tags": {},
        "agreement": {"status": "differs", "finding": HOSTILE}, "serves": None, "test": {"service": "sales-test"},
        "champion": "sales:3", "candidates": [{"model": "sales:4", "state": "awaiting approval"}],
        "data": {"data_set": "d", "version": 2},
    }  # fmt: skip
    run.write("artifacts", "status/status.json", json.dumps({"board": board}))
    page = studio.get("/studio/builds/1")
    assert "sales:4" in page and "awaiting approval" in page and "Differs" in page
    assert "<script>alert" not in page
    run.write("artifacts", "status/status.json", json.dumps({"board": {"schema_version": 1, "problem": "sales"}}))
    assert "Status board" not in studio.get("/studio/builds/1"), "a document of another form is a file"
