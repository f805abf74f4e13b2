"""What an export holds and how it is written; each question of an auditor has its answer in it, and on its page."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from dataclasses import replace
from datetime import datetime, timedelta
from html import unescape
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from forecasting.errors import harmless_cell
from ml_service.audit.completeness.finding import Finding
from ml_service.audit.completeness.verifying import Verified
from ml_service.audit.events import kinds
from ml_service.audit.export import bundle, checking, making, verifier
from ml_service.azure_devops.approvals import Approval, Status
from ml_service.output.console import Terminal
from ml_service.production import ledger
from ml_service.production.candidates import events as candidates
from ml_service.production.candidates.events import Acceptance, Subject
from ml_service.production.chain import store
from tests.unit.ml_service.audit.exported import Files, cut_tail, edit_events, summed, written
from tests.unit.ml_service.audit.trail import Trail, day, make_trail, sha
from tests.unit.ml_service.production.memory_blobs import MemoryBlobs


def test_it_holds_what_the_issue_names(files: Files, trail: Trail) -> None:
    singles = {"dossier.html", "events.csv", "events.jsonl", "facts.json", "SHA256SUMS", "verify.py"}
    assert singles < set(files)
    kinds = {re.sub(r"^documents/[0-9a-f]{64}-", "", name) for name in set(files) - singles}
    assert kinds == {
        "decision.json",
        "report.html",
        "policy.json",
        "scoring.yml",
        f"scoring/{trail.scoring}/score.py",
    }
    assert json.loads(files["facts.json"])["missing"] == []


def test_the_same_content_gives_the_same_bytes(trail: Trail, tmp_path: Path) -> None:
    maker = {"who": "O", "identity": "i", "when": day(50), "build_id": "1", "commit": "c"}
    ones = [bundle.write(trail.verified(), trail.documents, maker, tmp_path / f"{number}.zip") for number in (1, 2)]
    assert ones[0].sha256 == ones[1].sha256
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1.zip", "2.zip"], "no partial file is left"


def test_an_export_of_a_damaged_ledger_is_not_told_of_in_it(
    trail: Trail, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded, out = list[Any](), io.StringIO()
    witness = cast(Any, SimpleNamespace(actor=trail.actor(109), record=recorded.append))
    view = cast(Any, SimpleNamespace(training=None, settings=None, terminal=Terminal(out=out, err=out)))
    for faults in (("ledger/p/00000004.json: not an entry in canonical form",), ()):
        population = trail.population(chain=replace(trail.chain, faults=faults))
        monkeypatch.setattr(ledger, "read", lambda *_, chain=population.chain: SimpleNamespace(chain=chain))
        monkeypatch.setattr(making, "read_population", lambda *_, found=population, **__: found)
        making.export(view, witness, tmp_path / "x.zip")
        assert len(recorded) == (0 if faults else 2), "what was collected, and the export"
    assert "this export is not recorded in the ledger" in out.getvalue()


@pytest.mark.parametrize("how", ["removed", "changed", "unreadable"])
def test_an_untampered_export_of_a_damaged_ledger_is_as_it_was_made(tmp_path: Path, how: str) -> None:
    trail, blobs = make_trail(tmp_path / "trail"), MemoryBlobs()
    blobs.stored.update({store.path("p", entry.sequence): entry.content for entry in trail.chain.entries})
    name = store.path("p", 4)
    if how == "removed":
        del blobs.stored[name]
    else:
        blobs.stored[name] = blobs.stored[name].replace(b"Ada", b"Eve") if how == "changed" else b"no entry"
    chain = store.read(blobs, "p")
    assert chain.unreadable == (((name, b"no entry"),) if how == "unreadable" else ())

    made = bundle.write(trail.verified(chain=chain), trail.documents, trail.actor(109), tmp_path / "x.zip")

    faults = checking.verify(made.path, made.sha256)
    assert faults
    assert all(fault.startswith(verifier.DAMAGED) for fault in faults)
    assert "is unchanged, but the ledger was already damaged" in checking.ending(made.path, faults, made.sha256)[0]
    with zipfile.ZipFile(made.path) as opened:
        files = {name: opened.read(name) for name in opened.namelist()}
    edit_events(cut_tail)(files)
    summed(files)
    forged = verifier.verify(str(written(files, tmp_path / "forged")))
    assert any(fault.startswith("events.jsonl: it ends with entry") for fault in forged)


def test_half_a_character_in_a_comment_stops_neither_export_nor_verifier(tmp_path: Path) -> None:
    trail = make_trail(tmp_path / "trail")
    trail.answer(109, Status.REJECTED, "no \ud800 =1\r\n\x1b[31m")
    made = bundle.write(trail.verified(), trail.documents, trail.actor(109), tmp_path / "x.zip")
    assert checking.verify(made.path, made.sha256.upper()) == []


def test_the_table_is_long_plain_and_harmless(files: Files) -> None:
    rows = list(csv.reader(io.StringIO(files["events.csv"].decode())))
    assert tuple(rows[0]) == verifier.COLUMNS
    assert all(len(row) == len(verifier.COLUMNS) for row in rows)
    assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "-", "@", "{", "["))]
    told = {(row[2], row[4]): (row[5], row[6]) for row in rows}
    assert told["data.accepted", "details.rows"] == ("102", "rows")
    assert told["data.quarantined", "details.findings.2"] == ("'@SUM(A1)", "")
    assert told["deployment.started", "details.record.changed_by_hand"][1] == "UTC"
    assert told["gate.decided", "evidence.policy_sha256"][1] == "sha256"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Zürich 東京", "Zürich 東京"),
        ("a\nb\u202e\u00a0", "a\\nb\\u202e\\xa0"),
        ("\U0001f600 \u20ba", "\\U0001f600 \\u20ba"),  # known since Unicode 6: an older Python must write it likewise
    ],
)
def test_what_is_printable_is_the_same_for_every_python(text: str, shown: str) -> None:
    assert verifier.printable(text) == shown


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@x", " =1", "\uff1d1", "kept", "", "3.5", "Zürich"])
def test_the_verifier_neutralizes_cells_as_the_rest_of_the_project_does(text: str) -> None:
    assert verifier.harmless(text) == harmless_cell(text)


def test_the_page_loads_and_runs_nothing_and_escapes_what_others_wrote(files: Files) -> None:
    page = files["dossier.html"].decode()
    assert not re.search(r"<script|javascript:|@import|url\(|<link|<img|<iframe|http", page)
    assert "the &lt;old&gt; model is worse on Mondays" in page
    links = set(re.findall(r'href="([^"#]+)"', page))
    assert all(link in files or link.endswith("/") for link in links)


def test_an_export_with_findings_says_so_first(trail: Trail, tmp_path: Path) -> None:
    population = trail.population(unread=("builds: no job token",))
    found = Verified(population, (Finding("run-gone", "run r9", expected="it, as entry 4 names it"),))
    made = bundle.write(found, trail.documents, trail.actor(109), tmp_path / "x.zip")
    with zipfile.ZipFile(made.path) as opened:
        page, facts = opened.read("dossier.html").decode(), json.loads(opened.read("facts.json"))
    assert page.index("1 finding") < page.index("run-gone") < page.index("What served when")
    assert "builds: no job token" in page
    assert facts["findings"][0]["code"] == "run-gone"
    assert checking.verify(made.path, made.sha256) == []


def text_of(page: bytes) -> str:
    """What a reader sees."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page.decode())).split())


