"""The evidence of an approval: whose artifacts it holds, and that its hash tells of every change."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from local_azure.pipelines.run.builds import evidence
from local_azure.pipelines.run.builds.evidence import evidence_of

PLAN = {
    "plan": {
        "stages": [
            {"name": "Validate", "waits_for": []},
            {"name": "Train_a", "waits_for": ["Validate"]},
            {"name": "Train_b", "waits_for": ["Validate"]},
            {"name": "Production_a", "waits_for": ["Train_a"]},
        ]
    }
}


def _published(name: str, label: str) -> dict[str, Any]:
    return {"artifact": {"name": name}, "label": label}


def _write(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)


def test_it_holds_what_the_stages_before_have_published(tmp_path: Path) -> None:
    ours = ["summaries/Train_a.train/2-card.md", "summaries/Validate.tests/1-page.md"]
    ours += ["artifacts/evidence-a/card.json", "artifacts/tests/report.html", "artifacts/unknown/data.csv"]
    others = ["summaries/Train_b.train/3-card.md", "artifacts/evidence-b/card.json", "artifacts/evidence-a/model.bin"]
    _write(tmp_path, *ours, *others)
    course = [
        PLAN,
        _published("evidence-a", "Train_a.train"),
        _published("tests", "Validate.tests"),
        _published("evidence-b", "Train_b.train"),
    ]
    assert evidence_of(tmp_path, "Production_a", course).files == tuple(ours)
    everything = {*ours, *others} - {"artifacts/evidence-a/model.bin"}
    for plan in ("x", {}, {"stages": 1}, {"stages": [1]}):
        assert set(evidence_of(tmp_path, "Production_a", [{"plan": plan}]).files) == everything


@pytest.mark.parametrize("budget", [evidence.MOST_BYTES_READ, 0])
def test_its_hash_tells_of_every_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, budget: int) -> None:
    """Also of files that are not read, because those before them were large."""
    monkeypatch.setattr(evidence, "MOST_BYTES_READ", budget)
    _write(tmp_path, "artifacts/a/card.json", "artifacts/a/report.html")
    seen = [evidence_of(tmp_path, "x", []).sha256]

    def look() -> None:
        seen.append(evidence_of(tmp_path, "x", []).sha256)

    (tmp_path / "artifacts/a/card.json").write_text("another content")
    look()
    (tmp_path / "artifacts/a/card.json").rename(tmp_path / "artifacts/a/renamed.json")
    look()
    _write(tmp_path, "summaries/Train.train/1-page.md")
    look()
    (tmp_path / "artifacts/a/report.html").unlink()
    look()
    assert len(set(seen)) == len(seen)
    look()
    assert seen[-1] == seen[-2], "it follows from the files alone"


def test_a_file_that_cannot_be_read_is_no_fault(tmp_path: Path) -> None:
    _write(tmp_path, "artifacts/a/card.json")
    (tmp_path / "artifacts/a/gone.json").symlink_to(tmp_path / "nothing")
    os.mkfifo(tmp_path / "artifacts/a/pipe.json")
    assert evidence_of(tmp_path, "x", []).files == ("artifacts/a/card.json",)


def test_of_very_many_files_the_first_ones_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence, "MOST_FILES", 2)
    _write(tmp_path, *(f"artifacts/a/{number}.json" for number in range(2)))
    assert len(evidence_of(tmp_path, "x", []).files) == 2
    _write(tmp_path, "artifacts/a/2.json", "artifacts/b/3.json")
    assert evidence_of(tmp_path, "x", []).files == ("artifacts/a/0.json", "artifacts/a/1.json")
