"""The approval card as a typed document, from which docs/approval_card.schema.json follows.

It says what would change, on whose request and on what evidence. Pages only render it, and so may any other program.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from forecasting.decision.blocks import Block, Count, Day, Override, Sha256, Text
from forecasting.decision.record import schema_of
from forecasting.json_text import to_json
from ml_service.audit.serving import Check

Kind = Literal["release", "redeploy", "rollback"]
SHOWN_HASH = 12
"""How many characters of a hash people are shown; the document has all of them."""
CARD_FILE, CARD_PAGE, CARD_SUMMARY = "approval_card.json", "approval_card.html", "approval_card.md"


class Version(Block):
    """What makes the answers of a service: model, scoring script and environment."""

    model: Annotated[Text, Field(description="name:version, as the training workspace counts.")]
    recipe: Annotated[str, Field(description="Empty where the decision about the model cannot be read.")]
    model_sha256: Sha256
    scoring_sha256: Sha256
    environment_sha256: Sha256


class Serving(Block):
    """What serves now, as the deployment ledger records it."""

    version: Version
    since: Annotated[Text, Field(description="When its deployment began, in UTC.")]
    event: Annotated[Text, Field(description="release or rollback.")]
    deployment: Text
    who: Annotated[str, Field(description="For whom it was deployed.")]
    reason: Annotated[str, Field(description="Why, where somebody had to say.")]
    approver: Annotated[str, Field(description="Who approved it; empty where Azure DevOps has not told.")]
    build_id: str
    commit: Annotated[str, Field(description="Of the build that deployed it.")] = ""
    check: Annotated[Check, Field(description="Whether the live service is as the ledger records it.")]
    finding: Annotated[str, Field(description="What differs, or why it is unknown; empty if all is well.")]


class Target(Block):
    """Where it would be deployed."""

    service: Text
    workspace: Text
    tags: Annotated[dict[str, str], Field(description="Tags of the training workspace; they mark a rehearsal.")]


class Verdict(Block):
    """What the gate said of the proposed version when it was trained."""

    status: Annotated[
        Literal["accepted", "override", "unknown"],
        Field(description="override: a person has accepted it against the gate; unknown: the decision is gone."),
    ]
    sentence: str
    override: Override | None
    decision_sha256: Annotated[
        str, Field(description="Of the decision that is approved; a release by another one is refused. Empty: gone.")
    ] = ""


class Improvement(Block):
    """How the proposed version compares with what it would replace."""

    share: Annotated[
        float | None,
        Field(description="Share by which its error is smaller; negative: larger; null: never compared directly."),
    ]
    metric: Annotated[str, Field(description="Of the gate; empty where nothing was compared.")]
    sentence: Text


class Measured(Block):
    """A version on the evaluation windows on which both were compared."""

    model: Text
    mean_absolute_error: Annotated[float | None, Field(description="In the unit of the values.")]
    bias_share: Annotated[
        float | None,
        Field(description="Sum of the forecasts over that of the actuals, less one; positive: too high."),
    ]


class PartError(Block):
    """Errors of both versions in one part of the forecasts; null where a version was not scored there."""

    name: Annotated[Text, Field(description="Such as Mon, or Jan.")]
    forecasts: Annotated[Count, Field(description="How many forecasts the errors are of.")]
    now: Annotated[float | None, Field(description="Of what serves now.")]
    proposed: float | None


class ByPart(Block):
    """The error of both versions by weekday or month; no decision measures the bias of a part."""

    part: Annotated[Literal["weekday", "month"], Field(description="What a place in the season is called.")]
    unit: Annotated[
        Literal["values", "usual change"],
        Field(description="What errors count: values of the table, or the usual change of each series."),
    ]
    errors: Annotated[tuple[PartError, ...], Field(min_length=1)]


class TableFacts(Block):
    """The data that a version was judged on."""

    rows: Count
    series: Count
    last_day: Day


class DataChange(Block):
    """The data of both versions; null where its decision cannot be read, or nothing serves."""

    before: TableFacts | None
    after: TableFacts | None


class Asked(Block):
    """Who asks for it, why, and which build would do it."""

    who: Text
    why: Text
    when: Annotated[Text, Field(description="In UTC.")]
    build_id: str
    build_url: Annotated[str, Field(description="Empty outside Azure DevOps.")]
    commit: str
    uncommitted_changes: Annotated[
        Count, Field(description="Committed files that this build's checkout has changed; the commit does not tell.")
    ] = 0


class Earlier(Block):
    """What happened to the same model before: the same file, whatever its version was called."""

    what: Literal["rejected", "rolled back", "undone"]
    when: str
    who: str
    reason: str


class ApprovalCard(Block):
    """One page for the person who says yes or no."""

    schema_version: Literal[1] = 1
    kind: Kind
    problem: Text
    title: Text
    serves_now: Annotated[Serving | None, Field(description="null: nothing serves yet.")]
    proposed: Version
    target: Target
    verdict: Verdict
    improvement: Improvement
    measured: Annotated[
        tuple[Measured, ...],
        Field(description="Both versions, where the decision about one compared it with the other."),
    ] = ()
    by_part: Annotated[ByPart | None, Field(description="Of the same windows as `measured`; null: not measured.")] = (
        None
    )
    asked: Asked
    data: DataChange
    earlier: tuple[Earlier, ...]
    warnings: Annotated[tuple[str, ...], Field(description="To weigh first; where there are any, pages are amber.")]
    restores: Annotated[str, Field(description="Id of the deployment that a rollback restores; empty otherwise.")]
    if_approved: Text
    if_rejected: Text
    report: Annotated[str, Field(description="Name of the report beside this document; empty where it is gone.")]

    @property
    def content(self) -> bytes:
        """The bytes of approval_card.json."""
        return to_json(self.model_dump(mode="json"))


def schema() -> str:
    """The text of docs/approval_card.schema.json, which `make schema` writes."""
    return schema_of(ApprovalCard, "approval_card.schema.json", "Approval card, schema version 1")
