"""What a training run has come to, as a value."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from azure_ml.errors import ExplainedError
from azure_ml.pipelines.runs import ENDED, RunStatus, StepState
from ml_service.training.runs.follow import (
    Followed,
)
from ml_service.training.runs.outcome import Outcome, exit_code
from ml_service.training.snapshots import DEPLOY


@dataclass(frozen=True)
class RunResult:
    """A run that has ended."""

    run_id: str
    experiment: str
    portal: str
    followed: Followed
    outcome: Outcome
    failed_step: StepState | None
    log: tuple[str, ...]
    """The last lines of the failed step."""
    deployed_here: bool = False
    """Whether this process has deployed the model to the test service, because no step of the run does."""
    trouble: ExplainedError | None = None
    """What kept this process from deploying it."""

    @property
    def is_deployed(self) -> bool:
        """Whether the test service got the model."""
        steps = self.followed.steps
        return self.deployed_here or any(step.name == DEPLOY and step.status == RunStatus.FINISHED for step in steps)

    @property
    def is_pending(self) -> bool:
        """Whether the run is still in progress and only following it has ended."""
        return self.followed.status not in ENDED

    @property
    def exit_code(self) -> int:
        """What the process ends with."""
        if self.trouble is not None:
            return self.trouble.exit_code
        return exit_code(self.followed.status, self.outcome.outcome)

    @property
    def complaint(self) -> str:
        """Why the exit code is not 0, in one sentence; empty when it is."""
        if not self.exit_code:
            return ""
        if self.trouble is not None:
            why = ": ".join(filter(None, (self.trouble.happened, self.trouble.found)))
            return f"its model was registered, but not deployed to the test service\n{why}"
        if self.exit_code == 3:
            return self._refusal
        if self.failed_step is not None:
            return f"step {self.failed_step.name} failed; the end of its log is below"
        if self.followed.status == RunStatus.CANCELED:
            return "somebody canceled the run"
        return "the run ended without recording an outcome; was its pipeline published from this project?"

    @property
    def _refusal(self) -> str:
        if self.outcome.reason == "contract":
            return "refused (contract): the table violates the data contract; nothing was trained or registered"
        return f"refused ({self.outcome.reason}): the data contract or the gate said no; nothing was registered"

    @property
    def document(self) -> dict[str, Any]:
        """The result for `--json`."""
        decision, model = self.outcome.decision, self.outcome.model
        registered = {"name": model.name, "version": model.version, "sha256": model.sha256} if model else None
        return {
            "run_id": self.run_id,
            "experiment": self.experiment,
            "status": self.followed.status,
            "outcome": self.outcome.outcome or None,
            "reason": self.outcome.reason or None,
            "steps": [asdict(step) for step in self.followed.steps],
            "decision": json.loads(decision.content) if decision else None,
            "model": registered,
            "portal": self.portal,
        }