def test_the_thirteen_questions_are_answered_from_the_export_alone(files: Files, trail: Trail) -> None:
    facts: dict[str, Any] = json.loads(files["facts.json"])
    events = [json.loads(line) for line in files["events.jsonl"].splitlines()]

    def named(kind: str) -> list[dict[str, Any]]:
        return [event for event in events if event["event"] == kind]

    # 1 which bytes served on a day; 2 which code and environment
    closed = next(event for event in events if event["event"] == "deployment.succeeded")
    when = (datetime.fromisoformat(closed["when"]) + timedelta(hours=1)).isoformat()
    (one,) = [one for one in facts["intervals"] if one["since"] <= when < one["until"]]
    assert one["served"]["model_sha256"] == sha("model 1")
    assert f"scoring/{one['served']['scoring_sha256']}/score.py" in files
    assert f"documents/{one['served']['environment_sha256']}-scoring.yml" in files
    # 3 who asked; 4 who approved, when, with what comment
    assert (one["served"]["requested_by"], one["served"]["build_id"]) == ("Rita", "101")
    given = named("approval.given")[0]["details"]
    assert (given["person"], given["comment"], given["build_id"]) == ("Grace", "looks right", "101")
    assert given["decided"]
    # 5 on which evidence; 6 which thresholds and values
    decision = json.loads(files[f"documents/{one['served']['decision_sha256']}-decision.json"])
    assert f"documents/{one['served']['report_sha256']}-report.html" in files
    gate = next(event for event in named("gate.decided") if event["subject"] == one["served"]["run_id"])
    assert {rule["code"] for rule in gate["details"]["rules"]} == {
        rule["code"] for rule in decision["evidence"]["rules"]
    }
    assert f"documents/{gate['evidence']['policy_sha256']}-policy.json" in files
    # 7 which data, whose upload
    upload = next(
        e for e in named("data.accepted") if e["evidence"]["data_sha256"] == gate["evidence"]["data_sha256"]
    )
    assert (upload["who"], upload["details"]["rows"]) == ("Ada", "101")
    # 8 changed since: verify.py; 9 what failed and why
    assert [event["subject"] for event in named("run.failed")] == ["r3"]
    assert named("run.failed")[0]["details"]["reason"] == "contract"
    # 10 what was refused; 11 why never released; 12 overrides
    assert [event["subject"] for event in named("request.refused")] == ["99"]
    assert named("data.refused")[0]["details"]["found"] == "3 rows"
    assert named("approval.refused")[0]["details"]["comment"] == "not before Monday"
    (never,) = facts["never_released"]
    assert (never["model"], never["state"], never["reason"]) == ("m:2", "rejected", "not before Monday")
    assert named("override.granted")[0]["details"]["person"] == "Ada"
    # 13 is it complete
    assert (facts["findings"], facts["compared"]["runs"], facts["not_verified"]) == ([], 5, [])


