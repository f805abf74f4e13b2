"""The sections of a problem file. Field comments are the reference; an example is problems/paid_amount.yml."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from forecasting.calendars import Calendar, calendar_of
from forecasting.known import MAX_COLUMNS
from forecasting.limits import LARGEST, MAX_HORIZON, MAX_SERIES

Aggregation = Literal["mean", "sum"]
MetricName = Literal["mae", "mase", "rmsse"]
BLANK = r"\S"
"""Pattern of a text that is more than blanks."""
Text = Annotated[str, Field(min_length=1, pattern=BLANK)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
Texts = Annotated[tuple[Text, ...], Field(strict=False)]
Whole = Annotated[int, Field(ge=1, le=100_000)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Ratio = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Factor = Annotated[float, Field(ge=0, allow_inf_nan=False)]


def _known(frequency: str) -> str:
    return calendar_of(frequency).frequency


Frequency = Annotated[str, AfterValidator(_known)]


class Section(BaseModel):
    """Strict: no unknown key, no text for a number, nothing that changes after it was read."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class Table(Section):
    """Where the table lies and what it is registered as; for the build scripts, no step reads it."""

    file: Text | None = None  # relative to the repository
    dataset: Text | None = None  # name of the data set


class Source(Section):
    """Column names of the delivered table."""

    date: Text
    type: Text | None = None  # kind of row, to filter by
    count: Text | None = None  # transactions behind a row; without it a row counts as one
    measures: Annotated[Texts, Field(min_length=1)]


class SeriesRule(Section):
    """How the rows become values; first and last day are inclusive, None means open."""

    name: Name
    types: Texts = ()  # kinds of row that count; empty: all
    keys: Texts = ()  # one series for each combination of their values; empty: one series
    measure: Text
    aggregation: Aggregation
    frequency: Frequency = "day"  # day, business-day, week-monday to week-sunday, month, month-end
    missing: Literal["refuse", "zero"] = "refuse"  # a date of a series without a row; one without any row is refused
    min_active_days: Whole = 1  # series with fewer days that are not zero are left out, and counted
    first_date: date | None = None
    last_date: date | None = None

    @property
    def calendar(self) -> Calendar:
        """The calendar of the frequency."""
        return calendar_of(self.frequency)

    @model_validator(mode="after")
    def _in_order(self) -> SeriesRule:
        if self.first_date and self.last_date and self.first_date > self.last_date:
            raise ValueError(f"first_date {self.first_date} is after last_date {self.last_date}")
        return self


def demand_columns(source: Source, rule: SeriesRule) -> None:
    """Raises: ValueError where a series needs a column that the source does not name."""
    if rule.measure not in source.measures:
        raise ValueError(f"series.measure {rule.measure} is not one of source.measures")
    if rule.types and source.type is None:
        raise ValueError("series.types needs source.type, the column with the types")


def demand_future(future: Future, source: Source, rule: SeriesRule) -> None:
    """Raises: ValueError where a column has another meaning already, or holidays have no day to be on."""
    taken = {source.date, source.type, source.count, *source.measures, *rule.keys}
    double = [name for place, name in enumerate(future.names) if name in taken or name in future.names[:place]]
    if double:
        raise ValueError(f"future.columns: {', '.join(double)} is used already, expected other columns, each once")
    if future.holidays and rule.calendar.part != "weekday":
        raise ValueError(f"future.holidays needs daily values, series.frequency is {rule.frequency}")


class Contract(Section):
    """What must hold of the data beyond columns and types; None: not demanded."""

    non_negative: bool = True
    max_value: Annotated[float, Field(gt=0, le=LARGEST)] = LARGEST  # of a measure in a row, either way
    min_days: Whole | None = None  # days from the first to the last
    max_age_days: Whole | None = None  # from the last day to the day of the run
    rows_change: Ratio | None = None  # against the last accepted version, up or down
    max_series: Whole = MAX_SERIES
    # Share of the series that may lack their newest rows, or that the champion has and the data has not. Without a
    # limit a person is asked, before such a model replaces a champion.
    late_series: Ratio | None = None
    lost_series: Ratio | None = None


