"""The report of a decision: one page for the person who answers for the release, which can be kept and printed.

A function of the decision and of the forecasts that it was made from: the same decision gives the same bytes. The
page loads nothing and runs nothing; every text in it is escaped.
"""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from forecasting.decision.charts import Band, Line, histogram, line_chart, meter
from forecasting.decision.decide import Decision
from forecasting.decision.gate import Judgement
from forecasting.decision.record import Context, DecisionRecord, Evidence, Segment, as_json
from forecasting.models.recipe import Array, FittedModel, bounded

REPORT_FILE = "report.html"
LARGEST = 3  # series that are drawn one by one
METRICS = ("mae", "rmse", "rel_mae", "mase", "rmsse", "bias_ratio")
WORDS = {"accepted": "accepted", "kept": "the champion stays", "failed": "failed"}
STYLE = """
:root{color-scheme:light dark;--ink:#1b1f24;--soft:#57606a;--paper:#fff;--line:#d0d7de;--good:#1a7f37;--warn:#9a6700;
--bad:#cf222e;--a:#0969da;--b:#bc4c00;--c:#8c959f}
@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--soft:#9198a1;--paper:#0d1117;--line:#3d444d;--good:#3fb950;
--warn:#d29922;--bad:#f85149;--a:#4493f8;--b:#f0883e;--c:#848d97}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:60rem;margin:2rem auto;
padding:0 1rem}
h1{font-size:1.5rem;margin:0}h2{font-size:1.1rem;margin:2rem 0 .5rem;border-bottom:1px solid var(--line)}
.verdict{border:1px solid var(--line);border-left:.6rem solid var(--tone);padding:1rem;border-radius:.3rem}
.verdict strong{color:var(--tone);font-size:1.3rem}.accepted,.passed{--tone:var(--good)}.kept{--tone:var(--warn)}
.failed{--tone:var(--bad)}.off{--tone:var(--soft)}td.state{color:var(--tone);font-weight:600}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:.25rem .6rem .25rem 0;border-bottom:1px solid var(--line);vertical-align:top}
th{color:var(--soft);font-weight:600}td.n,th.n{text-align:right;white-space:nowrap}
code,pre{font-size:.85em;overflow-wrap:anywhere}pre{white-space:pre-wrap}
figure{margin:1rem 0}figcaption{color:var(--soft);font-size:.9rem}svg{width:100%;height:auto}
svg.meter{width:7.5rem}svg text{font:11px system-ui,sans-serif;fill:var(--soft)}
.end{text-anchor:end}.mid{text-anchor:middle}.grid{stroke:var(--line);stroke-width:.6}
.line{fill:none;stroke:var(--tone);stroke-width:1.8}.actual{--tone:var(--ink)}.challenger{--tone:var(--a)}
.champion{--tone:var(--b)}.naive{--tone:var(--c);stroke-dasharray:4 3}.band{fill:var(--a);opacity:.16}
.bar{fill:var(--a)}.key{margin-left:1rem;white-space:nowrap}.key::before{content:"";display:inline-block;width:1rem;
height:.2rem;margin-right:.3rem;vertical-align:middle;background:var(--tone)}
.key.band{opacity:1;--tone:var(--a)}.key.band::before{height:.8rem;opacity:.25}
.note{color:var(--soft)}
"""


