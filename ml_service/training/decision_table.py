"""Print a decision: the verdict and the figures of challenger, champion and baselines side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ml_service.output.console import Terminal
from ml_service.training import override
from ml_service.training.outcome import ACCEPTED, FAILED, KEPT, Outcome


def show_outcome(terminal: Terminal, outcome: Outcome, *, deployed: bool) -> None:
    """Print outcome, decision table and registered model; deployed: whether the deploy step ended well."""
    meaning = _meaning(outcome.outcome, deployed)
    reason = f", {outcome.reason}" if outcome.reason else ""
    terminal.say(f"outcome    {outcome.outcome or 'none'}{reason}: {meaning}")
    if outcome.decision is not None:
        _show_decision(terminal, outcome.decision)
    if outcome.model is not None:
        model = outcome.model
        terminal.say(f"model      {model.name} version {model.version}, sha256 {model.sha256[:12]}")
    elif champion := _champion_of(outcome):
        terminal.say(f"model      none registered; {champion} stays champion")


_METRICS = ("rel_mae", "mae", "rmse", "mase", "bias")
"""The gate's own measure first; metrics that a later recipe adds follow."""


def decision_rows(
    evidence: Mapping[str, Any], champion: Mapping[str, Any] | None = None
) -> tuple[list[str], list[list[str]]]:
    """Columns and rows of the decision table; a metric that is not finite is shown as a dash.

    evidence: the block of that name in decision.json, with challenger, champion (may be null) and baselines.
    champion: its name and version, from the block context.
    """
    who = f"champion {_versioned(champion)}".strip()
    entries = {"challenger": evidence.get("challenger"), who: evidence.get("champion")}
    entries |= {f"baseline {name}": entry for name, entry in (evidence.get("baselines") or {}).items()}
    found = list(((evidence.get("challenger") or {}).get("metrics")) or {})
    metrics = [name for name in _METRICS if name in found] + [name for name in found if name not in _METRICS]
    rows = []
    for who, entry in entries.items():
        if entry is None:
            rows.append([who, "none registered", *["-"] * len(metrics)])
            continue
        values = entry.get("metrics") or {}
        rows.append([who, str(entry.get("recipe", "")), *[_figure(values.get(name)) for name in metrics]])
    return ["", "recipe", *metrics], rows


def _meaning(outcome: str, deployed: bool) -> str:
    if outcome == ACCEPTED:
        done = "registered and deployed to the test service"
        return done if deployed else "registered, but not deployed; the champion is as before"
    if outcome == KEPT:
        return "the champion stays; nothing was registered, and that is no error"
    if outcome == FAILED:
        return "refused; nothing was registered"
    return "the run ended before it decided"


def _show_decision(terminal: Terminal, decision: Mapping[str, Any]) -> None:
    evidence = decision.get("evidence") or {}
    terminal.say(f"decision   {evidence.get('sentence', '')}")
    if said := override.sentence(evidence):
        terminal.say(f"override   {said}")
    windows = evidence.get("windows")
    if windows:
        terminal.say(
            f"           {len(windows['origins'])} forecasts of {windows['horizon']} days each, "
            f"{windows['origins'][0]} to {windows['last_day']}"
        )
    columns, rows = decision_rows(evidence, (decision.get("context") or {}).get("champion"))
    terminal.table(columns, rows, right=columns[2:])


def _champion_of(outcome: Outcome) -> str:
    """`name:version` of the champion that the challenger met, empty when there was none."""
    return _versioned(((outcome.decision or {}).get("context") or {}).get("champion"))


def _versioned(champion: Mapping[str, Any] | None) -> str:
    return f"{champion['name']}:{champion['version']}" if champion and champion.get("version") else ""


def _figure(value: float | None) -> str:
    """Ratios with three digits, amounts with one."""
    if value is None:
        return "-"
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"
