"""Decide about a candidate: read it, let the gate judge it against the champion, record the decision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from forecasting.data.delivery import ACCEPTED, BEFORE, DELIVERY, check_history, check_rows, without_delivery
from forecasting.data.series import Panel, read_series
from forecasting.decision.blocks import Context, Override, RegisteredChampion, Request
from forecasting.decision.contest import Contest
from forecasting.decision.evidence import Subject, evidence_of
from forecasting.decision.gate import Judgement, judge, overridden
from forecasting.decision.presence import asking, check_presence, keeping_newer, with_changes
from forecasting.decision.record import DecisionRecord
from forecasting.errors import ContractError, RefusedError, UsageError
from forecasting.evaluation.backtest import Progress, silent
from forecasting.evaluation.drift import Drift
from forecasting.evaluation.live import LiveAccuracy, live_accuracy
from forecasting.evaluation.selection import FALLBACKS, Proposal
from forecasting.models.model_file import MODEL_FILE, StoredModel, read_model
from forecasting.problem.problem_file import Problem


@dataclass(frozen=True)
class Champion:
    """The model that a new one must beat; name and version as registered, empty for one read from a folder."""

    stored: StoredModel
    name: str = ""
    version: str = ""

    @property
    def registered(self) -> RegisteredChampion:
        """Who it is, for the context of a decision."""
        return RegisteredChampion(
            name=self.name,
            version=self.version,
            model_sha256=self.stored.sha256,
            cutoff=self.stored.model.cutoff,
        )


@dataclass(frozen=True)
class Decision:
    """The record of a decision, the judgement that it was made from, and the model that it is about."""

    record: DecisionRecord
    judgement: Judgement
    stored: StoredModel
    unit: str = ""
    """What the values of the table count."""
    live: LiveAccuracy | None = None
    """How the champion has done on the actuals since its cutoff; None where there are none, or no champion."""

    @property
    def drift(self) -> Drift | None:
        """How the newest data differs from earlier data; None where there was nothing to compare it with."""
        comparison = self.judgement.comparison
        return comparison.drift if comparison else None


def decide_candidate(
    problem: Problem,
    candidate: Path,
    champion: Champion | None,
    request: Request,
    *,
    as_of: date | None = None,
    override: Override | None = None,
    progress: Progress = silent,
) -> Decision:
    """Judge the candidate folder that train.py wrote.

    request: who asked and when; None as champion means "none registered". as_of: the day of the run, for freshness.
    progress: called for each fit.
    Raises: UsageError, RefusedError (a file is damaged, model and series come from different data, the data is stale
    or jumps in size against the champion's).
    """
    stored, *fallbacks = (read_model(candidate, prefix) for prefix in proposals_in(candidate))
    panel, facts = read_series(candidate)
    rule, training, policy = problem.series, problem.training, problem.gate
    for model in (stored, *fallbacks):
        if model.problem != rule.name:
            raise UsageError(f"{candidate} is a model of the problem {model.problem}, but --problem is {rule.name}.")
        if _data_of(model) != facts["data_sha256"]:
            raise RefusedError(f"{candidate}: the model was not trained on the series next to it. Train again.")
    if champion:
        facts = with_changes(facts, panel, champion.stored)
    _demand_acceptable(problem, panel, facts, champion, as_of)
    contest = _contest(stored, fallbacks, champion, rule.keys)
    judgement = judge(panel, contest, training, policy, problem.lower, progress=progress)
    if champion:
        asked = asking(judgement.verdict, facts, problem.contract)
        judgement = replace(judgement, verdict=keeping_newer(asked, stored, champion.stored))
    verdict = judgement.verdict
    if override is not None:
        try:
            verdict = overridden(verdict, override.person, override.reason)
        except ValueError as mistake:
            raise UsageError(f"--override: {mistake}.") from None
    by_recipe = {model.model.recipe.label: model for model in (*fallbacks, stored)}
    proposed = by_recipe[judgement.proposed.recipe.label] if judgement.proposed else stored
    subject = Subject(proposed, contest, panel, facts, training, policy)
    evidence = evidence_of(subject, judgement, verdict, override)
    context = Context(**dict(request), champion=champion.registered if champion else None)
    unit = f"the unit of {rule.measure}"
    live = live_accuracy(champion.stored.model, panel, training.horizon) if champion else None
    return Decision(DecisionRecord.of(evidence, context), judgement, proposed, unit, live)


def proposals_in(candidate: Path) -> list[str]:
    """What the files of each model in a candidate begin with: what training has chosen, then its fallbacks."""
    return ["", *(prefix for prefix in FALLBACKS if (candidate / f"{prefix}{MODEL_FILE}").is_file())]


def _contest(
    stored: StoredModel, fallbacks: Sequence[StoredModel], champion: Champion | None, key_columns: tuple[str, ...]
) -> Contest:
    selection = stored.manifest["selection"]
    first, *others = (_proposal(model) for model in (stored, *fallbacks))
    return Contest(
        challenger=first.recipe,
        champion=champion.stored.model if champion else None,
        chosen_until=date.fromisoformat(selection["last_day"]),
        half_widths=first.half_widths,
        key_columns=key_columns,
        same_data=champion is not None and _data_of(champion.stored) == _data_of(stored),
        fallbacks=tuple(others),
        chosen_from=date.fromisoformat(selection["origins"][0]) if selection.get("origins") else None,
    )


def _proposal(stored: StoredModel) -> Proposal:
    intervals = stored.model.intervals
    return Proposal(stored.model.recipe, intervals.half_widths if intervals else ())


def _data_of(stored: StoredModel) -> str | None:
    """Hash of the table that a model was trained on."""
    found: str | None = stored.manifest.get("data", {}).get("data_sha256")
    return found


def _demand_acceptable(
    problem: Problem, panel: Panel, facts: Mapping[str, Any], champion: Champion | None, as_of: date | None
) -> None:
    """Re-check what depends on the day and on the champion: a reused step has not checked it today."""
    contract, judged = problem.contract, facts.get(DELIVERY, {})
    accepted = champion.stored.manifest.get("data", {}).get("rows") if champion else None
    accepted = judged.get(BEFORE, accepted)
    if ACCEPTED in judged:
        contract = without_delivery(contract)
    findings = check_rows(facts["rows"], accepted, contract)
    findings += check_history(panel, problem.source, contract, as_of)
    findings += check_presence(facts, champion.stored if champion else None, contract)
    if findings:
        refusal = ContractError(str(facts["file"]), findings)
        refusal.facts["data_sha256"] = facts["data_sha256"]
        raise refusal
