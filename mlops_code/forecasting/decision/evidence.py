"""The evidence block of a decision, from what was judged: see `blocks.Evidence` for what each key holds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import numpy as np

from forecasting.data.delivery import DELIVERY
from forecasting.data.series import FACTS_FILE, FIX, Panel
from forecasting.decision import blocks
from forecasting.decision.blocks import Evidence, Interval, Override, Scores, Verdict
from forecasting.decision.contest import Contest
from forecasting.decision.gate import Judgement
from forecasting.errors import RefusedError
from forecasting.evaluation.calibration import JUDGED, LEVELS, IntervalScore
from forecasting.evaluation.comparison import Comparison, diebold_mariano
from forecasting.evaluation.metrics import Actuals, Metrics, score
from forecasting.json_text import hash_of
from forecasting.models.catalog import BASELINE
from forecasting.models.model_file import StoredModel
from forecasting.models.recipe import Array, HalfWidth, Recipe
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

    @property
    def half_widths(self) -> tuple[HalfWidth, ...]:
        """Of the intervals of the model that was judged, one for each level; empty where it serves none."""
        intervals = self.stored.model.intervals
        return intervals.half_widths if intervals else ()


def evidence_of(subject: Subject, judgement: Judgement, verdict: Verdict, override: Override | None) -> Evidence:
    """Collect the whole block. verdict: the final one; judgement holds the gate's own."""
    policy = subject.policy.model_dump(mode="json")
    return Evidence(
        outcome=verdict.outcome,
        reason=verdict.reason,
        sentence=verdict.sentence,
        gate=judgement.verdict,
        override=override,
        problem=subject.stored.problem,
        metric=subject.training.metric,
        policy=policy,
        policy_sha256=hash_of(policy),
        data=_data(subject.facts),
        windows=_windows(subject, judgement),
        rules=tuple(judgement.rules),
        challenger=_challenger(subject, judgement.comparison),
        champion=_champion(subject, judgement.comparison),
        baselines=_baselines(judgement.comparison),
        segments=_segments(subject, judgement.comparison),
        series=_series(judgement),
        significance=_significance(subject, judgement),
        by_origin=_by_origin(subject, judgement),
        residuals=_residuals(subject, judgement),
        **_instead(subject, judgement),
    )


def _instead(subject: Subject, judgement: Judgement) -> dict[str, Any]:
    """What training has chosen, where something else is proposed."""
    actuals, chosen = judgement.actuals, subject.contest.challenger
    if actuals is None or not judgement.instead:
        return {}
    metrics = _scores(score(judgement.predictions[chosen.label], actuals))
    return {"instead_of": blocks.Replaced(recipe=chosen.label, metrics=metrics, why=judgement.instead)}


def _data(facts: Mapping[str, Any]) -> blocks.Data:
    """The facts of the series; the name of the table's file stays out, because the same bytes may have another."""
    try:
        days = {name: date.fromisoformat(facts[name]) for name in ("first_date", "last_date")}
        told: dict[str, Any] = {"notes": tuple(facts["notes"])} if facts.get("notes") else {}
        for name, block in (("changes", _changes(facts)), ("revised", _revised(facts))):
            told |= {name: block} if block else {}
        apart = ("file", "notes", "changes", "revised", DELIVERY)
        shared = {name: value for name, value in facts.items() if name not in apart}
        return blocks.Data(**shared | days | told)
    except (KeyError, TypeError, ValueError) as mistake:
        raise RefusedError(f"{FACTS_FILE} does not describe the series beside it ({mistake}). {FIX}") from None


def _changes(facts: Mapping[str, Any]) -> dict[str, blocks.SeriesChange]:
    return {
        kind: blocks.SeriesChange(count=change["count"], names=tuple(change["names"]))
        for kind, change in sorted(facts.get("changes", {}).items())
    }


def _revised(facts: Mapping[str, Any]) -> blocks.Revised | None:
    return blocks.Revised(**facts["revised"]) if facts.get("revised") else None


def _windows(subject: Subject, judgement: Judgement) -> blocks.Windows | None:
    windows, panel = judgement.windows, subject.panel
    if windows is None:
        return None
    told: dict[str, Any] = {"year_ago": windows.year_ago} if windows.year_ago else {}
    if subject.contest.chosen_from:
        told["chosen_from"] = subject.contest.chosen_from
    return blocks.Windows(
        origins=tuple(panel.day(origin) for origin in windows.origins),
        horizon=windows.horizon,
        step=subject.policy.step,
        last_day=panel.day(windows.last_day),
        chosen_until=subject.contest.chosen_until,
        **told,
    )


def _challenger(subject: Subject, comparison: Comparison | None) -> blocks.ChallengerResult:
    return blocks.ChallengerResult(
        recipe=subject.stored.model.recipe.label,
        metrics=_scores(comparison.challenger if comparison else None),
        interval=_interval(subject, comparison.interval if comparison else None),
        **_radii(subject),
        model_sha256=subject.stored.sha256,
        cutoff=subject.stored.model.cutoff,
    )


def _radii(subject: Subject) -> dict[str, Any]:
    """Half-widths by level: their mean over the season, and where they differ each by its place."""
    by_level = dict(zip((f"{level:g}" for level in LEVELS), subject.half_widths, strict=False))
    found: dict[str, Any] = {"radii": {level: sum(width) / len(width) for level, width in by_level.items()}}
    names = subject.panel.calendar.part_names
    by_part = {level: dict(zip(names, width, strict=True)) for level, width in by_level.items() if len(width) > 1}
    return {**found, "radii_by_part": by_part} if by_part else found


