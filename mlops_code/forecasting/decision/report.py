"""The report of a decision: one page for an accountable person, which can be kept and printed.

A function of the decision and of the forecasts that it was made from: the same decision gives the same bytes.
`report.html.j2` is the page; this module collects what it shows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

import numpy as np
from jinja2 import Environment, StrictUndefined

from forecasting.calendars import Calendar
from forecasting.decision.blocks import Baseline, Contender, Evidence, Replaced, Segment
from forecasting.decision.charts import Band, Line, histogram, line_chart, meter
from forecasting.decision.decide import Decision
from forecasting.decision.gate import Judgement
from forecasting.decision.record import REPORT_FILE, DecisionRecord, as_json
from forecasting.models.catalog import BASELINE
from forecasting.models.recipe import Array, FittedModel, HalfWidth, bounds, width_at

TEMPLATE = Path(__file__).with_name("report.html.j2")
LARGEST = 3  # series that are drawn one by one
METRICS = ("mae", "rmse", "rel_mae", "mase", "rmsse", "bias_ratio")
WORDS = {"accepted": "accepted", "kept": "the champion stays", "failed": "failed"}
Pairs = Sequence[tuple[str, object]]


def write_report(decision: Decision, folder: Path) -> Path:
    """Write report.html beside decision.json and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / REPORT_FILE
    path.write_text(report(decision.record, decision.stored.model, decision.judgement), encoding="utf-8")
    return path


def report(record: DecisionRecord, model: FittedModel, judgement: Judgement | None = None) -> str:
    """The page. Without the judgement, as for a decision read from a file, forecasts are not drawn."""
    evidence = record.evidence
    pages = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    pages.filters |= {"number": _number, "shown": _shown}
    page = pages.from_string(TEMPLATE.read_text(encoding="utf-8"))
    return page.render(
        record=record,
        evidence=evidence,
        context=record.context,
        verdict=WORDS[evidence.outcome],
        warnings=[rule for rule in evidence.rules if rule.status == "warning"],
        metrics=METRICS,
        scored=_scored(evidence),
        forecasts=_forecasts(judgement, evidence, model),
        by_origin=_by_origin(evidence),
        segments=_segments(evidence.segments, model.calendar),
        coverage=_coverage(evidence, model.calendar),
        meter=meter,
        residuals=_residuals(evidence),
        data=_data(evidence, model.calendar),
        calendar=model.calendar,
        card=_card(evidence, model),
        policy=json.dumps(evidence.policy, indent=1, sort_keys=True),
        told=_context(record),
    )


def _scored(evidence: Evidence) -> list[tuple[str, Contender | Baseline | Replaced]]:
    """Everybody whose recipe was scored."""
    sides: dict[str, Contender | Baseline | Replaced | None] = {
        "challenger": evidence.challenger,
        "chosen by training": evidence.instead_of,
        "champion": evidence.champion,
        **evidence.baselines,
    }
    return [(who, entry) for who, entry in sides.items() if entry is not None and entry.metrics is not None]


