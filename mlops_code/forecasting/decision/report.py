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

from forecasting.calendars import MONTHS, Calendar
from forecasting.decision import words
from forecasting.decision.blocks import Baseline, Contender, Evidence, Replaced, Segment
from forecasting.decision.charts import Band, Line, histogram, line_chart, meter
from forecasting.decision.decide import Decision
from forecasting.decision.gate import Judgement
from forecasting.decision.record import REPORT_FILE, DecisionRecord, as_json
from forecasting.models.catalog import BASELINE
from forecasting.models.recipe import Array, FittedModel, HalfWidth, bounds, width_at

TEMPLATE = Path(__file__).with_name("report.html.j2")
LARGEST = 3  # series that are drawn one by one
WORDS = {"accepted": "Accepted", "kept": "The champion stays", "failed": "Refused"}
FOLLOWS = {
    "accepted": "The new model may replace what serves now, once a person approves its release.",
    "kept": "Nothing changes: what serves now stays. This is the normal end of a training run.",
    "failed": "Nothing changes, and no model is offered for release.",
}
UNKNOWN_UNIT = "the unit of the table"
Pairs = Sequence[tuple[str, object]]


def write_report(decision: Decision, folder: Path) -> Path:
    """Write report.html beside decision.json and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / REPORT_FILE
    page = report(decision.record, decision.stored.model, decision.judgement, decision.unit)
    path.write_text(page, encoding="utf-8")
    return path


def report(record: DecisionRecord, model: FittedModel, judgement: Judgement | None = None, unit: str = "") -> str:
    """The page. Without the judgement, as for a decision read from a file, forecasts are not drawn.

    unit: what the values of the table count; empty: unknown.
    """
    evidence = record.evidence
    pages = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    pages.filters |= {"amount": words.amount, "percent": words.percent, "change": words.change}
    pages.filters |= {"shown": _shown, "sentence": words.sentence}
    page = pages.from_string(TEMPLATE.read_text(encoding="utf-8"))
    return page.render(
        record=record,
        evidence=evidence,
        context=record.context,
        verdict=f"{WORDS[evidence.outcome]}{' by override' if evidence.override else ''}",
        tone="override" if evidence.override else evidence.outcome,
        follows=FOLLOWS[evidence.outcome],
        facts=_facts(evidence, _unit_of_errors(evidence, unit), model.calendar),
        unit_of_errors=_unit_of_errors(evidence, unit),
        warnings=[rule for rule in evidence.rules if rule.status == "warning"],
        words=words,
        metrics=words.metrics(unit or UNKNOWN_UNIT, model.calendar.count(model.season)),
        scored=_scored(evidence),
        forecasts=_forecasts(judgement, evidence, model),
        by_origin=_by_origin(evidence),
        segments=_segments(evidence.segments, model.calendar),
        coverage=_coverage(evidence, model.calendar),
        segment_limits=words.segment_limits(evidence.policy),
        meter=meter,
        residuals=_residuals(evidence),
        data=_data(evidence, model.calendar),
        calendar=model.calendar,
        season=model.season,
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


def _unit_of_errors(evidence: Evidence, unit: str) -> str:
    """What the deciding metric counts. unit: what the table's values count; empty: unknown."""
    return (unit or UNKNOWN_UNIT) if evidence.metric == "mae" else "units of the usual change of a series"


def _facts(evidence: Evidence, unit: str, calendar: Calendar) -> list[tuple[str, str, str]]:
    """What a person looks at first: name, value, and what it is compared with."""
    ours = words.deciding(evidence, evidence.challenger.metrics)
    name, baseline = evidence.metric.upper(), evidence.baselines.get(BASELINE.name)
    found = []
    if ours is not None:
        found.append((f"error of the new model ({name})", words.amount(ours), f"in {unit}; lower is better"))
    for who, other in (("the champion", evidence.champion), ("the baseline", baseline)):
        theirs = words.deciding(evidence, other.metrics if other else None)
        if told := words.gain(ours, theirs):
            found.append((f"against {who}", told, f"whose error is {words.amount(theirs)}"))
    if interval := evidence.challenger.interval:
        held = f"of the actual values lie in the {interval.level:.0%} interval"
        found.append(("interval", words.percent(interval.coverage), held))
    data = evidence.data
    return [*found, ("data until", str(data.last_date), f"{calendar.count(data.days)} since {data.first_date}")]


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
    more = "<p class=note>The largest series, each with its intervals:</p>" + "".join(each)
    return f"{total}<div class=screen>{more}</div>"


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
    labels = [f"{MONTHS[entry.origin.month - 1]} {entry.origin.day}, {entry.origin.year}" for entry in found]
    title = "Mean absolute error of the forecasts made before each date; lower is better"
    return line_chart(title, labels, lines)


def _coverage(evidence: Evidence, calendar: Calendar) -> str:
    """Coverage of the judged interval in percent by step ahead, beside what it promises."""
    sides = {"challenger": evidence.challenger.interval, "champion": evidence.champion and evidence.champion.interval}
    known = {kind: interval for kind, interval in sides.items() if interval and interval.by_step}
    if "challenger" not in known:
        return ""
    level, steps = known["challenger"].level, len(known["challenger"].by_step)
    lines = [Line(kind, kind, _flat(100 * np.array(interval.by_step))) for kind, interval in known.items()]
    lines.append(Line("naive", f"promised: {level:.0%}", [100 * level] * steps))
    title = f"Share of the values inside the interval, in %, by {calendar.units} ahead"
    return line_chart(title, [str(step + 1) for step in range(steps)], lines)


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
    title = "Forecast minus actual, in units of the usual change of each series; right of 0 the forecast is too high"
    return histogram(title, edges, found.counts)


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
        *((name.replace("_", " "), value) for name, value in context if name not in ("champion", "workspace")),
        ("workspace", where),
        ("champion", told),
        ("decision sha256", record.sha256),
        ("evidence sha256", record.evidence_sha256),
    ]


def _data(evidence: Evidence, calendar: Calendar) -> Pairs:
    """The facts of the data; the number of steps is called what it counts."""
    facts = as_json(evidence.data)
    facts[calendar.units] = facts.pop("days")
    facts["share_of_zeros"] = words.percent(evidence.data.share_of_zeros)
    facts |= {f"{kind} series": change.count for kind, change in evidence.data.changes.items()}
    shown = (item for item in facts.items() if item[0] not in ("notes", "changes", "revised"))
    return sorted((name.replace("_", " "), value) for name, value in shown)


def _label(day: date, calendar: Calendar) -> str:
    """A date on an axis: day and month, or month and year where steps are months."""
    month = MONTHS[day.month - 1]
    return f"{month} {day.year}" if calendar.unit == "month" else f"{month} {day.day}"


def _shown(value: object) -> str:
    """A value of a table of facts."""
    if value is None:
        return "none"
    return words.amount(value) if isinstance(value, float) else str(value)
