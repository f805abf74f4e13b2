"""The evidence of a run as files: the decision record, a Markdown page for the person who approves, the report."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from azure_ml.pipelines.runs import find_pipeline_run
from azure_ml.services import find_service
from azure_ml.workspace import Workspace
from forecasting.decision import words
from forecasting.decision.blocks import Evidence
from forecasting.decision.record import DECISION_FILE, REPORT_FILE
from forecasting.errors import FAILURES_FILE
from ml_service.audit import last_training
from ml_service.errors import FaultError
from ml_service.output.agent import Agent
from ml_service.output.closing import Closing
from ml_service.output.decision_table import decision_rows, override_sentence, warnings_of, windows_sentence
from ml_service.output.markdown import render
from ml_service.settings.variables import Settings
from ml_service.training.runs.result import RunResult

SUMMARY_FILE = "summary.md"
_TEMPLATE = Path(__file__).with_name("summary.md.j2")
_MOST = 5  # violations of the data contract, and places of each


def tell(
    workspace: Workspace,
    settings: Settings,
    agent: Agent,
    result: RunResult,
    *,
    closing: Closing,
    folder: Path | None,
) -> None:
    """Write the evidence into a folder and tell the build agent what a later stage decides by."""
    if folder is not None:
        service = find_service(workspace, settings.test_service_name)
        if service is not None:
            agent.terminal.say(f"service    {service.state.line}")
        agent.summary(write(workspace, result, closing, agent.terminal.transcript, folder))
    outcome, model = result.outcome, result.outcome.model
    agent.outputs(
        {
            "outcome": outcome.outcome or "none",
            "reason": outcome.reason,
            "modelVersion": model.version if model else "",
            "decision": outcome.decision.sha256 if outcome.decision else "",
            "runId": result.run_id,
            "ended": last_training.told(result.exit_code, outcome.outcome, outcome.reason, result.run_id),
        }
    )
    tags = [outcome.outcome or "no-outcome"]
    if outcome.decision and outcome.decision.evidence.override:
        tags.append("override")
    if model:
        tags.append(f"{model.name}-{model.version}")
    agent.tag(*tags)


def write(workspace: Workspace, result: RunResult, closing: Closing, transcript: str, folder: Path) -> Path:
    """Write summary.md and what the run kept of decision, report and contract failures; returns the path of the page.

    transcript: what `run` has printed; it closes the page.
    """
    folder.mkdir(parents=True, exist_ok=True)
    run = find_pipeline_run(workspace, result.run_id)
    if run is None:
        raise FaultError(f"run {result.run_id} no longer exists in workspace {workspace.name}")
    kept = run.files() & {DECISION_FILE, REPORT_FILE, FAILURES_FILE}
    for name in kept:
        (folder / name).write_bytes(run.read_file(name) or b"")
    page, failures = folder / SUMMARY_FILE, folder / FAILURES_FILE
    violations = read_violations(failures.read_text(encoding="utf-8")) if FAILURES_FILE in kept else []
    properties = run.read_properties()
    text = markdown(workspace.banner, result, properties, violations, closing=closing, transcript=transcript)
    page.write_text(text, encoding="utf-8")
    return page


@dataclass(frozen=True)
class Violation:
    """One rule of the data contract that a table violates, and where."""

    column: str
    found: str
    expected: str
    fix: str
    places: tuple[str, ...]

    @property
    def cells(self) -> tuple[str, ...]:
        """The row of a table, with the first places."""
        where, more = ", ".join(self.places[:_MOST]), len(self.places) - _MOST
        if more > 0:
            where += f" and {more} more"
        return (self.column or "whole file", self.found, self.expected, where, self.fix)


def read_violations(text: str) -> list[Violation]:
    """The findings of contract_failures.csv, which has a line for each place."""
    places: dict[tuple[str, str, str, str], list[str]] = {}
    for row in csv.DictReader(io.StringIO(text)):
        places.setdefault((row["column"], row["found"], row["expected"], row["fix"]), []).append(row["place"])
    return [Violation(*about, places=tuple(filter(None, found))) for about, found in places.items()]


def markdown(
    banner: str,
    result: RunResult,
    properties: Mapping[str, str],
    violations: Sequence[Violation] = (),
    *,
    closing: Closing,
    transcript: str,
) -> str:
    """The page: verdict, data contract or rules of the gate, metrics, model, data, links, what `run` has printed."""
    record, model = result.outcome.decision, result.outcome.model
    evidence = record.evidence if record else None
    return render(
        _TEMPLATE,
        answers=closing.answers,
        log="\n".join(closing.log),
        title=evidence.problem if evidence else result.experiment,
        outcome=_outcome(result),
        sentence=evidence.sentence if evidence else result.complaint or "The run ended before it decided.",
        override=override_sentence(evidence) if evidence else "",
        violations=[violation.cells for violation in violations],
        most=_MOST,
        failures_file=FAILURES_FILE,
        evidence=evidence,
        context=record.context if record else None,
        rules=rule_rows(evidence) if evidence else (),
        warnings=warnings_of(evidence) if evidence else (),
        metrics=decision_rows(evidence, record.context.champion) if evidence and record else (),
        windows=windows_sentence(evidence) if evidence else "",
        model=f"{model.name} version {model.version}" if model else "none registered",
        data_sha256=evidence.data.data_sha256 if evidence else properties.get("data_sha256", "-"),
        decision_sha256=properties.get("decision_sha256", "-"),
        run_id=result.run_id,
        portal=result.portal,
        workspace=banner,
        transcript=transcript,
    )


def _outcome(result: RunResult) -> str:
    """The word of the title; an override is no acceptance by the gate."""
    record = result.outcome.decision
    if record is not None and record.evidence.override is not None:
        return f"⚠️ override, the gate said {record.evidence.gate.outcome}"
    return result.outcome.outcome or "no outcome"


def rule_rows(evidence: Evidence) -> list[list[str]]:
    """Each rule of the gate in the order in which they decide: code, threshold, value, status, what was found."""
    return [
        [rule.code, _shown(rule.threshold), _shown(rule.value), rule.status, words.why(rule, evidence)]
        for rule in evidence.rules
    ]


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
