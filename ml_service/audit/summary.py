"""Write a run's evidence files: decision record, summary.md, report.html, contract violations."""

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
_MOST = 5  # violations of the data contract, and locations of each


def publish_evidence(
    workspace: Workspace,
    settings: Settings,
    agent: Agent,
    result: RunResult,
    *,
    closing: Closing,
    folder: Path | None,
) -> None:
    """Write the evidence into a folder and set the output variables that later stages use."""
    if folder is not None:
        service = find_service(workspace, settings.test_service_name)
        if service is not None:
            agent.terminal.out(f"service    {service.state.line}")
        agent.summary(write(workspace, result, closing, agent.terminal.transcript, folder))
    outcome, model = result.outcome, result.outcome.model
    agent.outputs(
        {
            "outcome": outcome.outcome or "none",
            "reason": outcome.reason,
            "modelVersion": model.version if model else "",
            "decision": outcome.decision.sha256 if outcome.decision else "",
            "runId": result.run_id,
            "ended": last_training.encode(result.exit_code, outcome.outcome, outcome.reason, result.run_id),
        }
    )
    tags = [outcome.outcome or "no-outcome"]
    if outcome.decision and outcome.decision.evidence.override:
        tags.append("override")
    if model:
        tags.append(f"{model.name}-{model.version}")
    agent.tag(*tags)


def write(workspace: Workspace, result: RunResult, closing: Closing, transcript: str, folder: Path) -> Path:
    """Write summary.md and copy decision.json, report.html and contract_failures.csv if the run has them.

    transcript: the output of `run`, shown at the end of the page. Returns the path of summary.md.
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
    """One kind of violation and where it occurs."""

    column: str
    found: str
    expected: str
    fix: str
    locations: tuple[str, ...]

    @property
    def table_row(self) -> tuple[str, ...]:
        """The row of the summary's table, with the first locations."""
        where, more = ", ".join(self.locations[:_MOST]), len(self.locations) - _MOST
        if more > 0:
            where += f" and {more} more"
        return (self.column or "whole file", self.found, self.expected, where, self.fix)


def read_violations(text: str) -> list[Violation]:
    """Read the violations in contract_failures.csv, grouped by kind; the file has a line for each location."""
    locations: dict[tuple[str, str, str, str], list[str]] = {}
    for row in csv.DictReader(io.StringIO(text)):
        locations.setdefault((row["column"], row["found"], row["expected"], row["fix"]), []).append(row["place"])
    return [Violation(*kind, locations=tuple(filter(None, found))) for kind, found in locations.items()]


def markdown(
    banner: str,
    result: RunResult,
    properties: Mapping[str, str],
    violations: Sequence[Violation] = (),
    *,
    closing: Closing,
    transcript: str,
) -> str:
    """Render summary.md: verdict, data contract or rules of the gate, metrics, model, data, links, output."""
    record, model = result.outcome.decision, result.outcome.model
    evidence = record.evidence if record else None
    return render(
        _TEMPLATE,
        answers=closing.answers,
        log="\n".join(closing.log),
        title=evidence.problem if evidence else result.experiment,
        outcome=_outcome(result),
        sentence=evidence.sentence if evidence else result.complaint or "The run ended before the gate decided.",
        override=override_sentence(evidence) if evidence else "",
        violations=[violation.table_row for violation in violations],
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
    """The outcome in the title; an override is shown as such."""
    record = result.outcome.decision
    if record is not None and record.evidence.override is not None:
        return f"⚠️ override, the gate said {record.evidence.gate.outcome}"
    return result.outcome.outcome or "no outcome"


def rule_rows(evidence: Evidence) -> list[list[str]]:
    """Each rule of the gate in the order in which they decide: code, threshold, value, status, sentence."""
    return [
        [rule.code, _shown(rule.threshold), _shown(rule.value), rule.status, words.why(rule, evidence)]
        for rule in evidence.rules
    ]


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
