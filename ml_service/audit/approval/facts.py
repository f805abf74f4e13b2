"""What the deployment ledger and decision records say for a card; pure functions of what was read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from forecasting.calendars import calendar_of
from forecasting.decision.blocks import SEASONAL_NAIVE, Contender, Evidence
from forecasting.decision.record import DecisionRecord
from forecasting.decision.words import deciding
from ml_service.audit.approval.card import (
    ByPart,
    DataChange,
    Earlier,
    Improvement,
    Measured,
    PartError,
    Serving,
    TableFacts,
    Verdict,
    Version,
)
from ml_service.audit.serving import Now
from ml_service.output.decision_table import override_sentence, versioned, without_choice
from ml_service.output.moments import shown_moment
from ml_service.production import ledger
from ml_service.production.candidates.candidate import Setback
from ml_service.production.ledger import Content, Record

_METRICS = {
    "mae": "mean absolute error",
    "mase": "mean absolute scaled error",
    "rmsse": "root mean squared scaled error",
}


_SAME = "Nothing changes: model and code are those that serve now"


def version_of(content: Content, decision: DecisionRecord | None) -> Version:
    """Model and code of a deployment."""
    return Version(
        model=content.model,
        recipe=decision.evidence.challenger.recipe if decision else "",
        model_sha256=content.model_sha256,
        scoring_sha256=content.scoring_sha256,
        environment_sha256=content.environment_sha256,
    )


def serving_of(now: Now) -> Serving:
    """What serves now."""
    opened = now.record.opened
    return Serving(
        version=version_of(now.content, now.decision),
        since=opened.when,
        event=now.record.properties["event"],
        deployment=now.record.id,
        who=opened.who,
        reason=now.record.properties.get(ledger.ASKED_BECAUSE, ""),
        approver=now.record.properties.get("approver", ""),
        build_id=opened.build_id,
        commit=opened.commit,
        check=now.check,
        finding=now.finding,
    )


def table_of(decision: DecisionRecord | None) -> TableFacts | None:
    """The data that a decision was made on."""
    if decision is None:
        return None
    data = decision.evidence.data
    return TableFacts(rows=data.rows, series=data.series, last_day=data.last_date)


def data_change(now: Now | None, decision: DecisionRecord | None) -> DataChange:
    """The data of what serves and of what is proposed."""
    return DataChange(before=table_of(now.decision) if now else None, after=table_of(decision))


def verdict_of(decision: DecisionRecord | None) -> Verdict:
    """What the gate said when the version was trained; an override is not an acceptance by the gate."""
    if decision is None:
        return Verdict(status="unknown", sentence="The decision about this version cannot be read.", override=None)
    evidence = decision.evidence
    if evidence.override is not None:
        said, status = override_sentence(evidence), "override"
    else:
        said, status = without_choice(evidence, evidence.sentence), "accepted"
    told = {"status": status, "sentence": said, "override": evidence.override, "decision_sha256": decision.sha256}
    return Verdict.model_validate(told)


def at_acceptance(verdict: Verdict, decision: DecisionRecord | None) -> Verdict:
    """The same verdict, dated: of a model that has served since, it says nothing about what serves now."""
    if decision is None:
        return verdict
    context = decision.context
    build = f"build {context.build_id}, " if context.build_id else ""
    when = f"At its acceptance ({build}{shown_moment(context.decided_at)})"
    return verdict.model_copy(update={"sentence": f"{when} the gate said: {verdict.sentence}"})


def percent(share: float) -> str:
    """A share as people compare it, such as `47.6%`."""
    return f"{abs(share) * 100:.1f}%"


def release_improvement(decision: DecisionRecord) -> Improvement:
    """What the gate measured: the proposed version against the champion of that time."""
    evidence, gain = decision.evidence, decision.evidence.gain
    champion = versioned(decision.context.champion)
    rival = champion or "the champion" if evidence.champion else "the seasonal naive forecast"
    if gain is None:
        return Improvement(share=None, metric="", sentence=_why_no_share(evidence, rival))
    first = "" if evidence.champion else "; there was no champion to compare it with"
    sentence = f"{_compared(gain)} {rival}, by {_METRICS[evidence.metric]}{first}"
    return Improvement(share=gain, metric=evidence.metric, sentence=sentence)


def _why_no_share(evidence: Evidence, rival: str) -> str:
    """Why nobody can say by which share the proposed version is better: a share of 0 means nothing."""
    name, side = _METRICS[evidence.metric], evidence.champion or evidence.baselines.get(SEASONAL_NAIVE)
    ours, theirs = (deciding(evidence, one.metrics if one else None) for one in (evidence.challenger, side))
    if ours is None or theirs is None:
        return f"Not compared with {rival}: its decision holds no {name} of {'it' if theirs is None else 'its own'}"
    if ours == 0:
        return f"As good as {rival}, by {name}: both are 0 on the evaluation windows"
    return f"{rival} had a {name} of 0 on the evaluation windows: no share can be told"


def _compared(gain: float, *, first: bool = True) -> str:
    """first: whether a sentence begins with it."""
    if percent(gain) == percent(0):
        return "As good as" if first else "as good as"
    return f"{percent(gain)} {_direction(gain)} than"


def rollback_improvement(now: Now | None, target: Content, decision: DecisionRecord | None) -> Improvement:
    """What was measured when one of both was accepted against the other."""
    if now is None:
        return Improvement(share=None, metric="", sentence="Nothing serves now to compare it with.")
    if now.content.model_sha256 == target.model_sha256:
        return same_model(now, target)
    later, earlier = now.decision, target.model
    if later is not None and versioned(later.context.champion) == earlier:
        gain = later.evidence.gain
        if gain is None:
            why = _why_no_share(later.evidence, earlier)
            return Improvement(share=None, metric="", sentence=f"When {now.content.model} was accepted: {why}")
        was = f"When {now.content.model} was accepted, it was {_compared(gain, first=False)} {earlier}"
        follows = "; a rollback gives that up" if gain > 0 and percent(gain) != percent(0) else ""
        share = 1 - 1 / (1 - gain) if gain < 1 else None
        return Improvement(share=share, metric=later.evidence.metric, sentence=f"{was}{follows}")
    if decision is not None and versioned(decision.context.champion) == now.content.model:
        return release_improvement(decision)
    never = f"{target.model} and {now.content.model} were never compared directly"
    sentence = f"{never}: each was compared with the champion of its time"
    return Improvement(share=None, metric="", sentence=sentence)


@dataclass(frozen=True)
class Compared:
    """The decision that compared two versions. was_proposed: whether its challenger is what is proposed now."""

    evidence: Evidence
    was_proposed: bool


def compared_in(now: Now | None, proposed: Content, decision: DecisionRecord | None) -> Compared | None:
    """The decision about one version that compared it with the other; None where none did."""
    if now is None or now.content.model_sha256 == proposed.model_sha256:
        return None
    if decision is not None and versioned(decision.context.champion) == now.content.model:
        return Compared(decision.evidence, was_proposed=True)
    if now.decision is not None and versioned(now.decision.context.champion) == proposed.model:
        return Compared(now.decision.evidence, was_proposed=False)
    return None


def measured_of(now: Now | None, proposed: Content, decision: DecisionRecord | None) -> tuple[Measured, ...]:
    """Both versions on the windows of the decision that compared them; empty where none did."""
    found = compared_in(now, proposed, decision)
    if now is None or found is None:
        return ()
    sides: tuple[Contender | None, ...] = (found.evidence.champion, found.evidence.challenger)
    return tuple(
        Measured(model=model, mean_absolute_error=side.metrics.mae, bias_share=side.metrics.bias_ratio)
        for model, side in zip(
            (now.content.model, proposed.model), sides if found.was_proposed else sides[::-1], strict=True
        )
        if side is not None and side.metrics is not None
    )


def by_part_of(now: Now | None, proposed: Content, decision: DecisionRecord | None) -> ByPart | None:
    """The errors of both versions by weekday or month; None where no decision has measured them."""
    found = compared_in(now, proposed, decision)
    if found is None:
        return None
    evidence, part = found.evidence, calendar_of(found.evidence.data.frequency).part
    errors = [
        PartError(
            name=segment.name,
            forecasts=segment.points,
            now=segment.champion if found.was_proposed else segment.challenger,
            proposed=segment.challenger if found.was_proposed else segment.champion,
        )
        for segment in evidence.segments
        if segment.kind == part
    ]
    if not errors:
        return None
    unit = "values" if evidence.metric == "mae" else "usual change"
    return ByPart.model_validate({"part": part, "unit": unit, "errors": tuple(errors)})


def same_model(now: Now | None, proposed: Content) -> Improvement:
    """Of a deployment that changes no model."""
    is_same = now is not None and now.content.served == proposed.served
    said = f"{_SAME}. Nothing to gain: rejecting changes nothing either"
    if not is_same:
        said = "The model stays the same; only its code changes"
    return Improvement(share=None, metric="", sentence=said)


def _direction(gain: float) -> str:
    return "better" if gain > 0 else "worse"


def earlier_of(setbacks: Iterable[Setback], records: Sequence[Record], proposed: Version) -> tuple[Earlier, ...]:
    """What happened to the same model before.

    setbacks: of the model file, whatever code served it. records: deployments of the service, the newest first; of
    them rollbacks of the code alone, where it is the code that is proposed.
    """
    found = [
        Earlier.model_validate(
            {"what": setback.kind, "when": setback.when, "who": setback.person, "reason": setback.reason}
        )
        for setback in setbacks
    ]
    for record in records:
        left = ledger.find(records, record.before)
        if left is not None and _left_code(record, left.content, proposed):
            told = {"when": record.started, "who": record.opened.who}
            why = record.properties.get(ledger.ASKED_BECAUSE, "")
            found.append(Earlier.model_validate({"what": "rolled back", "reason": why, **told}))
    return tuple(found)


def _left_code(record: Record, left: Content, proposed: Version) -> bool:
    """Whether a rollback kept the model and replaced the code that is proposed."""
    if (record.properties["event"], record.state) != (ledger.ROLLBACK, ledger.SUCCEEDED):
        return False
    same_model = record.content.model_sha256 == left.model_sha256 == proposed.model_sha256
    same_code = (left.scoring_sha256, left.environment_sha256) == (
        proposed.scoring_sha256,
        proposed.environment_sha256,
    )
    return same_model and same_code and record.content.served != left.served
