"""The decision record: one typed model of decision.json, which also generates docs/decision.schema.json.

Attributes are named like the keys of the file. `read_decision` and `parse_decision` return a `DecisionRecord`:

    record = read_decision(folder, model_sha256)
    record.evidence.challenger.metrics.mae    # None where the challenger or this metric was not scored
    record.evidence.override                  # None where the gate decided
    record.context.champion                   # None where the registry said that there is none
    record.verdict, record.metrics, record.content, record.sha256

The block `evidence` is a function of data, policy, recipes and override alone, so that anybody can make it again and
compare its hash; who asked, when, and which registered version was the champion stand in the block `context`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, WithJsonSchema
from pydantic.json_schema import GenerateJsonSchema

from forecasting.errors import ModelFileError, UsageError
from forecasting.json_text import UNREADABLE, hash_of, strict_json, to_json

SCHEMA_VERSION: Literal[2] = 2
DECISION_FILE = "decision.json"
SEASONAL_NAIVE = "seasonal_naive"

Outcome = Literal["accepted", "kept", "failed"]
Status = Literal["passed", "failed", "off"]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Day = Annotated[date, WithJsonSchema({"type": "string", "format": "date", "pattern": r"^\d{4}-\d{2}-\d{2}$"})]
Count = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
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
    """One rule of the gate. off: it does not apply, and the sentence says why."""

    code: Code
    status: Status
    value: float | None
    threshold: float | None
    sentence: Text


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


class Windows(Block):
    """The gate's evaluation windows. origins: first forecast days; horizon and step: days."""

    origins: Annotated[tuple[Day, ...], Field(min_length=1)]
    horizon: Annotated[int, Field(ge=1)]
    step: Annotated[int, Field(ge=1)]
    last_day: Day
    chosen_until: Annotated[Day, Field(description="Last day on which training compared recipes.")]


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


class ChallengerResult(Contender):
    """The candidate. radii: half-widths of its intervals by level, in units of each series' scale."""

    radii: Mapping[str, Annotated[float, Field(ge=0)]]
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


class DecisionRecord(Block):
    """What the gate decided about a model and on what evidence.

    `evidence` follows from data, policy, recipes and override alone; `evidence_sha256` is the hash of its compact
    JSON with sorted keys. `context` says who asked, when, and which registered version was the champion.
    """

    schema_version: Literal[2]
    evidence: Evidence
    evidence_sha256: Sha256
    context: Context

    @classmethod
    def of(cls, evidence: Evidence, context: Context) -> DecisionRecord:
        """Record evidence under its hash."""
        return cls(
            schema_version=SCHEMA_VERSION,
            evidence=evidence,
            evidence_sha256=hash_of(as_json(evidence)),
            context=context,
        )

    @property
    def verdict(self) -> Verdict:
        """The final verdict; `evidence.gate` is the gate's own."""
        evidence = self.evidence
        return Verdict(outcome=evidence.outcome, reason=evidence.reason, sentence=evidence.sentence)

    @property
    def content(self) -> bytes:
        """The bytes of decision.json."""
        return to_json(as_json(self))

    @property
    def sha256(self) -> str:
        """Hash of decision.json, which run history and the registered model carry."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def metrics(self) -> dict[str, float]:
        """Every finite metric, named who_what, for run history."""
        evidence = self.evidence
        scored = {
            "challenger": evidence.challenger,
            "champion": evidence.champion,
            SEASONAL_NAIVE: evidence.baselines.get(SEASONAL_NAIVE),
        }
        found: dict[str, float] = {}
        for who, entry in scored.items():
            if entry is not None and entry.metrics is not None:
                found |= {f"{who}_{name}": value for name, value in entry.metrics if value is not None}
        return found

    def write(self, folder: Path) -> Path:
        """Write decision.json into the folder and return its path."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / DECISION_FILE
        path.write_bytes(self.content)
        return path


def as_json(block: Block) -> dict[str, Any]:
    """A block as the JSON document that is written; a key that was left out stays out."""
    return block.model_dump(mode="json", exclude_unset=True)


def read_decision(folder: Path, model_sha256: str) -> DecisionRecord:
    """Read a decision about this model.

    Raises: UsageError (no file), ModelFileError (changed after it was written, other schema, another model).
    """
    path = folder / DECISION_FILE
    if not path.is_file():
        raise UsageError(f"{path}: no such file. Name a folder that evaluate.py has written.")
    record = parse_decision(path.read_bytes(), str(path))
    found = record.evidence.challenger.model_sha256
    if found != model_sha256:
        raise ModelFileError(
            f"{path} decides about the model {found}, the candidate is {model_sha256}. Evaluate this candidate."
        )
    return record


def parse_decision(content: bytes, name: str = DECISION_FILE) -> DecisionRecord:
    """Read the bytes of a decision.json and verify the hash of its evidence. name: for messages.

    Raises: ModelFileError (not a decision record, other schema version, evidence changed after it was hashed).
    """
    try:
        document = strict_json(content)
        version, decided = document["schema_version"], document["evidence_sha256"]
        found = hash_of(document["evidence"])
    except UNREADABLE as mistake:
        raise _malformed(name, repr(mistake)) from None
    if version != SCHEMA_VERSION:
        raise ModelFileError(f"{name} has schema version {version!r}, this code reads {SCHEMA_VERSION}.")
    if decided != found:
        raise ModelFileError(f"{name}: the evidence was changed after it was hashed. Evaluate again.")
    try:
        record = DecisionRecord.model_validate_json(content)
    except ValidationError as mistakes:
        first = mistakes.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise _malformed(name, f"{place}: {first['msg']}") from None
    if record.content != to_json(document):
        raise _malformed(name, "a day or a number is written in another way")
    return record


def _malformed(name: str, why: str) -> ModelFileError:
    return ModelFileError(f"{name} is not a decision record ({why}). Evaluate again.")


class _Untitled(GenerateJsonSchema):
    """A schema whose titles do not repeat the names of its keys."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - pydantic's interface
        return False


def schema() -> str:
    """The text of docs/decision.schema.json, which `make schema` writes."""
    about = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "decision.schema.json",
        **DecisionRecord.model_json_schema(schema_generator=_Untitled),
        "title": f"Decision record of the promotion gate, schema version {SCHEMA_VERSION}",
    }
    return json.dumps(about, indent=2) + "\n"
