"""The evidence of a run as files: the decision record, a Markdown page for the person who approves, the report."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from azure_ml.pipelines.runs import find_pipeline_run
from azure_ml.services import find_service
from azure_ml.workspace import Workspace
from forecasting.decision.record import DECISION_FILE
from forecasting.decision.report import REPORT_FILE
from forecasting.errors import FAILURES_FILE
from ml_service.errors import FaultError
from ml_service.output.agent import Agent, fenced
from ml_service.output.decision_table import decision_rows, override_sentence
from ml_service.settings.variables import Settings
from ml_service.training.run import RunResult

SUMMARY_FILE = "summary.md"
_SHOWN_FINDINGS = 5
_WITHOUT_DECISION = ("model", "data sha256", "run", "workspace")
"""What is known of a run that ended before it decided."""


def tell(workspace: Workspace, settings: Settings, agent: Agent, result: RunResult, folder: Path | None) -> None:
    """Write the evidence into a folder and tell the build agent what a later stage decides by."""
    if folder is not None:
        service = find_service(workspace, settings.test_service_name)
        if service is not None:
            agent.terminal.say(f"service    {service.state.line}")
        agent.summary(write(workspace, result, agent.terminal.transcript, folder))
    outcome, model = result.outcome, result.outcome.model
    agent.outputs(
        {
            "outcome": outcome.outcome or "none",
            "reason": outcome.reason,
            "modelVersion": model.version if model else "",
            "runId": result.run_id,
        }
    )
    overridden = ["override"] if outcome.evidence.get("override") else []
    agent.tag(outcome.outcome or "no-outcome", *overridden, *([f"{model.name}-{model.version}"] if model else []))


def write(workspace: Workspace, result: RunResult, transcript: str, folder: Path) -> Path:
    """Write summary.md and what the run kept of decision, report and contract failures; returns the path of the page.

    transcript: what `run` has printed; it closes the page.
    """
    folder.mkdir(parents=True, exist_ok=True)
    run = find_pipeline_run(workspace, result.run_id)
    if run is None:
        raise FaultError(f"run {result.run_id} is gone from workspace {workspace.name}")
    kept = run.files() & {DECISION_FILE, REPORT_FILE, FAILURES_FILE}
    for name in kept:
        (folder / name).write_bytes(run.read_file(name) or b"")
    page, failures = folder / SUMMARY_FILE, folder / FAILURES_FILE
    broken = read_failures(failures.read_text(encoding="utf-8")) if FAILURES_FILE in kept else []
    text = markdown(workspace.banner, result, run.read_properties(), broken)
    page.write_text(f"{text}\n## As printed\n\n{fenced(transcript)}", encoding="utf-8")
    return page


@dataclass(frozen=True)
class Broken:
    """One rule of the data contract that a table breaks, with its first places."""

    column: str
    found: str
    expected: str
    fix: str
    places: tuple[str, ...]


def read_failures(text: str) -> list[Broken]:
    """The findings of contract_failures.csv, which has a line for each place."""
    places: dict[tuple[str, str, str, str], list[str]] = {}
    for row in csv.DictReader(io.StringIO(text)):
        places.setdefault((row["column"], row["found"], row["expected"], row["fix"]), []).append(row["place"])
    return [Broken(*about, places=tuple(filter(None, found))) for about, found in places.items()]


def markdown(banner: str, result: RunResult, properties: Mapping[str, str], broken: Sequence[Broken] = ()) -> str:
    """The page: verdict, broken rules of the contract or rules of the gate, figures, model, data, links."""
    outcome, decision = result.outcome, result.outcome.decision or {}
    evidence, context = decision.get("evidence") or {}, decision.get("context") or {}
    lines = [f"# {evidence.get('problem', result.experiment)}: {outcome.outcome or 'no outcome'}", ""]
    lines += [_plain(evidence.get("sentence") or result.complaint or "The run ended before it decided."), ""]
    if said := override_sentence(evidence):
        lines += [f"**Override.** {_plain(said)}", ""]
    if broken:
        lines += ["## Data contract", "", *_contract(broken), ""]
    if found := rules(evidence):
        lines += ["## Rules", "", *_table(("rule", "threshold", "value", "", "meaning"), found), ""]
    if evidence.get("challenger"):
        columns, rows = decision_rows(evidence, context.get("champion"))
        lines += ["## Figures", "", *_table(columns, rows), "", _windows(evidence), ""]
    facts = [fact for fact in _facts(banner, result, properties) if decision or fact[0] in _WITHOUT_DECISION]
    lines += ["## Model and data", "", *_table(("what", "value"), facts)]
    return "\n".join(lines) + "\n"


def _contract(broken: Sequence[Broken]) -> list[str]:
    """The first findings as a table, and where the others are."""
    rows = [
        (
            _plain(item.column) or "whole file",
            _plain(item.found),
            _plain(item.expected),
            _places(item),
            _plain(item.fix),
        )
        for item in broken[:_SHOWN_FINDINGS]
    ]
    count = "1 rule is" if len(broken) == 1 else f"{len(broken)} rules are"
    more = f", the first {_SHOWN_FINDINGS} of them here" if len(broken) > _SHOWN_FINDINGS else ""
    head = f"{count} broken{more}; every place is in `{FAILURES_FILE}` beside this page."
    return [head, "", *_table(("column", "found", "expected", "where", "to do"), rows)]


def _places(item: Broken) -> str:
    more = len(item.places) - _SHOWN_FINDINGS
    return _plain(", ".join(item.places[:_SHOWN_FINDINGS])) + (f" and {more} more" if more > 0 else "")


def rules(evidence: Mapping[str, Any]) -> list[list[str]]:
    """Each rule of the gate in the order in which they decide: code, threshold, value, whether it holds, sentence."""
    return [
        [rule["code"], _figure(rule["threshold"]), _figure(rule["value"]), rule["status"], rule["sentence"]]
        for rule in evidence.get("rules") or []
    ]


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _plain(text: str) -> str:
    """A person's text as text: no tag, link, heading or emphasis of Markdown."""
    return re.sub(r"([\\`*_\[\]<>#|~])", r"\\\1", text)


