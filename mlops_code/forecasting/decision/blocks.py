"""The blocks of a decision record, typed; attributes are named like the keys of decision.json.

`evidence` is a function of data, policy, recipes and override alone, so that anybody can make it again and compare
its hash; who asked, when, and which registered version was the champion are in `context`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

Outcome = Literal["accepted", "kept", "failed"]
ACCEPTED, KEPT, FAILED = get_args(Outcome)
SEASONAL_NAIVE = "seasonal_naive"
Status = Literal["passed", "warning", "failed", "off"]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Day = Annotated[date, WithJsonSchema({"type": "string", "format": "date", "pattern": r"^\d{4}-\d{2}-\d{2}$"})]
Count = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
HalfWidth = Annotated[float, Field(ge=0)]
Text = Annotated[str, Field(min_length=1)]
Code = Annotated[
    str,
    Field(
        pattern=r"^[a-z]+(-[a-z]+)*$",
        description="Code of the reason, stable for machines; a rule that decides gives its own code.",
        examples=["first-model", "margin", "refresh", "override", "tie", "too-few-origins", "nan", "floor"],
    ),
]


class Block(BaseModel):
    """Strict: no unknown key, no text for a number, nothing that changes after it was read."""

    # Not finite numbers must reach `to_json`, which refuses them, instead of becoming null on the way.
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", ser_json_inf_nan="constants")


class Verdict(Block):
    """Outcome, reason code for machines and sentence for people."""

    outcome: Outcome
    reason: Code
    sentence: Text


class Override(Block):
    """An accountable person who decides against the gate, and why."""

    # Blank texts are refused where the override is applied, with a message for the person.
    person: Annotated[str, Field(json_schema_extra={"minLength": 1})]
    reason: Annotated[str, Field(json_schema_extra={"minLength": 1})]


class Rule(Block):
    """One rule of the gate. The sentence says what was found.

    warning: shown to the person who approves, blocks nothing; off: the rule does not apply.
    """

    code: Code
    status: Status
    value: float | None
    threshold: float | None
    sentence: Text


class SeriesChange(Block):
    """Series of one kind that came, went or stopped: how many, and the names of the first ones."""

    count: Count
    names: tuple[str, ...]


class Revised(Block):
    """Values of past dates that differ from those that the champion was trained on."""

    dates: Annotated[Count, Field(description="Dates that both have.")]
    share: Annotated[Share, Field(description="Share of these dates whose sum over all series differs.")]
    size: Annotated[float, Field(ge=0, description="Mean change of such a date, relative to its size before.")]


class Data(Block):
    """The data that was judged on; rows are those of the table, the rest speaks of the series."""

    data_sha256: Sha256
    rows: Count
    first_date: Day
    last_date: Day
    days: Count
    series: Count
    name: Annotated[str | None, Field(description="Name of the series where there is only one.")]
    mean: float
    maximum: float
    share_of_zeros: Share
    frequency: Annotated[str, Field(description="How far the values are apart; absent where they are daily.")] = "day"
    notes: Annotated[
        tuple[str, ...],
        Field(description="What a person should know of the series; absent where there is nothing."),
    ] = ()
    changes: Annotated[
        Mapping[str, SeriesChange],
        Field(description="By kind: late, ended, young, silent, lost, renamed, new; absent where there is none."),
    ] = {}
    revised: Annotated[
        Revised | None, Field(description="Absent where no past date differs, or the series are others now.")
    ] = None


class Windows(Block):
    """The gate's evaluation windows. origins: first forecast dates; horizon and step: steps of the series."""

    origins: Annotated[tuple[Day, ...], Field(min_length=1)]
    horizon: Annotated[int, Field(ge=1)]
    step: Annotated[int, Field(ge=1)]
    last_day: Day
    chosen_until: Annotated[Day, Field(description="Last day on which training compared recipes.")]
    chosen_from: Annotated[
        Day | None, Field(description="First day on which training compared recipes; absent where it is unknown.")
    ] = None
    year_ago: Annotated[
        int, Field(ge=0, description="How many of the first origins lie a year before the coming days; absent: none.")
    ] = 0


class Scores(Block):
    """Metrics of one recipe; null where a metric is not finite."""

    mae: float | None
    rmse: float | None
    mase: float | None
    rmsse: float | None
    rel_mae: float | None
    bias: float | None
    bias_ratio: float | None


class Interval(Block):
    """How well a prediction interval covers; winkler: in units of each series' scale, lower is better."""

    level: Annotated[float, Field(gt=0, lt=1)]
    coverage: Share
    winkler: Annotated[float, Field(ge=0)]
    by_step: Annotated[
        tuple[Share, ...], Field(description="Coverage by step ahead; absent in records of earlier versions.")
    ] = ()
    by_part: Annotated[
        Mapping[str, Share], Field(description="Coverage by weekday or month, as far as the windows show them.")
    ] = {}


