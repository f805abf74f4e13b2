"""What others make of the story of production: auditors of its trail, and people on call of the runbooks."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.agreement import agree
from tests.runbooks import walk
from tests.story.product import shifted_table
from tests.story.production import (
    PRODUCTION,
    Shop,
    stored,
)
from tests.story.tampering import tampered

pytestmark = [pytest.mark.slow, pytest.mark.campaign]


def inside(interval: dict[str, Any]) -> str:
    """A moment of an interval of an export."""
    begin, end = (datetime.fromisoformat(interval[name]) for name in ("since", "until"))
    return (begin + (end - begin) / 2).isoformat()


def test_the_audit_trail_of_the_story_is_complete_and_proves_itself(
    shop: Shop, name: str, environment: Mapping[str, str], tmp_path: Path
) -> None:
    product, file, folder = shop.product, tmp_path / "audit.zip", tmp_path / "extracted"
    product.run("rollback", "--to", 99, "--reason", "worse", code=3)
    made = product.run("audit", "export", "--out", file, "--json").document
    assert made["findings"] == []
    assert "somebody's own code has registered model" in made["notes"][0]
    with zipfile.ZipFile(file) as opened:
        opened.extractall(folder)
    verify = [sys.executable, "-I", "verify.py", "--anchor", made["sums_sha256"]]
    plain = subprocess.run(verify, cwd=folder, env={}, capture_output=True, text=True, check=False)
    assert (plain.returncode, plain.stderr) == (0, ""), plain.stdout
    product.run("audit", "verify", file, "--anchor", made["sha256"])

    events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    kinds = {event["event"] for event in events}
    assert {"data.accepted", "run.finished", "gate.decided", "candidate.accepted", "deployment.undone"} <= kinds
    assert {"approval.requested", "request.refused"} <= kinds
    assert [event["subject"] for event in events if event["event"] == "request.refused"][-1] == "99"
    first, *rest = json.loads((folder / "facts.json").read_text())["intervals"]
    assert (first["status"], first["since"]) == ("unknown", "")
    undone = next(event["subject"] for event in events if event["event"] == "deployment.undone")
    in_failed = next(one for one in rest if one["why"] == f"deployment {undone} was in progress")
    served = next(
        one for one in rest if one["served"] and one["served"]["deployment"] == shop.agreed["first"].deployment
    )
    for date, code, status in (
        ("2026-01-01", 3, "unknown"),
        (inside(in_failed), 3, "unknown"),
        (inside(served), 0, "served"),
    ):
        (answer,) = product.run("audit", "at", "--date", date, "--json", code=code).document["answers"]
        assert answer["status"] == status, date
    assert answer["served"]["model"] == f"{name}:1"
    assert answer["gate"]["rules"]

    ends = ("model/model.json", "report.html", "decision.json")
    with tampered(path for end in ends for path in stored(environment, end)):
        said = product.run("audit", "verify", code=3).err
    for what in (
        f"model-changed: model {name}:1 ",
        f"report.html beside model {name}:2 ",
        f"decision.json beside copy {name}:2 in workspace {PRODUCTION}",
        f"report.html of run {events[1]['subject']}",
        f"decision.json of run {events[1]['subject']}",
    ):
        assert what in said, what
    assert product.run("audit", "verify", "--json").document["findings"] == []


def test_the_runbooks_of_production_are_walked_in_their_order(shop: Shop, name: str, tmp_path: Path) -> None:
    """A candidate is approved, then withdrawn, released nevertheless, found wrong, and rolled back."""
    product = shop.product
    before = agree(product).serves
    product.run("data", "upload", "--file", shifted_table(tmp_path / "raised.csv", "2014-05-31", "", 1.01))
    override = ("--override-by", "Ada", "--override-reason", "a new tariff")
    run_id = product.run("run", "--unpublished", *override, "--json").document["run_id"]
    newest = product.run("candidates", "list", "--json").document["candidates"][0]
    number = newest["model"].rpartition(":")[2]
    values = {
        "NUMBER": number,
        "TEXT": "walked through",
        "RUN_ID": run_id,
        "out/failed-check": tmp_path / "failed-check",
        "out/try": tmp_path / "try",
    }

    status, listed, verified = walk(product, "runbooks/approve.md", values)
    assert newest["model"] in status.out
    assert newest["model"] in listed.out
    assert f"production is as recorded: {before}" in verified.err + verified.out
    *_, withdrawn, released = walk(product, "runbooks/reject.md", values)
    assert "withdrawn" in withdrawn.out + withdrawn.err
    assert f"{newest['model']} released" in released.out
    assert agree(product).serves == newest["model"]
    first, back, again = walk(product, "runbooks/roll-back.md", values)
    assert newest["model"] in first.out
    assert f"to {before}" in back.out
    assert f"production is as recorded: {before}" in again.err + again.out
    found = agree(product)
    assert (found.serves, found.candidates[newest["model"]]["setbacks"][0]["kind"]) == (before, "rolled back")
    walk(product, "runbooks/failed-check.md", values)
    assert (tmp_path / "failed-check/releases.json").is_file()
    followed, tried = walk(product, "runbooks/failed-run.md", values)
    assert "accepted" in followed.out
    assert "nothing was registered or deployed" in tried.out + tried.err
    assert (tmp_path / "try/report.html").is_file()
