"""An export proves itself: each change is found and named, and each question of an auditor has its answer."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import random
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
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
from ml_service.audit.export import bundle, checking, making, verifier
from ml_service.audit.export.bundle import Made
from ml_service.azure_devops.approvals import Status
from ml_service.errors import InvalidRequestError
from ml_service.output.console import Terminal
from ml_service.production import ledger
from ml_service.production.chain import store
from tests.unit.ml_service.audit.trail import Trail, day, make_trail, sha
from tests.unit.ml_service.production.memory_blobs import MemoryBlobs

Files = dict[str, bytes]
Change = Callable[[Files], None]


@pytest.fixture(scope="module")
def trail(tmp_path_factory: pytest.TempPathFactory) -> Trail:
    """The story, which tests only read."""
    return make_trail(tmp_path_factory.mktemp("trail"))


@pytest.fixture(scope="module")
def made(trail: Trail, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """An export of the story."""
    return bundle.write(
        trail.verified(), trail.documents, trail.actor(109, "Olga"), tmp_path_factory.mktemp("x") / "x.zip"
    )


@pytest.fixture(scope="module")
def files(made: Made) -> Files:
    """What the export holds."""
    with zipfile.ZipFile(made.path) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def written(files: Files, folder: Path) -> Path:
    """The files as somebody has extracted them."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def summed(files: Files) -> None:
    """What a forger does last: make SHA256SUMS fit."""
    listed = {name: hashlib.sha256(content).hexdigest() for name, content in files.items() if name != verifier.SUMS}
    files[verifier.SUMS] = "".join(f"{sha256}  {name}\n" for name, sha256 in sorted(listed.items())).encode()


