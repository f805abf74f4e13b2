"""The evidence block of a decision: a function of data, policy, recipes and override alone, so that anybody can make
it again and compare its hash. docs/decision.schema.json describes it.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from forecasting.data.series import Panel
from forecasting.decision.gate import Contest, Judgement, Verdict
from forecasting.evaluation.backtest import yardstick
from forecasting.evaluation.comparison import Figures, diebold_mariano
from forecasting.evaluation.intervals import JUDGED, LEVELS, IntervalScore
from forecasting.evaluation.metrics import Array, Ground, Metrics
from forecasting.models.model_file import StoredModel
from forecasting.models.recipe import Recipe
from forecasting.problem.sections import GatePolicy, Training

DIGITS = 6  # significant digits of what is shown and not decided by
BINS = 24


@dataclass(frozen=True)
class Subject:
    """What was judged, on what data and by which policy."""

    stored: StoredModel
    contest: Contest
    panel: Panel
    facts: Mapping[str, Any]
    training: Training
    policy: GatePolicy


def evidence_of(
    subject: Subject, judgement: Judgement, verdict: Verdict, override: Mapping[str, str] | None
) -> dict[str, Any]:
    """The whole block. verdict: the final one; judgement holds the gate's own."""
    policy = subject.policy.model_dump(mode="json")
    return {
        **asdict(verdict),
        "gate": asdict(judgement.verdict),
        "override": override,
        "problem": subject.stored.problem,
        "metric": subject.training.metric,
        "policy": policy,
        "policy_sha256": hash_of(policy),
        "data": {name: value for name, value in subject.facts.items() if name != "file"},
        "windows": _windows(subject, judgement),
        "rules": [asdict(rule) for rule in judgement.rules],
        "challenger": _challenger(subject, judgement.figures),
        "champion": _champion(subject, judgement.figures),
        "baselines": _baselines(judgement.figures),
        "segments": _segments(subject, judgement.figures),
        "series": _series(judgement),
        "significance": _significance(subject, judgement),
        "by_origin": _by_origin(subject, judgement),
        "residuals": _residuals(subject, judgement),
    }  # fmt: skip