def section(page: bytes, name: str) -> str:
    """What a reader sees below a heading."""
    text = page.decode()
    begin = re.search(rf"<(?:h2|section)[^>]* id=\"?{re.escape(name)}[\" >]", text)
    assert begin, name
    rest = text[begin.start() + 1 :]
    end = re.search(r"<(?:h2|section)[^>]* id=", rest)
    return text_of(rest[: end.start() if end else None].encode())


ON_THE_PAGE = [
    (1, "when", f"2026-01-13 09:00:00 2026-01-25 09:00:00 m:1 deployment d1 model {sha('model 1')[:12]} scoring"),
    (1, "when", "2026-02-01 09:00:00 2026-02-03 09:00:00 unknown the service was changed by hand"),
    (2, "when", "environment fc770df2ae62"),
    (3, "deployments", "rollback of m:1 (before: m:3), deployment d4"),
    (3, "deployments", "Rita, spn-1: worse on Mondays"),
    (4, "deployments", "Grace, 2026-01-10 09:00:00 : looks right e7 yes"),
    (
        4,
        "approvals",
        "recorded 2026-01-11 09:00:00 given stage Production of build 101 , m:1 Grace looks right",
    ),
    (5, "deployments", "d1 decision ba442470e2a53d0ed63f5b67248723c03dcaa87d6e2f362435b611ce2016f331 report"),
    (6, "model-1", "(floor) passed 79.1% at most 100.0% the challenger's MAE is 0.791 of seasonal naive's"),
    (7, "model-1", "Data data:1: data accepted 2026-01-06 09:00:00 by Ada, build 100"),
    (7, "data", "data:1 week.csv 101 rows, 1 series, 305 days, 2026-01-01 to 2026-01-31 Ada, build 100"),
    (8, "check", "python -I verify.py --anchor SHA256"),
    (9, "runs", "recorded 2026-01-15 09:00:00 r3 failed no model was judged: contract Ada, spn-1"),
    (9, "deployments", "undone: it answers wrongly"),
    (10, "refused", "approval refused: stage Production of build 103 Grace, build 103 not before Monday"),
    (
        10,
        "refused",
        "data refused: data upload bad.csv Ada, build 100 bad.csv violates the data contract; found 3 rows",
    ),
    (10, "refused", "request refused: rollback 99 Rita, build 106 version 99 has never served in production"),
    (11, "why-not", "the version never served rejected 2026-01-25 09:00:00 Grace not before Monday"),
    (12, "overrides", "m:2 , training run r4 Ada: the <old> model is worse on Mondays kept, no-new-data not passed"),
]


@pytest.mark.parametrize(("question", "place", "answer"), ON_THE_PAGE)
def test_somebody_who_has_only_the_page_finds_the_answer(
    files: Files, question: int, place: str, answer: str
) -> None:
    said = section(files["dossier.html"], place)
    assert answer in said, f"question {question}: {said}"


def test_the_page_says_first_what_was_compared(files: Files) -> None:
    first = text_of(files["dossier.html"]).partition("Contents")[0]
    assert "35 entries since 2026-01-06 09:00:00" in first
    assert "Everything that could be compared is as recorded. Compared: entries 35, deployments 5, runs 5" in first


def test_the_page_shows_every_decision_about_the_same_bytes_and_approvals_in_their_order(tmp_path: Path) -> None:
    trail = make_trail(tmp_path / "trail")
    again = trail.train("r6", "accepted", "model 1", data=2, build=110)
    subject = Subject("m", 1, sha("model 1"), "r6")
    trail.add(candidates.accepted(Acceptance(subject, again.sha256, "m:3", "better again"), trail.actor(110)))
    late = Approval(Status.REJECTED, "Grace", "found later", day(1), "id-100", "rejected")
    trail.add(kinds.approval_answered("100", "Production", late, trail.actor(111)))
    made = bundle.write(trail.verified(), trail.documents, trail.actor(112), tmp_path / "x.zip")
    with zipfile.ZipFile(made.path) as opened:
        page = opened.read("dossier.html")
    decisions = section(page, "model-1").split("Decision on run ")[1:]
    assert [said.partition(":")[0] for said in decisions] == ["r1", "r6"]
    assert again.sha256 in decisions[1]
    assert sha("data 2") in decisions[1]
    told = section(page, "approvals")
    assert told.index("found later") < told.index("looks right"), "by the time of the answer, not of the entry"
