"""A decision in a table: the figures of challenger, champion and baselines side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_METRICS = ("rel_mae", "mae", "rmse", "mase", "bias")
"""The gate's own measure first; metrics that a later recipe adds follow."""


def decision_rows(
    evidence: Mapping[str, Any], champion: Mapping[str, Any] | None = None
) -> tuple[list[str], list[list[str]]]:
    """Columns and rows of the decision table; a metric that is not finite is shown as a dash.

    evidence: the block of that name in decision.json, with challenger, champion (may be null) and baselines.
    champion: its name and version, from the block context.
    """
    who = f"champion {versioned(champion)}".strip()
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


def override_sentence(evidence: Mapping[str, Any]) -> str:
    """The override in a decision's evidence with what the gate itself said; empty where there is none."""
    override, gate = evidence.get("override"), evidence.get("gate") or {}
    if not override:
        return ""
    said = f"{gate.get('outcome')} ({gate.get('reason')}): {gate.get('sentence')}"
    return f"{override['person']} answers for it: {override['reason']} -- The gate itself said {said}"


def versioned(champion: Mapping[str, Any] | None) -> str:
    """`name:version` of a champion; empty where there is none, or none that is registered."""
    return f"{champion['name']}:{champion['version']}" if champion and champion.get("version") else ""


def _figure(value: float | None) -> str:
    """Ratios with three digits, amounts with one."""
    if value is None:
        return "-"
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"