def hash_of(document: Mapping[str, Any]) -> str:
    """Hash of a document's meaning: compact JSON with sorted keys, independent of how a file lays it out."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _windows(subject: Subject, judgement: Judgement) -> dict[str, Any] | None:
    windows, panel = judgement.windows, subject.panel
    if windows is None:
        return None
    return {
        "origins": [panel.day(origin).isoformat() for origin in windows.origins],
        "horizon": windows.horizon,
        "step": subject.policy.step,
        "last_day": panel.day(windows.last_day).isoformat(),
        "chosen_until": subject.contest.chosen_until.isoformat(),
    }


def _challenger(subject: Subject, figures: Figures | None) -> dict[str, Any]:
    entry = _entry(
        subject.contest.challenger, figures.challenger if figures else None, figures.interval if figures else None
    )
    radii = dict(zip((f"{level:g}" for level in LEVELS), subject.contest.radii, strict=False))
    return {
        **entry,
        "radii": radii,
        "model_sha256": subject.stored.sha256,
        "cutoff": subject.stored.model.cutoff.isoformat(),
    }


def _champion(subject: Subject, figures: Figures | None) -> dict[str, Any] | None:
    champion = subject.contest.champion
    if champion is None:
        return None
    model = champion.model
    entry = _entry(
        model.recipe, figures.champion if figures else None, figures.champion_interval if figures else None
    )
    age = asdict(figures.age) if figures and figures.age else None
    return {**entry, "cutoff": model.cutoff.isoformat(), "age": age}


def _baselines(figures: Figures | None) -> dict[str, Any]:
    reference = yardstick()
    found: dict[str, Any] = {reference.name: _entry(reference, figures.reference if figures else None)}
    if figures:
        found |= {label: {"recipe": label, "metrics": of.as_json()} for label, of in figures.simple.items()}
    return found


def _entry(recipe: Recipe, metrics: Metrics | None, interval: IntervalScore | None = None) -> dict[str, Any]:
    """A contender: recipe, metrics (null where it was not scored), interval (null where none is served)."""
    judged = {"level": JUDGED, **asdict(interval)} if interval and math.isfinite(interval.winkler) else None
    return {"recipe": recipe.label, "metrics": metrics.as_json() if metrics else None, "interval": judged}


def _segments(subject: Subject, figures: Figures | None) -> list[dict[str, Any]]:
    enough = subject.policy.guards.segment_points
    return [
        {**asdict(part), "change": _rounded(part.change), "judged": part.points >= enough}
        for part in (figures.segments if figures else ())
    ]


def _series(judgement: Judgement) -> dict[str, Any] | None:
    figures, ground = judgement.figures, judgement.ground
    if figures is None or ground is None:
        return None
    return {
        "judged": figures.series,
        "too_constant": len(ground.actuals) - figures.series,
        "worse": _rounded(figures.worse),
        "better_probability": _rounded(figures.better),
    }


def _significance(subject: Subject, judgement: Judgement) -> dict[str, Any] | None:
    """Diebold-Mariano type p of one series, for information; null over many series, where the bootstrap is used."""
    ground, windows = judgement.ground, judgement.windows
    if ground is None or windows is None or len(ground.actuals) != 1:
        return None
    errors = {label: _origin_errors(track, ground) for label, track in judgement.tracks.items()}
    ours = errors[subject.contest.challenger.label]

    def against(recipe: Recipe) -> float | None:
        return _rounded(diebold_mariano(ours, errors[recipe.label], windows.horizon, subject.policy.step))

    champion = subject.contest.champion
    return {
        "test": "Diebold-Mariano, Harvey-Leybourne-Newbold form, MAE by origin; reported, never decides",
        "p_against_champion": against(champion.model.recipe) if champion else None,
        "p_against_seasonal_naive": against(yardstick()),
    }


def _by_origin(subject: Subject, judgement: Judgement) -> list[dict[str, Any]]:
    """Mean absolute error of each origin: in the unit of one series, over many in units of their scales."""
    ground, windows = judgement.ground, judgement.windows
    if ground is None or windows is None:
        return []
    errors = {label: _origin_errors(track, ground) for label, track in judgement.tracks.items()}
    return [
        {
            "origin": subject.panel.day(origin).isoformat(),
            "errors": {label: _rounded(float(of[place])) for label, of in errors.items()},
        }
        for place, origin in enumerate(windows.origins)
    ]


def _residuals(subject: Subject, judgement: Judgement) -> dict[str, Any] | None:
    """Histogram of the challenger's forecast minus actual, in units of the scale of its series."""
    ground = judgement.ground
    if ground is None or not ground.usable.any():
        return None
    usable = ground.usable
    known = ground.rows(usable)
    with np.errstate(all="ignore"):
        error = judgement.tracks[subject.contest.challenger.label][usable] - known.actuals
        scaled = error / known.scales[:, :, None]
    if not np.isfinite(scaled).all():
        return None
    low, high = np.quantile(scaled, [0.005, 0.995])
    counts, edges = np.histogram(np.clip(scaled, low, high), bins=BINS)
    return {"edges": [_rounded(float(edge)) for edge in edges], "counts": counts.tolist()}


def _origin_errors(track: Array, ground: Ground) -> Array:
    usable = ground.usable
    known = ground.rows(usable)
    with np.errstate(all="ignore"):
        errors: Array = (np.abs(track[usable] - known.actuals) * known.weights).mean(axis=(0, 2))
    return errors


def _rounded(value: float | None) -> float | None:
    """Six significant digits: enough to show, and no noise of the last bits; null where it is not finite."""
    if value is None or not math.isfinite(value):
        return None
    return float(f"{value:.{DIGITS}g}")