class Baseline(Block):
    """A recipe that is compared with; recipes other than seasonal naive have no interval."""

    recipe: str
    metrics: Scores | None
    interval: Interval | None = None


class Contender(Block):
    """A recipe that may serve. metrics: null where it was not scored; interval: null where none is served."""

    recipe: str
    metrics: Scores | None
    interval: Interval | None


class Replaced(Block):
    """What training has chosen, where a simpler recipe did better on the gate's windows and is proposed instead."""

    recipe: str
    metrics: Scores | None
    why: Text


class ChallengerResult(Contender):
    """The candidate. radii: half-widths of its intervals by level, in units of each series' scale."""

    radii: Annotated[
        Mapping[str, HalfWidth], Field(description="Where they differ within the season, the mean over its places.")
    ]
    radii_by_part: Annotated[
        Mapping[str, Mapping[str, HalfWidth]],
        Field(description="By level and weekday; absent where one half-width holds everywhere."),
    ] = {}
    model_sha256: Sha256
    cutoff: Day


class Age(Block):
    """How old the champion is. days: of data since its cutoff; clean: origins after its cutoff.

    staleness: error of its frozen parameters over that of its recipe refitted, minus 1; null where not measured.
    """

    days: int
    clean: Count
    staleness: float | None
    parameter_free: bool


class ChampionResult(Contender):
    """The champion's recipe, refitted on the same windows, and the age of its model."""

    cutoff: Day
    age: Age | None


class Segment(Block):
    """Errors in one part of the forecasts; usual: the champion's over all parts; judged: enough points for a rule."""

    kind: str
    name: str
    points: Count
    challenger: float | None
    champion: float | None
    usual: float | None
    judged: bool
    change: Annotated[float | None, Field(description="How much worse the challenger is here.")]


class SeriesSummary(Block):
    """Comparison over series; null numbers where there are too few series or there is no champion."""

    judged: Count
    too_constant: Count
    worse: Annotated[float | None, Field(description="Share of series that get worse.")]
    better_probability: float | None


class Significance(Block):
    """For one series, reported and never decides; null for many."""

    test: str
    p_against_champion: float | None
    p_against_seasonal_naive: float | None


class OriginErrors(Block):
    """Mean absolute error by recipe: in the unit of one series, over many in units of their scales."""

    origin: Day
    errors: Mapping[str, float | None]


class Residuals(Block):
    """Histogram of forecast minus actual in units of each series' scale; one more edge than counts."""

    edges: tuple[float | None, ...]
    counts: tuple[Count, ...]


class Evidence(Verdict):
    """What was decided and why; the same for the same data, policy, recipes and override."""

    gate: Annotated[Verdict, Field(description="What the gate itself said; differs after an override.")]
    override: Override | None
    problem: Text
    metric: Literal["mae", "mase", "rmsse"]
    # Not the type of the problem file: a record stays readable when the policy gets another key.
    policy: Annotated[
        Mapping[str, Any], Field(description="The section gate of the problem file, defaults filled in.")
    ]
    policy_sha256: Sha256
    data: Data
    windows: Annotated[Windows | None, Field(description="null where the series was too short.")]
    rules: tuple[Rule, ...]
    challenger: ChallengerResult
    champion: ChampionResult | None
    baselines: Mapping[str, Baseline]
    segments: tuple[Segment, ...]
    series: SeriesSummary | None
    significance: Significance | None
    by_origin: tuple[OriginErrors, ...]
    residuals: Residuals | None
    instead_of: Annotated[
        Replaced | None, Field(description="The recipe that training has chosen; absent where it is the challenger.")
    ] = None

    @property
    def gain(self) -> float | None:
        """Share by which the challenger's error is smaller than the champion's; negative where it is larger.

        Where there is no champion, compared with the seasonal naive forecast; None where either was not scored.
        """
        rival = self.champion or self.baselines.get(SEASONAL_NAIVE)
        theirs, ours = (
            getattr(side.metrics, self.metric) if side and side.metrics else None for side in (rival, self.challenger)
        )
        return 1 - ours / theirs if theirs and ours is not None else None


class Workspace(Block):
    """The workspace of the run; its tags say whether this was a rehearsal."""

    name: str
    resource_group: str
    tags: Mapping[str, str]


class RegisteredChampion(Block):
    """The champion as the registry knows it. Name and version are empty for one from a folder."""

    name: str
    version: str
    model_sha256: Sha256
    cutoff: Day

    @property
    def label(self) -> str:
        """`name:version`; empty for one from a folder."""
        return f"{self.name}:{self.version}" if self.version else ""


class Request(Block):
    """Who asked for a decision, why and where. workspace: null where the step ran alone."""

    reason: str
    build_id: str
    commit: str
    run_id: str
    step_run_id: str
    model_name: str
    decided_at: Annotated[str, Field(json_schema_extra={"format": "date-time"})]
    workspace: Workspace | None


class Context(Request):
    """The request, and the champion at that time: null where the registry said that there is none."""

    champion: RegisteredChampion | None