def _champion(subject: Subject, comparison: Comparison | None) -> blocks.ChampionResult | None:
    champion = subject.contest.champion
    if champion is None:
        return None
    age = comparison.age if comparison else None
    return blocks.ChampionResult(
        recipe=champion.recipe.label,
        metrics=_scores(comparison.champion if comparison else None),
        interval=_interval(subject, comparison.champion_interval if comparison else None),
        cutoff=champion.cutoff,
        age=blocks.Age(**asdict(age)) if age else None,
    )


def _baselines(comparison: Comparison | None) -> dict[str, blocks.Baseline]:
    scores = _scores(comparison.reference if comparison else None)
    found = {BASELINE.name: blocks.Baseline(recipe=BASELINE.label, metrics=scores, interval=None)}
    for label, metrics in comparison.simple.items() if comparison else ():
        found[label] = blocks.Baseline(recipe=label, metrics=_scores(metrics))
    return found


def _scores(metrics: Metrics | None) -> Scores | None:
    return Scores(**metrics.as_json()) if metrics else None


def _interval(subject: Subject, score: IntervalScore | None) -> Interval | None:
    if score is None or not math.isfinite(score.winkler):
        return None
    names = subject.panel.calendar.part_names
    return Interval(
        level=JUDGED,
        coverage=score.coverage,
        winkler=score.winkler,
        by_step=tuple(round(share, DIGITS) for share in score.by_step),
        by_part={names[place]: round(share, DIGITS) for place, share in score.by_place.items()},
    )


def _segments(subject: Subject, comparison: Comparison | None) -> tuple[blocks.Segment, ...]:
    enough = subject.policy.guards.segment_points
    return tuple(
        blocks.Segment(**asdict(part), change=_rounded(part.change), judged=part.points >= enough)
        for part in (comparison.segments if comparison else ())
    )


def _series(judgement: Judgement) -> blocks.SeriesSummary | None:
    comparison, actuals = judgement.comparison, judgement.actuals
    if comparison is None or actuals is None:
        return None
    return blocks.SeriesSummary(
        judged=comparison.series,
        too_constant=len(actuals.values) - comparison.series,
        worse=_rounded(comparison.worse),
        better_probability=_rounded(comparison.better),
    )


def _significance(subject: Subject, judgement: Judgement) -> blocks.Significance | None:
    """Diebold-Mariano type p of one series, for information; None over many series, where the bootstrap is used."""
    actuals, windows = judgement.actuals, judgement.windows
    if actuals is None or windows is None or len(actuals.values) != 1:
        return None
    errors = {label: _origin_errors(forecasts, actuals) for label, forecasts in judgement.predictions.items()}
    skipped = windows.year_ago
    ours = errors[subject.stored.model.recipe.label][skipped:]

    def against(recipe: Recipe) -> float | None:
        theirs = errors[recipe.label][skipped:]
        return _rounded(diebold_mariano(ours, theirs, windows.horizon, subject.policy.step))

    champion = subject.contest.champion
    return blocks.Significance(
        test="Diebold-Mariano, Harvey-Leybourne-Newbold form, MAE by origin; reported, never decides",
        p_against_champion=against(champion.recipe) if champion else None,
        p_against_seasonal_naive=against(BASELINE),
    )


def _by_origin(subject: Subject, judgement: Judgement) -> tuple[blocks.OriginErrors, ...]:
    actuals, windows = judgement.actuals, judgement.windows
    if actuals is None or windows is None:
        return ()
    errors = {label: _origin_errors(forecasts, actuals) for label, forecasts in judgement.predictions.items()}
    found = []
    for place, origin in enumerate(windows.origins):
        rounded = {label: _rounded(float(by_origin[place])) for label, by_origin in errors.items()}
        found.append(blocks.OriginErrors(origin=subject.panel.day(origin), errors=rounded))
    return tuple(found)


def _residuals(subject: Subject, judgement: Judgement) -> blocks.Residuals | None:
    """Histogram of the challenger's forecast minus actual, in units of the scale of its series."""
    actuals = judgement.actuals
    if actuals is None or not actuals.usable.any():
        return None
    made = judgement.predictions[subject.stored.model.recipe.label][:, actuals.year_ago :]
    known, made = actuals.recent.scored(made)
    with np.errstate(all="ignore"):
        scaled = (made - known.values) / known.scales[:, :, None]
    if not np.isfinite(scaled).all():
        return None
    low, high = np.quantile(scaled, [0.005, 0.995])
    counts, edges = np.histogram(np.clip(scaled, low, high), bins=BINS)
    return blocks.Residuals(
        edges=tuple(_rounded(float(edge)) for edge in edges), counts=tuple(int(count) for count in counts)
    )


def _origin_errors(forecasts: Array, actuals: Actuals) -> Array:
    known, made = actuals.scored(forecasts)
    with np.errstate(all="ignore"):
        errors = (np.abs(made - known.values) * known.weights).mean(axis=2)
        cells = known.cells
        return np.asarray(np.where(cells, errors, 0.0).sum(axis=0) / cells.sum(axis=0))


def _rounded(value: float | None) -> float | None:
    """Six significant digits: enough to show, and no noise of the last bits; null where it is not finite."""
    if value is None or not math.isfinite(value):
        return None
    return float(f"{value:.{DIGITS}g}")