def write_report(decision: Decision, model: FittedModel, folder: Path) -> Path:
    """Write report.html beside decision.json and return its path. model: the one that was decided about."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / REPORT_FILE
    path.write_text(report(decision.record, model, decision.judgement), encoding="utf-8")
    return path


def report(record: DecisionRecord, model: FittedModel, judgement: Judgement | None = None) -> str:
    """The page. Without the judgement, as for a decision read from a file, forecasts are not drawn."""
    evidence, context = record.evidence, record.context
    title = f"{evidence.problem}: {WORDS[evidence.outcome]}"
    parts = [
        _verdict(evidence, context),
        _section("Rules, in the order in which they decide", _rules(evidence)),
        _section("Figures on the gate's windows", _metrics(evidence)),
        _section("Forecast and actual", _forecasts(judgement, evidence, model)),
        _section("Error by origin", _by_origin(evidence)),
        _section("Error by part", _segments(evidence.segments)),
        _section("Residuals", _residuals(evidence)),
        _section("Data", _pairs(sorted(as_json(evidence.data).items()))),
        _section("Model card", _card(evidence, model)),
        _section("Context", _pairs(_context(record))),
    ]
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{_text(title)}</title>'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<meta name="decision-sha256" content="{record.sha256}">'
        f"<style>{STYLE}</style></head><body>\n{''.join(parts)}</body></html>\n"
    )


def _verdict(evidence: Evidence, context: Context) -> str:
    outcome, workspace = evidence.outcome, context.workspace
    where = "none"
    if workspace:
        tags = ", ".join(f"{key}={value}" for key, value in sorted(workspace.tags.items()))
        where = f"{workspace.name} [{tags}]" if tags else workspace.name
    where = f"<p class=note>Workspace {_text(where)}</p>"
    override = ""
    if evidence.override:
        gate = evidence.gate
        said = f"The gate itself said {gate.outcome} ({gate.reason}): {gate.sentence}"
        override = f"<p>{_text(said)}</p>"
    return (
        f'<header class="verdict {_text(outcome)}"><h1>{_text(evidence.problem)}</h1>'
        f"<strong>{_text(WORDS[outcome])}</strong> <code>{_text(evidence.reason)}</code>"
        f"<p>{_text(evidence.sentence)}</p>{override}{where}</header>\n"
    )


def _rules(evidence: Evidence) -> str:
    rows = [
        f"<tr><td><code>{_text(rule.code)}</code></td><td class='state {_text(rule.status)}'>"
        f"{_text(rule.status)}</td><td class=n>{_number(rule.value)}</td>"
        f"<td class=n>{_number(rule.threshold)}</td><td>{_text(rule.sentence)}</td></tr>"
        for rule in evidence.rules
    ]
    return _table(("rule", "", "value*", "threshold*", "meaning"), rows) if rows else ""


def _metrics(evidence: Evidence) -> str:
    sides = {"challenger": evidence.challenger, "champion": evidence.champion, **evidence.baselines}
    rows = []
    for who, entry in sides.items():
        if entry and entry.metrics:
            numbers = [getattr(entry.metrics, name) for name in METRICS]
            numbers.append(entry.interval.coverage if entry.interval else None)
            cells = "".join(f"<td class=n>{_number(value)}</td>" for value in numbers)
            rows.append(f"<tr><td>{_text(who)}</td><td><code>{_text(entry.recipe)}</code></td>{cells}</tr>")
    windows = evidence.windows
    if not rows or windows is None:
        return ""
    said = f"{len(windows.origins)} origins, {windows.horizon} days each, until {windows.last_day}; judged by "
    metric = f"<code>{_text(evidence.metric)}</code>"
    note = f"<p class=note>{_text(said)}{metric}. Coverage is that of the 80 % interval.</p>"
    return note + _table(("who", "recipe", *(f"{name}*" for name in METRICS), "coverage*"), rows)


def _forecasts(judgement: Judgement | None, evidence: Evidence, model: FittedModel) -> str:
    """The last windows that do not overlap, end to end: each shows what was forecast before it began."""
    windows = evidence.windows
    if judgement is None or judgement.actuals is None or judgement.windows is None or windows is None:
        return ""
    horizon, step = windows.horizon, windows.step
    chosen = list(range(len(judgement.windows.origins)))[:: -max(1, -(-horizon // step))][::-1]
    first = [np.datetime64(windows.origins[place]) for place in chosen]
    labels = [str(day + ahead)[5:] for day in first for ahead in range(horizon)]
    made = judgement.predictions[evidence.challenger.recipe][:, chosen]
    actuals, scales = judgement.actuals.values[:, chosen], judgement.actuals.scales[:, chosen]
    half_widths = evidence.challenger.radii
    if len(actuals) == 1:
        return _drawn(
            model.keys[0], labels, actuals[0], made[0], _bands(made[0], scales[0], half_widths, model.lower)
        )
    total = _drawn(f"Sum of all {len(actuals)} series", labels, actuals.sum(axis=0), made.sum(axis=0), [])
    largest = np.argsort(-actuals.mean(axis=(1, 2)), kind="stable")[:LARGEST]
    each = [
        _drawn(
            f"Series {model.keys[row]}", labels, actuals[row], made[row],
            _bands(made[row], scales[row], half_widths, model.lower),
        )
        for row in largest
    ]  # fmt: skip
    return total + "<p class=note>The largest series, each with its intervals:</p>" + "".join(each)


def _bands(made: Array, scales: Array, half_widths: Mapping[str, float], lower: float | None) -> list[Band]:
    """The intervals that were judged, widest first. made: shape (origins, horizon); scales: shape (origins,)."""
    levels = sorted(half_widths, key=float, reverse=True)
    widths = {level: half_widths[level] * scales[:, None] for level in levels}
    return [
        Band(
            f"{' and '.join(f'{float(one):.0%}' for one in reversed(levels))} interval",
            _flat(bounded(made - widths[level], lower)),
            _flat(made + widths[level]),
        )
        for level in levels
    ]


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
    labels = [str(entry.origin) for entry in found]
    ours = evidence.challenger.recipe
    theirs = evidence.champion.recipe if evidence.champion else None
    kinds = {"seasonal_naive()": "naive", **({theirs: "champion"} if theirs else {}), ours: "challenger"}
    lines = [
        Line(kind, f"{kind}: {label}", [entry.errors.get(label) for entry in found])
        for label, kind in kinds.items()
        if any(entry.errors.get(label) is not None for entry in found)
    ]
    return line_chart("Mean absolute error of the forecasts made before each day", labels, lines)


def _segments(segments: Sequence[Segment]) -> str:
    """A table for each kind of part, weekdays first."""
    tables = []
    for kind in dict.fromkeys(part.kind for part in segments):
        parts = [part for part in segments if part.kind == kind]
        most = max((part.challenger or 0.0) for part in parts) or 1.0
        rows = [
            f"<tr><td>{_text(part.name)}</td><td class=n>{part.points}</td>"
            f"<td class=n>{_number(part.challenger)}</td><td>{meter((part.challenger or 0.0) / most)}</td>"
            f"<td class=n>{_number(part.champion)}</td><td class=n>{_number(part.change)}</td>"
            f"<td>{'judged' if part.judged else ''}</td></tr>"
            for part in parts
        ]
        tables.append(_table((kind, "points*", "challenger*", "", "champion*", "change*", ""), rows))
    return "".join(tables)


def _residuals(evidence: Evidence) -> str:
    found = evidence.residuals
    edges = [edge for edge in found.edges if edge is not None] if found else []
    if found is None or len(edges) < len(found.edges):
        return ""
    return histogram("Forecast minus actual, in units of each series' scale", edges, found.counts)


def _card(evidence: Evidence, model: FittedModel) -> str:
    ours = evidence.challenger
    horizon = evidence.windows.horizon if evidence.windows else "-"
    served = ", ".join(f"{float(level):.0%}" for level in ours.radii)
    pairs = [
        ("recipe", ours.recipe),
        ("made for", f"{evidence.problem}: daily values, {horizon} days ahead"),
        ("series", len(model.keys)),
        ("season", f"{model.season} days"),
        ("data until", ours.cutoff),
        ("intervals", f"{served}, by split conformal calibration on earlier windows" if served else "none"),
        ("lower bound", "none" if model.lower is None else f"{model.lower:g}"),
        ("not for", "series that it was not trained on, and days far beyond the horizon that was judged"),
        ("model sha256", ours.model_sha256),
        ("policy sha256", evidence.policy_sha256),
    ]
    policy = _text(json.dumps(evidence.policy, indent=1, sort_keys=True))
    return _pairs(pairs) + f"<details><summary>policy of the gate</summary><pre>{policy}</pre></details>"


def _context(record: DecisionRecord) -> list[tuple[str, object]]:
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


def _pairs(pairs: Iterable[tuple[str, object]]) -> str:
    rows = [f"<tr><th>{_text(name)}</th><td><code>{_text(_shown(value))}</code></td></tr>" for name, value in pairs]
    return f"<table>{''.join(rows)}</table>"


def _shown(value: object) -> object:
    return f"{value:.6g}" if isinstance(value, float) else "none" if value is None else value


def _table(columns: Sequence[str], rows: Sequence[str]) -> str:
    """A star marks a column of numbers."""
    head = "".join(
        f"<th{' class=n' if column.endswith('*') else ''}>{_text(column.removesuffix('*'))}</th>"
        for column in columns
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _section(title: str, content: str) -> str:
    """A heading and what is below it; a part without content says so rather than vanish."""
    below = content or "<p class=note>The evidence holds nothing to show here.</p>"
    return f"<section><h2>{_text(title)}</h2>{below}</section>\n"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _text(value: object) -> str:
    return html.escape(str(value))