def test_an_export_verifies_in_an_empty_folder_with_plain_python(files: Files, made: Made, tmp_path: Path) -> None:
    folder = written(files, tmp_path)
    for words in ((), ("--anchor", made.sums_sha256), (str(made.path), "--anchor", made.sha256)):
        command = [sys.executable, "-I", "verify.py", *words]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env={})
        assert (done.returncode, done.stderr) == (0, ""), done.stdout
        assert done.stdout.startswith("Nothing was changed since the export was made (")
    (folder / "events.csv").write_bytes(files["events.csv"][:-1])
    done = subprocess.run(
        [sys.executable, "-I", "verify.py"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 3
    assert done.stdout.startswith("CHANGED  events.csv: its bytes are not those that SHA256SUMS lists\n")
    elsewhere = [sys.executable, "-I", str(folder / "verify.py"), str(tmp_path / "nothing.zip")]
    assert subprocess.run(elsewhere, capture_output=True, check=False).returncode == 2


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


@pytest.mark.parametrize("which", ["some", pytest.param("every", marks=pytest.mark.campaign)])
def test_every_changed_byte_of_every_file_is_found_and_named(files: Files, tmp_path: Path, which: str) -> None:
    """Whole files are hashed, so it is enough to compare the sums for each byte."""
    export = verifier.Export(str(written(files, tmp_path)))
    listed = {line[66:]: line[:64] for line in files[verifier.SUMS].decode().splitlines()}
    assert set(listed) == set(files) - {verifier.SUMS}
    some = ("events.jsonl", next(one for one in files if one.endswith("policy.json")))
    for name in sorted(listed) if which == "every" else some:
        content, total = files[name], hashlib.sha256()
        for place, byte in enumerate(content):
            changed = total.copy()
            changed.update(bytes([byte ^ 1]) + content[place + 1 :])
            assert changed.hexdigest() != listed[name]
            total.update(bytes([byte]))
        assert export.sha256(name) == listed[name]


@pytest.mark.parametrize("seed", range(40))
def test_random_tampering_is_found_and_its_file_is_named(files: Files, tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - not for secrets
    name = chance.choice(sorted(set(files) - {verifier.SUMS}))
    content = bytearray(files[name])
    place = chance.randrange(len(content))
    how = chance.choice(["flip", "remove", "insert", "cut", "gone", "other", "swap"])
    changed = dict(files)
    if how == "flip":
        content[place] ^= 1 << chance.randrange(8)
    elif how == "remove":
        del content[place]
    elif how == "insert":
        content.insert(place, chance.randrange(256))
    elif how == "cut":
        del content[place:]
    changed[name] = bytes(content)
    if how == "gone":
        del changed[name]
    elif how == "other":
        name = f"documents/{sha(str(seed))}-new.txt"
        changed[name] = b"new"
    elif how == "swap":
        changed[name] = files[chance.choice(sorted(set(files) - {name}))]
    faults = verifier.verify(str(written(changed, tmp_path)))
    assert any(fault.startswith((name, "events.jsonl" if name == "facts.json" else name)) for fault in faults), (
        how,
        faults,
    )


def edit_events(change: Callable[[list[bytes]], None]) -> Change:
    """A change of the lines of events.jsonl."""

    def made(files: Files) -> None:
        lines = files["events.jsonl"].splitlines(keepends=True)
        change(lines)
        files["events.jsonl"] = b"".join(lines)

    return made


def remove_row(lines: list[bytes]) -> None:
    """Take an event out of the middle."""
    del lines[4]


def add_row(lines: list[bytes]) -> None:
    """Repeat an event."""
    lines.insert(4, lines[4])


def reorder(lines: list[bytes]) -> None:
    """Let two events change places."""
    lines[4], lines[5] = lines[5], lines[4]


def cut_tail(lines: list[bytes]) -> None:
    """Forget the last event."""
    del lines[-1]


def rewrite(lines: list[bytes]) -> None:
    """Edit the first event and make the chain fit."""
    previous = "none"
    for number, line in enumerate(lines):
        entry = json.loads(line)
        entry["who"], entry["previous_sha256"] = ("Mallory" if number == 0 else entry["who"]), previous
        lines[number] = json.dumps(entry, sort_keys=True, separators=(",", ":")).encode() + b"\n"
        previous = hashlib.sha256(lines[number]).hexdigest()


def swap_documents(files: Files) -> None:
    """Let two reports change places."""
    one, other, *_ = sorted(name for name in files if name.endswith("report.html"))
    files[one], files[other] = files[other], files[one]


def edit_scoring(files: Files) -> None:
    """Change the code that is said to have served."""
    name = next(name for name in files if name.startswith("scoring/"))
    files[name] += b"# harmless\n"


def edit_page(files: Files) -> None:
    """Change a fact in the timeline of the page."""
    page = files["dossier.html"]
    assert b"<td>deployment.undone</td>" in page
    files["dossier.html"] = page.replace(b"<td>deployment.undone</td>", b"<td>deployment.succeeded</td>", 1)


def edit_table(files: Files) -> None:
    """Remove a row of the table."""
    lines = files["events.csv"].splitlines(keepends=True)
    files["events.csv"] = b"".join(lines[:30] + lines[31:])


def remove_document(files: Files) -> None:
    """Take the report of the first run away."""
    del files[next(name for name in files if name.endswith("report.html"))]


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (edit_events(remove_row), "events.jsonl, line 5: it follows another entry than the one before it"),
        (edit_events(add_row), "events.jsonl, line 6: it follows another entry than the one before it"),
        (edit_events(reorder), "events.jsonl, line 5: it follows another entry than the one before it"),
        (edit_events(cut_tail), "events.jsonl: it ends with entry 34, and facts.json names {'entry': 35,"),
        (edit_events(rewrite), "events.csv, line "),
        (swap_documents, "documents/"),
        (edit_scoring, "scoring/"),
        (edit_page, "dossier.html, event "),
        (edit_table, "events.csv, line 31: it does not tell what events.jsonl tells"),
        (remove_document, "events.jsonl, line "),
    ],
)
def test_a_forger_who_makes_the_sums_fit_is_found_all_the_same(
    files: Files, made: Made, tmp_path: Path, change: Change, place: str
) -> None:
    forged = dict(files)
    change(forged)
    summed(forged)
    folder = str(written(forged, tmp_path))
    faults = verifier.verify(folder)
    assert any(fault.startswith(place) for fault in faults), faults
    assert any("the anchor says" in fault for fault in verifier.verify(folder, made.sums_sha256))


@pytest.mark.parametrize("name", ["verify.py", "SHA256SUMS"])
def test_a_forged_verifier_or_list_is_found_by_the_anchor(
    files: Files, made: Made, tmp_path: Path, name: str
) -> None:
    forged = {**files, "verify.py": files["verify.py"] + b"\n"}
    summed(forged)
    folder = str(written({**files, name: forged[name], "SHA256SUMS": forged["SHA256SUMS"]}, tmp_path))
    assert any("the anchor says" in fault for fault in verifier.verify(folder, made.sums_sha256))


def test_hostile_archives_are_refused_or_named(files: Files, tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as opened:
        for name, content in files.items():
            opened.writestr(name, content)
        opened.writestr("../evil.txt", b"x")
        with pytest.warns(UserWarning, match="Duplicate name"):
            opened.writestr("facts.json", files["facts.json"])
    faults = checking.verify(path)
    assert "../evil.txt: it is not listed in SHA256SUMS" in faults
    assert "a name occurs twice in the ZIP file" in faults
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    path.write_bytes(damaged)
    assert checking.verify(path)
    for garbage in (b"", b"PK", b"\x00" * 1000):
        path.write_bytes(garbage)
        with pytest.raises(InvalidRequestError):
            checking.verify(path)


def test_a_damaged_header_of_any_file_is_a_finding(files: Files, tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as opened:
        for name, content in files.items():
            opened.writestr(name, content)
    with zipfile.ZipFile(path) as opened:
        headers = [(info.filename, info.header_offset) for info in opened.infolist()]
    whole = path.read_bytes()
    for name, place in headers:
        for offset in (0, 26, 27, 30) if name in (verifier.EVENTS, verifier.SUMS) else (0,):  # signature, name
            damaged = bytearray(whole)
            damaged[place + offset] ^= 0x81
            path.write_bytes(damaged)
            assert any(fault.startswith(f"{name}: ") for fault in checking.verify(path)), (name, offset)


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


def test_a_blank_anchor_is_refused(made: Made, files: Files, tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError, match="--anchor is blank"):
        checking.verify(made.path, " ")
    command = [sys.executable, "-I", str(written(files, tmp_path) / "verify.py"), "--anchor", " "]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, "--anchor is blank" in done.stderr) == (2, True)
    assert "--anchor" in checking.ending(made.path, [], None)[1]
    assert checking.ending(made.path, [], made.sha256)[1] == ""


def line_with(**changes: Any) -> bytes:
    """An entry in canonical form, with other values."""
    texts = dict.fromkeys(("problem", "previous_sha256", "when", "event", "subject", "who", "what"), "x")
    entry = {**texts, "sequence": 1, "evidence": {}, "details": {}, **changes}
    return json.dumps(entry, sort_keys=True, separators=(",", ":")).encode() + b"\n"


@pytest.mark.parametrize(
    "line",
    [
        *(b"[]\n", b"{}\n", b"\xff\n", b"[" * 100_000 + b"\n", b'{"sequence":1}\n', b"\n"),
        line_with(sequence=True),
        line_with(sequence=1.0),
        line_with(evidence={"decision_sha256": [1]}),
        line_with(evidence=[]),
        line_with(when=None),
        line_with(details={"a": 1}).replace(b'"a":1', b'"a":0,"a":1'),
        line_with(details={"a": "x" * 2_000_000}),
    ],
)
def test_lines_that_are_no_entry_are_named_and_stop_nothing(files: Files, tmp_path: Path, line: bytes) -> None:
    folder = str(written({**files, "events.jsonl": line + files["events.jsonl"]}, tmp_path))
    assert "events.jsonl, line 1: not an entry in canonical form" in verifier.verify(folder)


@pytest.mark.parametrize("depth", [700, 960, 5_000])
def test_a_line_of_any_depth_is_named_and_stops_nothing(files: Files, tmp_path: Path, depth: int) -> None:
    line = line_with(details={"deep": 0}).replace(b'"deep":0', b'"deep":' + b"[" * depth + b"]" * depth)
    faults = verifier.verify(str(written({**files, "events.jsonl": line + files["events.jsonl"]}, tmp_path)))
    assert any(fault.startswith("events.jsonl, line 1: ") for fault in faults)


def test_half_a_character_in_a_comment_stops_neither_export_nor_verifier(tmp_path: Path) -> None:
    trail = make_trail(tmp_path / "trail")
    trail.answer(109, Status.REJECTED, "no \ud800 =1\r\n\x1b[31m")
    made = bundle.write(trail.verified(), trail.documents, trail.actor(109), tmp_path / "x.zip")
    assert checking.verify(made.path, made.sha256.upper()) == []


def test_an_export_that_somebody_has_packed_again_verifies_by_its_list(
    files: Files, made: Made, tmp_path: Path
) -> None:
    path = tmp_path / "again.zip"
    with zipfile.ZipFile(path, "w") as opened:
        opened.mkdir("documents")
        for name, content in files.items():
            opened.writestr(name, content)
    assert checking.verify(path, made.sums_sha256) == []


def test_links_in_an_extracted_folder_are_named(files: Files, tmp_path: Path) -> None:
    folder = written(files, tmp_path)
    (folder / "more").symlink_to("/etc")
    assert "more: a link, not a file" in verifier.verify(str(folder))


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
    page = text_of(files["dossier.html"])

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
    # somebody who has only the page
    for told in (
        sha("model 1"),
        trail.scoring,
        "Rita",
        "Grace: looks right",
        "version 99 has never served",
        "worse on Mondays",
    ):
        assert told in page
    for told in (
        "not before Monday",
        "contract",
        "bad.csv",
        "no-new-data",
        "a hotfix on Friday",
        "verify.py",
        "week.csv",
    ):
        assert told in page
