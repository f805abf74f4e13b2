"""Each change of an export is found and its place is named, and nothing that is no export stops the verifier."""

from __future__ import annotations

import hashlib
import json
import random
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from ml_service.audit.export import checking, verifier
from ml_service.audit.export.bundle import Made
from ml_service.errors import InvalidRequestError
from tests.unit.ml_service.audit.exported import Change, Files, cut_tail, edit_events, summed, written
from tests.unit.ml_service.audit.trail import sha


def test_an_export_verifies_in_an_empty_folder_with_plain_python(files: Files, made: Made, tmp_path: Path) -> None:
    folder = written(files, tmp_path)
    for words in ((), ("--anchor", made.sums_sha256), (str(made.path), "--anchor", made.sha256)):
        command = [sys.executable, "-I", "verify.py", *words]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env={})
        assert (done.returncode, done.stderr) == (0, ""), done.stdout
        begun = "Nothing was changed since the export was made (" if words else "No anchor was given: "
        assert done.stdout.startswith(begun)
        assert "Nothing was changed since the export was made (" in done.stdout
    (folder / "events.csv").write_bytes(files["events.csv"][:-1])
    done = subprocess.run(
        [sys.executable, "-I", "verify.py"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 3
    assert "\nCHANGED  events.csv: its bytes are not those that SHA256SUMS lists\n" in done.stdout
    elsewhere = [sys.executable, "-I", str(folder / "verify.py"), str(tmp_path / "nothing.zip")]
    assert subprocess.run(elsewhere, capture_output=True, check=False).returncode == 2


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


def remove_row(lines: list[bytes]) -> None:
    """Take an event out of the middle."""
    del lines[4]


def add_row(lines: list[bytes]) -> None:
    """Repeat an event."""
    lines.insert(4, lines[4])


def reorder(lines: list[bytes]) -> None:
    """Let two events change places."""
    lines[4], lines[5] = lines[5], lines[4]


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
    assert b"<td>deployment undone</td>" in page
    files["dossier.html"] = page.replace(b"<td>deployment undone</td>", b"<td>deployment succeeded</td>", 1)


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
