"""What a training run decided: read from the properties of the parent run, its decision record and the registry."""

from __future__ import annotations

import hashlib
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from azureml.core import Model

from ml_service.errors import FaultError
from ml_service.output.console import quiet_sdk
from ml_service.settings.workspace import OpenWorkspace

ACCEPTED, KEPT, FAILED = "accepted", "kept", "failed"
DECISION_FILE = "decision.json"


@dataclass(frozen=True)
class RegisteredModel:
    """The model version that a run registered."""

    name: str
    version: int
    sha256: str


@dataclass(frozen=True)
class Outcome:
    """The verdict of a run; empty texts when the run recorded none."""

    outcome: str
    reason: str
    decision: dict[str, Any] | None
    """The decision record; None when the run ended before a decision."""
    model: RegisteredModel | None
    """None when nothing was registered."""

    @property
    def evidence(self) -> dict[str, Any]:
        """The block of that name in the decision record; empty when there is none."""
        return (self.decision or {}).get("evidence") or {}


def read_outcome(workspace: OpenWorkspace, run: Any, model_name: str) -> Outcome:
    """Collect what a run recorded.

    Raises: FaultError when the decision record is not the one whose hash the run recorded.
    """
    properties = run.get_properties()
    outcome = properties.get("outcome", "")
    decision = None
    if recorded := properties.get("decision_sha256"):
        decision = _decision(run, recorded)
    return Outcome(
        outcome=outcome,
        reason=properties.get("reason", ""),
        decision=decision,
        model=_model(workspace, run.id, model_name) if outcome == ACCEPTED else None,
    )


def exit_code(status: str, outcome: str) -> int:
    """0 for accepted and kept, 3 when a contract or the gate's floor said no, else 1.

    An accepted model whose run still failed (a later step broke) is a fault: nothing was deployed.
    """
    if outcome == FAILED:
        return 3
    return 0 if status == "Finished" and outcome in (ACCEPTED, KEPT) else 1


def _decision(run: Any, recorded: str) -> dict[str, Any]:
    with quiet_sdk(), tempfile.TemporaryDirectory(prefix="ml_service_") as scratch:
        target = Path(scratch) / DECISION_FILE
        run.download_file(DECISION_FILE, output_file_path=str(target))
        content = target.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != recorded:
        raise FaultError(
            f"the decision record of run {run.id} is not the one that the run recorded",
            found=f"sha256 {found}",
            expected=f"sha256 {recorded}",
            todo="do not trust this run: somebody changed the artifact; run again",
        )
    document = json.loads(content)
    return document if isinstance(document, dict) else {"decision": document}


def _model(workspace: OpenWorkspace, run_id: str, name: str) -> RegisteredModel | None:
    found = Model.list(workspace.sdk, name=name, properties=[["run_id", run_id]])
    if not found:
        return None
    newest = max(found, key=lambda model: int(model.version))
    return RegisteredModel(
        name=newest.name, version=int(newest.version), sha256=newest.properties.get("model_sha256", "")
    )
