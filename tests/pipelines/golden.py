"""Each pipeline as the service would run it, for the parameters and reasons that change it, as plain files.

python -m tests.pipelines.golden      write them anew (make golden); read the difference, then commit it
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from local_azure.pipelines.expand.expansion import Expanded, expand
from local_azure.pipelines.expand.final_yaml import final_yaml
from local_azure.pipelines.expand.queue_facts import QueueFacts

ROOT = Path(__file__).resolve().parents[2]
PIPELINES = ROOT / ".pipelines"
FOLDER = Path(__file__).resolve().parent / "golden"
BECAUSE = {"problem": "paid_amount", "reason": "forecasts doubled"}
TWO_PROBLEMS = "[paid_amount, units_by_type]"


@dataclass(frozen=True)
class Case:
    """One expansion."""

    name: str
    pipeline: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    reason: str = "Manual"
    branch: str = "main"

    @property
    def file(self) -> Path:
        """The pipeline."""
        return PIPELINES / f"{self.pipeline}.yml"

    @property
    def golden(self) -> Path:
        """The expected text."""
        return FOLDER / f"{self.name}.yml"

    @property
    def facts(self) -> QueueFacts:
        """How the run is queued."""
        return QueueFacts(reason=self.reason, branch=self.branch)

    def expanded(self) -> Expanded:
        """The expanded pipeline with its faults."""
        return expand(self.file, self.parameters, self.facts)


CASES = (
    Case("pr", "pr", reason="PullRequest", branch="topic"),
    Case("release-by-a-merge", "release", reason="IndividualCI"),
    Case("release-by-hand", "release"),
    Case("release-of-a-pull-request", "release", reason="PullRequest", branch="topic"),
    Case("release-of-another-branch", "release", branch="topic"),
    Case("release-redeploy", "release", {"redeploy": "true"}),
    Case("release-override", "release", {"overrideReason": "the new tariff starts on Monday"}),
    Case("release-take-over", "release", {"redeploy": "true", "takeOverReason": "a hotfix on Friday"}),
    Case("release-two-problems", "release", {"problems": TWO_PROBLEMS}, reason="IndividualCI"),
    Case("release-of-another-table", "release", {"problems": "[product_sales]"}),
    Case("retrain-by-schedule", "retrain", reason="Schedule"),
    Case("retrain-by-hand", "retrain", {"reason": "data", "dataVersion": "3"}),
    Case("retrain-dry-run", "retrain", {"dryRun": "true"}),
    Case("retrain-pending", "retrain", {"pending": "true"}),
    Case("retrain-two-problems", "retrain", {"problems": TWO_PROBLEMS}, reason="Schedule"),
    Case("rollback-to-previous", "rollback", BECAUSE),
    Case("rollback-to-a-version", "rollback", {"to": "7", **BECAUSE}),
    Case("rollback-take-over", "rollback", {"takeOverReason": "a hotfix on Friday", **BECAUSE}),
    Case("try-on-a-branch", "try", {"dataVersion": "3"}, branch="topic"),
    Case("audit-by-schedule", "audit", reason="Schedule"),
)


def text_of(case: Case) -> str:
    """What the golden file of a case should hold."""
    given = " ".join(f"-p {name}='{value}'" for name, value in case.parameters.items())
    queued = f"--reason {case.reason} --branch {case.branch} {given}".rstrip()
    return f"# {case.pipeline}.yml {queued}\n{final_yaml(case.expanded().tree)}"


def main() -> None:
    """Write every golden file and remove those that no case has."""
    FOLDER.mkdir(exist_ok=True)
    for case in CASES:
        case.golden.write_text(text_of(case), encoding="utf-8")
    for stray in set(FOLDER.glob("*.yml")) - {case.golden for case in CASES}:
        stray.unlink()


if __name__ == "__main__":
    main()
