"""A run of a pipeline that is in progress, and what a project hands over in it."""

from __future__ import annotations

import json
from pathlib import Path

from local_azure.pipelines.run.builds.progress import Progress
from local_azure.pipelines.run.builds.record import BuildRecord
from local_azure.pipelines.run.results import Result

HOSTILE = "<script>alert(1)</script>\"'"
CARD = {
    "schema_version": 1,
    "kind": "release",
    "problem": "p",
    "title": f"Release of model:7 {HOSTILE}",
    "serves_now": None,
    "proposed": {"model": "model:7", "recipe": "mean"},
    "target": {"workspace": "local-production", "tags": {"evidence": "local rehearsal"}},
    "verdict": {"sentence": HOSTILE},
    "improvement": {"sentence": "20 % better"},
    "asked": {"who": "Grace", "why": "a schedule"},
    "warnings": [HOSTILE],
    "if_approved": "it serves",
    "if_rejected": "nothing changes",
}


class Rehearsal:
    """A run in progress, as the runner of pipelines records it."""

    def __init__(self, root: Path, number: int = 1) -> None:
        self.folder = root / str(number)
        self.folder.mkdir(parents=True)
        (self.folder / "logs").mkdir()
        self.record = BuildRecord(self.folder, number, lambda text: text)
        self.progress = Progress(self.folder, lambda text: text)
        facts = {"definition": {"id": 1, "name": "release"}, "reason": "manual", "sourceBranch": "refs/heads/main"}
        self.record.begin("20261130.1", {"Train": "Train it", "Production": "To production"}, facts)

    def ask(self) -> str:
        """Come to the question."""
        self.record.stage_began("Train")
        self.record.stage_ended("Train", Result.SUCCEEDED)
        self.record.stage_began("Production")
        return self.record.ask("Production", "production")

    def write(self, kind: str, name: str, content: str) -> None:
        """Keep a file."""
        path = self.folder / kind / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)

    def plan(self, **jobs: str) -> None:
        """Write the plan that the runner would: one job for each stage."""
        stages = [
            {"name": stage, "title": stage, "waits_for": [], "condition": "", "environments": [],
             "jobs": [{"label": f"{stage}.{job}", "title": job, "waits_for": [], "condition": ""}]}
            for stage, job in jobs.items()
        ]  # fmt: skip
        line = {"plan": {"file": "/nowhere/release.yml", "stages": stages}}
        self.write("", "progress.jsonl", json.dumps(line) + "\n")
