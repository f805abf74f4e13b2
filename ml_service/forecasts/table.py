"""`forecast`: write the forecasts of all series, from a model file, a registered version or a web service."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from azure_ml.workspace import Workspace
from forecasting.decision.blocks import ACCEPTED
from forecasting.decision.decide import proposals_in
from forecasting.decision.record import DECISION_FILE, read_decision
from forecasting.evaluation.selection import FALLBACKS
from forecasting.models.model_file import MODEL_FILE, StoredModel, read_model
from forecasting.problem.problem_file import Problem
from forecasting.serving.bulk import Answer, answers_of, asked_in_parts, write_forecast
from ml_service.errors import CheckFailedError, InvalidRequestError
from ml_service.output.console import Terminal
from ml_service.settings.variables import Settings
from ml_service.training.registered import fetch_model, requested_model
from ml_service.training.smoke import answer_of, healthy_service, served_model

NOT_JUDGED = (
    "not judged by the gate; --evaluation FOLDER, as evaluate.py writes it, takes the model that was accepted"
)
REGISTERED = "judged before it was registered"


@dataclass(frozen=True)
class Source:
    """Where forecasts come from. name: for people; gate: what is known of its judgement."""

    name: str
    stored: StoredModel
    answers: Iterable[Answer]
    gate: str = REGISTERED


@dataclass(frozen=True)
class Written:
    """A table of forecasts."""

    file: str
    rows: int
    series: int
    horizon: int
    data_until: str
    model: str
    model_sha256: str
    recipe: str
    gate: str


def of_file(named: Path, horizon: int | None, evaluation: Path | None = None) -> Source:
    """A model that train.py has written: the one that a decision has accepted, else what training has chosen.

    named: the folder, or one of its files. evaluation: folder of the decision; a registered folder holds its own.
    Raises: UsageError, ModelFileError, InvalidRequestError (no model there), CheckFailedError (not accepted).
    """
    folder = named.parent if named.is_file() else named
    prefix = next((each for each in FALLBACKS if named.is_file() and named.name.startswith(each)), "")
    gate, has_decision = NOT_JUDGED, (folder / DECISION_FILE).is_file()
    if has_decision and not (folder / MODEL_FILE).is_file():
        raise InvalidRequestError(
            f"{folder} has a decision and no model",
            expected="a folder written by train.py or register.py",
            todo=f"repeat with --model CANDIDATE --evaluation {folder}, where CANDIDATE is the folder of train.py",
        )
    if evaluation or has_decision:
        prefix, gate = _accepted(folder, evaluation or folder, [prefix] if prefix else proposals_in(folder))
    stored = read_model(folder, prefix)
    name = str(folder / f"{prefix}{MODEL_FILE}")
    return Source(name, stored, answers_of(stored.model, horizon or stored.horizon), gate)


def _accepted(folder: Path, evaluation: Path, prefixes: Sequence[str]) -> tuple[str, str]:
    """What the file names of the accepted model begin with, and the verdict."""
    models = {read_model(folder, prefix).sha256: prefix for prefix in prefixes}
    decision = read_decision(evaluation, *models)
    verdict = f"{decision.verdict.outcome} ({decision.verdict.reason})"
    if decision.verdict.outcome != ACCEPTED:
        raise CheckFailedError(
            f"the model of {folder} was not accepted: {verdict}",
            found=decision.verdict.sentence,
            expected=f"a decision that says {ACCEPTED}",
            todo="train again; without --evaluation, training's choice forecasts all the same",
        )
    return models[decision.evidence.challenger.model_sha256], f"{verdict}, {evaluation / DECISION_FILE}"


def of_version(workspace: Workspace, settings: Settings, version: str, horizon: int | None) -> Source:
    """A registered version, or the champion. Raises: InvalidRequestError, CheckFailedError."""
    problem = Problem(settings.problem_file).series.name
    registered = requested_model(workspace, settings, problem, version)
    stored = fetch_model(registered)
    return Source(registered.label, stored, answers_of(stored.model, horizon or stored.horizon))


def of_service(workspace: Workspace, name: str, horizon: int | None) -> Source:
    """What a web service answers for each series of the model that it serves.

    Raises: FaultError (absent, not healthy), CheckFailedError (it refuses, or serves another model than it says).
    """
    service = healthy_service(workspace, name)
    registered = served_model(service)
    stored = fetch_model(registered)
    many = len(stored.model.keys) > 1

    def ask(request: Answer) -> Answer:
        question = dict(request) if many else {"horizon": request["horizon"]}
        return answer_of(service, question)[0]

    answers = asked_in_parts(ask, stored.model, horizon or stored.horizon)
    return Source(f"service {name}, {registered.label}", stored, answers)


def write(source: Source, out: Path, horizon: int | None) -> Written:
    """Write the table. Raises: UsageError; what the source raises."""
    stored = source.stored
    rows = write_forecast(out, source.answers, stored.model)
    return Written(
        file=str(out),
        rows=rows,
        series=len(stored.model.keys),
        horizon=horizon or stored.horizon,
        data_until=stored.model.cutoff.isoformat(),
        model=source.name,
        model_sha256=stored.sha256,
        recipe=stored.model.recipe.label,
        gate=source.gate,
    )


def show(terminal: Terminal, result: Written) -> None:
    """Print what was written."""
    terminal.out(f"forecast   {result.rows} rows in {result.file}")
    terminal.out(f"           {result.series} series, {result.horizon} steps after {result.data_until}")
    terminal.out(f"model      {result.model}: {result.recipe}, sha256 {result.model_sha256}")
    terminal.out(f"gate       {result.gate}")
    terminal.document(asdict(result))
