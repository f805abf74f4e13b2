"""The text of a new problem file: the columns as given, the rest as suits the frequency of the table."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from string import Template

import yaml

from forecasting.calendars import DAILY, Calendar, calendar_of, inferred
from forecasting.problem.reading import Reading
from ml_service.errors import InvalidRequestError
from ml_service.settings.variables import ROOT, shown

FOLDER = ROOT / "mlops_code" / "problems"
PARKED = "samples"
"""Folder in FOLDER for the next two, once the template was adopted; `problems list` does not look into it."""
ONE, MANY = "paid_amount.yml", "product_sales.yml"
"""Files whose sections contract, training and gate a problem of daily values starts with: of one series, of many."""

_SECTIONS = Template("""\
contract:
  min_days: $min_days  # from the first to the last, of any frequency
  rows_change: 0.5

training:
  horizon: $horizon  # $units ahead that the business needs
  season: $season  # $units after which the pattern repeats
  metric: $metric
  candidates:  # simplest first
    - {recipe: season_mean, seasons: $seasons}
    - {recipe: window_mean, steps: $window}
    - {recipe: exponential_smoothing}
    - {recipe: holt_winters}
    - {recipe: ridge_direct, alpha: 1.0, scaled: $scaled}
    - {recipe: median_of, of: [{recipe: seasonal_naive}, {recipe: holt_winters}, {recipe: exponential_smoothing}]}
  # origins: forecasts that are compared; step: $units from one to the next; held_back: $units that belong to the gate
  selection: {origins: $origins, step: $step, margin: 0.02, held_back: $held_back}

gate:
  origins: $origins
  step: $step
  floor: 1.0
  margin: 0.02
  refresh: {max_age_days: $max_age_days}  # data of the champion older than this calls for a newer fit
""")
_DAYS_OF_YEAR = 364  # so that a week has seven
_YEAR_DAYS = 450  # of daily history, from which candidates can learn how the level changed in the year before
_TWO_YEARS_DAYS = 840  # from which values of a year ago leave enough origins to be compared


@dataclass(frozen=True)
class Columns:
    """What a new problem needs to know about its table."""

    date: str
    measure: str
    keys: tuple[str, ...]
    aggregation: str
    frequency: str = DAILY.frequency
    """Of the values, where no table says it."""
    missing: str = "zero"
    """What a day of a series without a row means."""
    reading: Reading | None = None
    holidays: str = ""
    """A country, or a part of one, whose holidays the model may know."""


@dataclass(frozen=True)
class Dates:
    """The calendar of a table, and how many steps it spans; 0 where there is no table yet."""

    calendar: Calendar
    steps: int = 0


def dates_without_table(columns: Columns) -> Dates:
    """The dates of the frequency that was asked for. Raises: InvalidRequestError for one that does not exist."""
    try:
        return Dates(calendar_of(columns.frequency))
    except ValueError as mistake:
        raise InvalidRequestError(str(mistake), todo="correct --frequency") from None


def dates_of(days: Iterable[date]) -> Dates:
    """The dates of a table; of a daily calendar where they follow none, for the contract to say why."""
    found = sorted(set(days))
    calendar = inferred(found) or DAILY
    return Dates(calendar, calendar.between(found[0], found[-1]) + 1 if found else 0)


def text_of(name: str, columns: Columns, table: Path | None, dates: Dates) -> str:
    """A problem file to start with."""
    sections: dict[str, dict[str, object]] = {}
    if table is not None and table.resolve().is_relative_to(ROOT):
        sections["table"] = {"file": shown(table.resolve())}
    sections["source"] = {"date": columns.date, "measures": [columns.measure]}
    if unusual := columns.reading and columns.reading.model_dump(exclude_defaults=True):
        sections["reading"] = unusual
    sections["series"] = {"name": name, "measure": columns.measure, "aggregation": columns.aggregation}
    if dates.calendar != DAILY:
        sections["series"]["frequency"] = dates.calendar.frequency
    if columns.keys:
        sections["series"] |= {"keys": list(columns.keys), "missing": columns.missing}
    if columns.holidays:
        sections["future"] = {"holidays": columns.holidays}
    start = f"# {name}: what is forecast, and by which rules. The sample, {ONE}, explains it.\n"
    dumped = yaml.dump(sections, Dumper=_Indenting, sort_keys=False, allow_unicode=True, width=100)
    return f"{start}{dumped}\n{_others(columns, dates)}"


class _Indenting(yaml.SafeDumper):
    """Indents lists, as the sections that are copied from the sample do: yamllint asks for one way in a file."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002
        """Indent, whatever PyYAML would do."""
        super().increase_indent(flow, indentless=False)


def _others(columns: Columns, dates: Dates) -> str:
    """The sections contract, training and gate."""
    calendar, keys = dates.calendar, columns.keys
    if calendar == DAILY:
        text = _from_contract(example(MANY if keys else ONE).read_text(encoding="utf-8"))
        return _with_year(_with_holidays(text) if columns.holidays else text, dates.steps)
    usual, days_a_step = calendar.defaults, _DAYS_OF_YEAR / calendar.year
    return _SECTIONS.substitute(
        min_days=round(usual.minimum * days_a_step),
        horizon=usual.horizon,
        units=calendar.units,
        season=calendar.season,
        metric="mase" if keys else "mae",
        seasons=calendar.lags.seasons,
        window=calendar.lags.recent[-1] if calendar.lags.recent else 8 * calendar.season,
        scaled=str(bool(keys)).lower(),
        origins=usual.origins,
        step=usual.origin_step,
        held_back=usual.horizon + (usual.origins - 1) * usual.origin_step,
        max_age_days=round(35 + 2 * days_a_step),
    )


def example(name: str) -> Path:
    """One of the sample's problem files, wherever it lies."""
    path = FOLDER / name
    return path if path.is_file() else FOLDER / PARKED / name


def _with_year(text: str, days: int) -> str:
    """The candidates that look a year back, where the history is long enough for them."""
    if days >= _YEAR_DAYS:
        text = text.replace("      # year: true  ", "      year: true    ")
        text = re.sub(r"^    # (- recipe: median_of |  of:|    - \{)", r"    \1", text, flags=re.MULTILINE)
        text = text.replace("scaled: true}  # year: true, too, from 450 days of history on", "scaled: true}")
        text = text.replace("scaled: true}", "scaled: true, year: true}")
    if days >= _TWO_YEARS_DAYS:
        text = text.replace("    # - {recipe: last_year}  ", "    - {recipe: last_year}    ")
    return text


def _with_holidays(text: str) -> str:
    """The candidate that leaves holidays out."""
    return re.sub(r"^    # (- \{.*skip_holidays: true\}).*$", r"    \1", text, flags=re.MULTILINE)


def _from_contract(text: str) -> str:
    """The sections that are the same for every table, with their comments."""
    lines = text.splitlines(keepends=True)
    start = next(number for number, line in enumerate(lines) if line.startswith("contract:"))
    while start and lines[start - 1].startswith("#"):
        start -= 1
    return "".join(lines[start:])