def _forecasts(judgement: Judgement | None, evidence: Evidence, model: FittedModel) -> str:
    """The last windows that do not overlap, end to end: each shows what was forecast before it began."""
    windows = evidence.windows
    if judgement is None or judgement.actuals is None or windows is None:
        return ""
    places = range(judgement.actuals.year_ago, len(windows.origins))
    chosen = list(reversed(places[:: -max(1, -(-windows.horizon // windows.step))]))
    first, calendar = [windows.origins[place] for place in chosen], model.calendar
    labels = [_label(day, calendar) for start in first for day in calendar.range(start, windows.horizon)]
    made = judgement.predictions[evidence.challenger.recipe][:, chosen]
    actuals, scales = judgement.actuals.values[:, chosen], judgement.actuals.scales[:, chosen]
    widths = _half_widths(evidence, calendar)
    reaches = {level: width_at(width, judgement.actuals.places[chosen]) for level, width in widths.items()}

    def series(row: int, title: str) -> str:
        bands = _bands(made[row], scales[row], reaches, model.lower)
        return _drawn(title, labels, actuals[row], made[row], bands)

    if len(actuals) == 1:
        return series(0, model.keys[0])
    total = _drawn(f"Sum of all {len(actuals)} series", labels, actuals.sum(axis=0), made.sum(axis=0), [])
    largest = np.argsort(-actuals.mean(axis=(1, 2)), kind="stable")[:LARGEST].tolist()
    each = [series(row, f"Series {model.keys[row]}") for row in largest]
    return total + "<p class=note>The largest series, each with its intervals:</p>" + "".join(each)


def _half_widths(evidence: Evidence, calendar: Calendar) -> dict[str, HalfWidth]:
    """Half-widths of the challenger's intervals by level, those of places in their order."""
    found: dict[str, HalfWidth] = {level: (width,) for level, width in evidence.challenger.radii.items()}
    for level, widths in evidence.challenger.radii_by_part.items():
        found[level] = tuple(widths[name] for name in calendar.part_names)
    return found


def _bands(made: Array, scales: Array, reaches: Mapping[str, Array | float], lower: float | None) -> list[Band]:
    """The intervals that were judged, widest first. made, reaches: shape (origins, horizon); scales: (origins,)."""
    levels = sorted(reaches, key=float)
    name = " and ".join(f"{float(level):.0%}" for level in levels) + " interval"
    found = []
    for level in reversed(levels):
        low, high = bounds(made, reaches[level] * scales[:, None], lower)
        found.append(Band(name, _flat(low), _flat(high)))
    return found


def _drawn(title: str, labels: Sequence[str], actuals: Array, made: Array, bands: Sequence[Band]) -> str:
    lines = [Line("actual", "actual", _flat(actuals)), Line("challenger", "forecast", _flat(made))]
    return line_chart(title, labels, lines, bands)


def _flat(values: Array) -> list[float]:
    flat: list[float] = values.ravel().tolist()
    return flat


def _by_origin(evidence: Evidence) -> str:
    found = evidence.by_origin
    if not found:
        return ""
    kinds = {BASELINE.label: "naive"}
    if evidence.champion:
        kinds[evidence.champion.recipe] = "champion"
    kinds[evidence.challenger.recipe] = "challenger"
    lines = []
    for label, kind in kinds.items():
        values = [entry.errors.get(label) for entry in found]
        if any(value is not None for value in values):
            lines.append(Line(kind, f"{kind}: {label}", values))
    labels = [str(entry.origin) for entry in found]
    return line_chart("Mean absolute error of the forecasts made before each date", labels, lines)


def _coverage(evidence: Evidence, calendar: Calendar) -> str:
    """Coverage of the judged interval by step ahead, beside what it promises."""
    sides = {"challenger": evidence.challenger.interval, "champion": evidence.champion and evidence.champion.interval}
    known = {kind: interval for kind, interval in sides.items() if interval and interval.by_step}
    if "challenger" not in known:
        return ""
    level, steps = known["challenger"].level, len(known["challenger"].by_step)
    lines = [Line(kind, kind, interval.by_step) for kind, interval in known.items()]
    lines.append(Line("naive", f"promised: {level:.0%}", [level] * steps))
    return line_chart(f"Coverage by {calendar.units} ahead", [str(step + 1) for step in range(steps)], lines)


def _segments(segments: Sequence[Segment], calendar: Calendar) -> dict[str, list[Segment]]:
    """The parts of each kind in words, weekdays or months first."""
    by_kind: dict[str, list[Segment]] = {}
    for part in segments:
        kind = f"{calendar.group[1]} ahead" if part.kind == "ahead" else part.kind
        by_kind.setdefault(kind, []).append(part)
    return by_kind


def _residuals(evidence: Evidence) -> str:
    found = evidence.residuals
    edges = [edge for edge in found.edges if edge is not None] if found else []
    if found is None or len(edges) < len(found.edges):
        return ""
    return histogram("Forecast minus actual, in units of each series' scale", edges, found.counts)


def _card(evidence: Evidence, model: FittedModel) -> Pairs:
    challenger, calendar = evidence.challenger, model.calendar
    horizon = evidence.windows.horizon if evidence.windows else "-"
    served = ", ".join(f"{float(level):.0%}" for level in challenger.radii)
    return [
        ("recipe", challenger.recipe),
        ("made for", f"{evidence.problem}: {calendar.adjective} values, {horizon} {calendar.units} ahead"),
        ("series", len(model.keys)),
        ("season", calendar.count(model.season)),
        ("data until", challenger.cutoff),
        ("intervals", f"{served}, by split conformal calibration on earlier windows" if served else "none"),
        ("lower bound", "none" if model.lower is None else f"{model.lower:g}"),
        (
            "not for",
            f"series that it was not trained on, and {calendar.units} far beyond the judged horizon",
        ),
        ("model sha256", challenger.model_sha256),
        ("policy sha256", evidence.policy_sha256),
    ]


def _context(record: DecisionRecord) -> Pairs:
    context = record.context
    champion, workspace = context.champion, context.workspace
    told, where = "none", "none"
    if champion:
        told = f"{champion.name} {champion.version} {champion.model_sha256}".strip()
    if workspace:
        where = "".join([workspace.name, *(f" {key}={value}" for key, value in sorted(workspace.tags.items()))])
    return [
        *((name, value) for name, value in context if name not in ("champion", "workspace")),
        ("workspace", where),
        ("champion", told),
        ("decision sha256", record.sha256),
        ("evidence sha256", record.evidence_sha256),
    ]


def _data(evidence: Evidence, calendar: Calendar) -> Pairs:
    """The facts of the data; the number of steps is called what it counts."""
    facts = as_json(evidence.data)
    facts[calendar.units] = facts.pop("days")
    facts |= {f"{kind} series": change.count for kind, change in evidence.data.changes.items()}
    return sorted((name, value) for name, value in facts.items() if name not in ("notes", "changes", "revised"))


def _label(day: date, calendar: Calendar) -> str:
    """A date on an axis: day and month, or month and year where steps are months."""
    return f"{day:%Y-%m}" if calendar.unit == "month" else f"{day:%m-%d}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _shown(value: object) -> str:
    """A value of a table: numbers with six digits."""
    if value is None:
        return "none"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