class FutureColumn(Section):
    """A column whose values are known before their day: numbers, or names of categories."""

    column: Text
    kind: Literal["number", "category"] = "number"
    missing: Literal["refuse", "zero", "last"] = "refuse"  # a series' day without a row; last: the value before

    @model_validator(mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        """The name of a column alone is a column of numbers."""
        return {"column": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _zero_is_a_number(self) -> FutureColumn:
        if self.kind == "category" and self.missing == "zero":
            raise ValueError("missing: zero is for numbers, expected refuse or last")
        return self


class Future(Section):
    """What is known of days ahead. holidays: of a country such as DE, or of a part of one such as DE-BY."""

    columns: Annotated[tuple[FutureColumn, ...], Field(strict=False, max_length=MAX_COLUMNS)] = ()
    holidays: Text | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(column.column for column in self.columns)

    def __bool__(self) -> bool:
        return bool(self.columns or self.holidays)


class Candidate(Section):
    """A recipe that training may choose, by name and parameters; `of` lists the parts of a combination."""

    recipe: Text
    parameters: dict[str, Finite] = Field(default_factory=dict)
    of: Annotated[tuple[Candidate, ...], Field(strict=False)] = ()

    @model_validator(mode="before")
    @classmethod
    def _gather(cls, value: Any) -> Any:
        """Parameters stand beside the name in the file; true and false are 1 and 0."""
        if not isinstance(value, dict) or "parameters" in value:
            return value
        known = {key: given for key, given in value.items() if key in ("recipe", "of")}
        parameters = {str(key): given for key, given in value.items() if key not in known}
        for key, given in parameters.items():
            parameters[key] = float(given) if isinstance(given, bool | int) else given
        return {**known, "parameters": parameters}


class Selection(Section):
    """How training chooses. step and held_back: steps of the series, such as days; margin: ratio of errors."""

    origins: Whole
    step: Whole
    margin: Ratio
    held_back: Whole


class Training(Section):
    """horizon and season: steps, such as weeks; candidates: simplest first; metric: what is compared."""

    horizon: Annotated[int, Field(ge=1, le=MAX_HORIZON)]
    season: Annotated[int, Field(ge=1, le=MAX_HORIZON)]
    metric: MetricName = "mae"
    candidates: Annotated[tuple[Candidate, ...], Field(strict=False, min_length=1)]
    selection: Selection


class Refresh(Section):
    """When a champion that is not beaten is replaced by a newer fit that is not worse."""

    max_age_days: Whole = 35  # days of data since the champion's cutoff
    clean_origins: Whole = 4  # of the gate's origins after the champion's cutoff, to see its frozen parameters age
    parameter_free: bool = True  # whether a champion that estimates nothing is renewed as well


class Guards(Section):
    """Limits that block a challenger; None switches one off.

    The defaults of bias and coverage lie far outside what honest models reach on any measured set; what is None here
    only warns, see `Warnings`. What each limit costs: docs/problems.md (what was measured).
    """

    bias: Factor | None = 3.0  # abs(mean error) / mean actual
    coverage: Annotated[tuple[Ratio, Ratio], Field(strict=False)] | None = (0.20, 1.0)  # of the 80 % interval
    winkler: Factor | None = None  # interval score, relative to the champion's
    secondary: Factor | None = None  # secondary metric, relative to the champion's
    segment: Factor | None = None  # error in any segment, relative to the champion's
    segment_points: Whole = 100  # forecasts in a segment below which it is shown and not judged
    series_worse: Ratio | None = 0.6  # share of series with a larger error than the champion's; many series only
    maximum: Factor | None = 5.0  # largest forecast / largest value of its series before that origin


class Warnings(Section):
    """Limits beyond which the approver is warned and nothing is blocked; None switches one off."""

    bias: Factor | None = 0.20
    coverage: Annotated[tuple[Ratio, Ratio], Field(strict=False)] | None = (0.60, 0.98)
    winkler: Factor | None = 0.05
    secondary: Factor | None = 0.02
    segment: Factor | None = 0.20


class Bootstrap(Section):
    """Paired bootstrap over series, for many series only.

    A higher probability refuses many clearly better challengers where a few series carry the gain.
    """

    probability: Ratio = 0.6  # that the challenger is better, at least
    draws: Annotated[int, Field(ge=100, le=100_000)] = 1000
    seed: Annotated[int, Field(ge=0)] = 1
    min_series: Whole = 20  # with fewer series it is not asked


class GatePolicy(Section):
    """origins: a count; step: steps of the series; floor, margin: ratios of errors in the problem's own metric.

    year_ago: further origins, a year before the steps that come next, where the history allows; 0 asks for none.
    """

    origins: Whole
    step: Whole
    year_ago: Annotated[int, Field(ge=0, le=52)] = 5
    floor: Factor = 1.0
    margin: Ratio = 0.02
    refresh: Refresh = Refresh()
    guards: Guards = Guards()
    warnings: Warnings = Warnings()
    bootstrap: Bootstrap = Bootstrap()

    @property
    def hints(self) -> tuple[str, ...]:
        """What a policy of the earlier form may want to change: its guards block as before."""
        told = []
        for name in sorted(Warnings.model_fields):
            value = getattr(self.guards, name)
            if value is not None and value != getattr(Guards(), name):
                told.append(f"gate.guards.{name} blocks a challenger; as gate.warnings.{name} it only warns.")
        return tuple(told)


class CandidatePolicy(Section):
    """What becomes of accepted versions that nobody releases; for the build scripts, no step reads it.

    expire_after_days: from the day on which the gate accepted one; None: never. The longest time that an approval of
    Azure DevOps may wait is 30 days.
    """

    expire_after_days: Whole | None = 30
