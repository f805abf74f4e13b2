"""Print a decision: the verdict and the figures of challenger, champion and baselines side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ml_service.console import Terminal
from ml_service.outcome import Outcome

_MEANING = {
    "accepted": "registered and deployed to the test service",
    "kept": "the champion stays; nothing was registered, and that is no error",
    "failed": "refused; nothing was registered",
}


def show_outcome(terminal: Terminal, outcome: Outcome) -> None:
    """Print outcome, decision table and registered model."""
    meaning = _MEANING.get(outcome.outcome, "the run ended before it decided")
    reason = f", {outcome.reason}" if outcome.reason else ""
    terminal.say(f"outcome    {outcome.outcome or 'none'}{reason}: {meaning}")
    if outcome.decision is not None:
        _show_decision(terminal, outcome.decision)
    if outcome.model is not None:
        model = outcome.model
        terminal.say(f"model      {model.name} version {model.version}, sha256 {model.sha256[:12]}")


def decision_rows(evidence: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Columns and rows of the decision table; a metric that is not finite is shown as a dash.

    evidence: the block of that name in decision.json, with challenger, champion (may be null) and baselines.
    """
    entries = {"challenger": evidence.get("challenger"), "champion": evidence.get("champion")}
    entries |= {f"baseline {name}": entry for name, entry in (evidence.get("baselines") or {}).items()}
    metrics = list(((evidence.get("challenger") or {}).get("metrics")) or {})
    rows = []
    for who, entry in entries.items():
        if entry is None:
            rows.append([who, "none registered", *["-"] * len(metrics)])
            continue
        values = entry.get("metrics") or {}
        rows.append([who, str(entry.get("recipe", "")), *[_figure(values.get(name)) for name in metrics]])
    return ["", "recipe", *metrics], rows


def _show_decision(terminal: Terminal, decision: Mapping[str, Any]) -> None:
    evidence = decision.get("evidence") or {}
    terminal.say(f"decision   {evidence.get('sentence', '')}")
    windows = evidence.get("windows")
    if windows:
        terminal.say(
            f"           {len(windows['origins'])} forecasts of {windows['horizon']} days each, "
            f"{windows['origins'][0]} to {windows['last_day']}"
        )
    columns, rows = decision_rows(evidence)
    terminal.table(columns, rows, right=columns[2:])


def _figure(value: float | None) -> str:
    """Ratios with three digits, amounts with one."""
    if value is None:
        return "-"
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"
