"""Decide about a candidate: what the steps evaluate and register share."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qsl

from azure_ml.models.champion import find_champion
from azure_ml.models.versions import ModelVersion, download
from azure_ml.pipelines.argument_text import unpacked
from azure_ml.workspace import Workspace
from forecasting.decision import blocks
from forecasting.decision.decide import Champion, Decision, decide_candidate
from forecasting.errors import ModelFileError, UsageError
from forecasting.evaluation.drift import MEANING, Drift
from forecasting.evaluation.live import LiveAccuracy
from forecasting.models.model_file import MANIFEST_FILE, StoredModel, read_model
from forecasting.problem.problem_file import Problem
from step import Run, record_outcome, say, throttled_progress, today

NONE = "none"
"""A parameter of a pipeline cannot be left out: this word stands for nothing."""


def add_context_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments that evaluate and register share: the champion, and who asked for the decision."""
    parser.add_argument(
        "--champion",
        default=None,
        metavar="DIR|none",
        help="only where the step runs alone: folder of the champion's model.json and manifest.json, or the word "
        "none; in a pipeline the registry answers",
    )
    parser.add_argument("--reason", default="manual", help="why the run was started: manual, schedule, data or code")
    parser.add_argument("--build-id", default=NONE, help="build that published the pipeline")
    parser.add_argument("--commit", default=NONE, help="commit that the pipeline was published from")
    parser.add_argument(
        "--workspace-tags",
        type=unpacked,
        default="",
        metavar="QUERY",
        help="tags of the workspace, for the record: name=value&..., plain or packed",
    )
    parser.add_argument(
        "--override-by",
        type=unpacked,
        default=NONE,
        help="person who overrides the gate, or none, plain or packed; needs the next option",
    )
    parser.add_argument(
        "--override-reason",
        type=unpacked,
        default=NONE,
        help="the reason, plain or packed; both are recorded with the decision",
    )


def decide_for(args: argparse.Namespace, run: Run) -> Decision:
    """Find the champion and let the gate decide about the candidate, today, for the person who asked."""
    problem = Problem(args.problem)
    for hint in problem.gate.hints:
        say(f"note: {hint}")
    champion = champion_for(args, run, problem.series.name)
    person, why = (text if text != NONE else "" for text in (args.override_by, args.override_reason))
    override = blocks.Override(person=person, reason=why) if person or why else None
    return decide_candidate(
        problem,
        args.candidate,
        champion,
        _request_of(args, run),
        as_of=today(),
        override=override,
        progress=throttled_progress(),
    )


def champion_for(args: argparse.Namespace, run: Run, problem: str) -> Champion | None:
    """The champion of a problem; None only where the registry, or the word none, says that there is none.

    Raises: UsageError (run alone without --champion), ModelFileError (its bytes are not the registered ones).
    """
    if run.workspace is None:
        if args.champion is None:
            raise UsageError("Outside a pipeline this step needs --champion: the champion's folder, or none.")
        return None if args.champion == NONE else Champion(read_model(Path(args.champion)))
    if not args.model_name:
        raise UsageError("--model-name is missing; in a pipeline the champion is looked up by it.")
    champion = find_champion(run.workspace, args.model_name, problem)
    if champion is None:
        say("champion none registered", model_name=args.model_name, problem=problem)
        return None
    return Champion(_verified(champion), champion.name, str(champion.version))


def _verified(champion: ModelVersion) -> StoredModel:
    """The model file of a registered version, when its bytes are the registered ones."""
    with tempfile.TemporaryDirectory() as target:
        download(champion, Path(target))
        manifests = list(Path(target).rglob(MANIFEST_FILE))
        if len(manifests) != 1:
            raise ModelFileError(f"The registered model holds {len(manifests)} files {MANIFEST_FILE}, expected one.")
        stored = read_model(manifests[0].parent)
    if stored.sha256 != champion.sha256:
        raise ModelFileError(
            f"Champion {champion.name} version {champion.version} has sha256 {stored.sha256}, registered as "
            f"{champion.sha256}. Its files were changed; register a model again and make it champion."
        )
    return stored


def _request_of(args: argparse.Namespace, run: Run) -> blocks.Request:
    """Who asked for a decision, and when; never part of the evidence."""
    return blocks.Request(
        reason=args.reason,
        build_id=args.build_id,
        commit=args.commit,
        run_id=run.id,
        step_run_id=run.step_id,
        model_name=args.model_name,
        decided_at=datetime.now(UTC).isoformat(timespec="seconds"),
        workspace=None if run.workspace is None else _described(run.workspace, args.workspace_tags),
    )


def _described(workspace: Workspace, tags: str) -> blocks.Workspace:
    """Name and tags of a workspace, so that evidence of a rehearsal says that it is one.

    tags: as the build has read them, in the form of a URL's query; the token of a run may not ask for them.
    """
    return blocks.Workspace(name=workspace.name, resource_group=workspace.resource_group, tags=dict(parse_qsl(tags)))


def record_decision(run: Run, decision: Decision, paths: Iterable[Path]) -> int:
    """Put a decision and its files into run history and return the exit code that it means.

    Drift and the champion's live accuracy are told beside the decision: neither promotes a model.
    """
    record, drift = decision.record, decision.drift
    run.log({**record.metrics, **drift_metrics(drift), **live_metrics(decision.live)})
    for path in paths:
        run.attach(path)
    facts = {"decision_sha256": record.sha256, "data_sha256": record.evidence.data.data_sha256}
    if drift is not None:
        facts["drift"] = ",".join(drift.alarms) or NONE
        say(f"drift: {', '.join(MEANING[alarm] for alarm in drift.alarms) or NONE}; {drift.sentence}")
    facts |= record.override_tags
    verdict = record.verdict
    record_outcome(run, verdict.outcome, verdict.reason, facts)
    for note in record.evidence.data.notes:
        say(f"note: {note}")
    say(f"{verdict.outcome} ({verdict.reason}): {verdict.sentence}")
    return exit_code_of(verdict.outcome)


def drift_metrics(drift: Drift | None) -> dict[str, float]:
    """Share of the series that stand out, by statistic, and how many statistics raise an alarm."""
    if drift is None:
        return {}
    shares = {f"drift_{name}": share for name, share in drift.shares.items()}
    return {**shares, "drift_alarms": float(len(drift.alarms))}


def live_metrics(live: LiveAccuracy | None) -> dict[str, float]:
    """The champion's forecasts against the actuals since its cutoff."""
    if live is None:
        return {}
    found = {"steps": float(live.steps), "error": live.error, "naive_error": live.naive_error}
    found |= {} if live.coverage is None else {"coverage": live.coverage}
    return {f"live_{name}": value for name, value in found.items()}


def exit_code_of(outcome: blocks.Outcome) -> int:
    """What a step ends with that has decided, or read a decision."""
    return 3 if outcome == blocks.FAILED else 0
