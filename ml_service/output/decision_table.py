"""A decision in a table: the metrics of challenger, champion and baselines side by side."""

from __future__ import annotations

from forecasting.calendars import calendar_of
from forecasting.decision.blocks import Baseline, Contender, Evidence, RegisteredChampion, Replaced, Scores

_METRICS = ("rel_mae", "mae", "rmse", "mase", "bias")
"""The gate's own measure first; the others follow."""


def decision_rows(evidence: Evidence, champion: RegisteredChampion | None) -> tuple[list[str], list[list[str]]]:
    """Columns and rows of the decision table; a metric that is not finite is shown as a dash.

    champion: its name and version; None when there is none.
    """
    contenders: dict[str, Contender | Baseline | Replaced | None] = {
        "challenger": evidence.challenger,
        f"champion {versioned(champion)}".strip(): evidence.champion,
    }
    if evidence.instead_of:
        contenders["chosen by training"] = evidence.instead_of
    contenders |= {f"baseline {name}": baseline for name, baseline in evidence.baselines.items()}
    metrics: list[str] = []
    if evidence.challenger.metrics:
        metrics = [*_METRICS, *sorted(set(Scores.model_fields).difference(_METRICS))]
    rows = []
    for who, entry in contenders.items():
        recipe = entry.recipe if entry else "none registered"
        scores = dict(entry.metrics) if entry and entry.metrics else {}
        rows.append([who, recipe, *(_shown(scores.get(name)) for name in metrics)])
    return ["", "recipe", *metrics], rows


def override_sentence(evidence: Evidence) -> str:
    """Return who is accountable for an override and the gate's own verdict; empty without an override."""
    override, gate = evidence.override, evidence.gate
    if override is None:
        return ""
    said = f"{gate.outcome} ({gate.reason}): {without_choice(evidence, gate.sentence)}"
    return f"{override.person} is accountable: {override.reason} -- The gate itself said {said}"


def without_choice(evidence: Evidence, sentence: str) -> str:
    """A verdict's sentence without its beginning about the choice between two recipes, which is a warning as well."""
    chosen = evidence.instead_of
    begins = f"{evidence.challenger.recipe} is proposed, because {chosen.why}: " if chosen else ""
    return sentence.removeprefix(begins)


def warnings_of(evidence: Evidence) -> list[str]:
    """What the person who approves should weigh: warnings of the gate, and why another recipe is proposed."""
    found = [f"The gate warns ({rule.code}): {rule.sentence}" for rule in evidence.rules if rule.status == "warning"]
    if evidence.instead_of:
        found.append(_instead(evidence.challenger, evidence.instead_of))
    return found


def _instead(challenger: Contender, chosen: Replaced) -> str:
    """Why the simpler recipe is proposed; by both errors, where they are known."""
    ours, theirs = (one.metrics.mae if one.metrics else None for one in (challenger, chosen))
    if ours is None or theirs is None or ours >= theirs:
        return f"{challenger.recipe} is proposed because {chosen.why}."
    chose = f"On earlier windows training had chosen {chosen.recipe}"
    larger = f"on the evaluation windows its mean absolute error is larger: {_shown(theirs)}, not {_shown(ours)}"
    return f"The simpler recipe {challenger.recipe} is proposed. {chose}; {larger}."


def windows_sentence(evidence: Evidence) -> str:
    """The evaluation windows in one sentence; empty where the series was too short for any."""
    windows = evidence.windows
    if windows is None:
        return ""
    recent, earlier = windows.origins[windows.year_ago :], windows.origins[: windows.year_ago]
    each = calendar_of(evidence.data.frequency).count(windows.horizon)
    said = f"{len(recent)} forecasts of {each} each, {recent[0]} to {windows.last_day}"
    return f"{said}, and {len(earlier)} a year earlier, from {earlier[0]}" if earlier else said


def versioned(champion: RegisteredChampion | None) -> str:
    """`name:version` of a champion; empty where there is none, or none that is registered."""
    return champion.label if champion else ""


def _shown(value: float | None) -> str:
    """Ratios with three digits, amounts with one."""
    if value is None:
        return "-"
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"