def _windows(evidence: Mapping[str, Any]) -> str:
    windows = evidence.get("windows")
    if not windows:
        return "No windows: the series was too short."
    count, first = len(windows["origins"]), windows["origins"][0]
    return f"{count} forecasts of {windows['horizon']} days each, {first} to {windows['last_day']}."


def _facts(banner: str, result: RunResult, properties: Mapping[str, str]) -> list[tuple[str, str]]:
    decision = result.outcome.decision or {}
    evidence, context = decision.get("evidence") or {}, decision.get("context") or {}
    model, data = result.outcome.model, evidence.get("data") or {}
    challenger = evidence.get("challenger") or {}
    return [
        ("model", f"{model.name} version {model.version}" if model else "none registered"),
        ("model sha256", f"`{challenger.get('model_sha256', '-')}`"),
        ("recipe, data until", f"{challenger.get('recipe', '-')}, {challenger.get('cutoff', '-')}"),
        ("data", f"{data.get('rows', '-')} rows, {data.get('first_date', '-')} to {data.get('last_date', '-')}"),
        ("data sha256", f"`{data.get('data_sha256') or properties.get('data_sha256', '-')}`"),
        ("decision sha256", f"`{properties.get('decision_sha256', '-')}`"),
        ("policy sha256", f"`{evidence.get('policy_sha256', '-')}`"),
        ("asked because", str(context.get("reason", "-"))),
        ("pipeline from", f"build {context.get('build_id', '-')}, commit `{context.get('commit', '-')}`"),
        ("run", f"[{result.run_id}]({result.portal})"),
        ("workspace", banner),
    ]


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"

    return [line([column or " " for column in columns]), line(["---"] * len(columns)), *map(line, rows)]
