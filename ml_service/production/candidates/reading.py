"""Read the candidates of a problem from ledger and registry; changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from azure_ml.models.champion import champions_of
from azure_ml.models.versions import ModelVersion, find_versions
from azure_ml.pipelines.runs import RunStatus, find_pipeline_run, one_word
from azure_ml.workspace import Workspace
from forecasting.problem.problem_file import Problem
from ml_service.azure_devops.approvals import Ask
from ml_service.production import ledger
from ml_service.production.candidates.candidate import Candidate, pending
from ml_service.production.candidates.lifecycle import Now, candidates_of
from ml_service.production.chain.entry import Entry
from ml_service.settings.variables import Settings


@dataclass(frozen=True)
class Registry:
    """The registered versions of a problem's model, and its policy of candidates."""

    models: tuple[ModelVersion, ...]
    champion: ModelVersion | None
    expire_after_days: int | None

    def candidates(self, entries: Sequence[Entry], ask: Ask) -> tuple[Candidate, ...]:
        """Every candidate as it stands now, the newest version first."""
        now = Now(datetime.now(UTC), self.champion, self.expire_after_days, ask)
        return candidates_of(entries, self.models, now)


def read_registry(training: Workspace, settings: Settings) -> Registry:
    """Ask the training workspace for all versions of the problem's model."""
    problem = Problem(settings.problem_file)
    name = problem.series.name
    listed = find_versions(training, settings.model_name)
    ours = [model for model in listed if model.properties.get("problem", name) == name and model.sha256]
    return Registry(tuple(ours), champions_of(listed).get(name), problem.candidates.expire_after_days)


def read_candidates(training: Workspace, settings: Settings, ask: Ask) -> tuple[Candidate, ...]:
    """Every candidate of the problem that the settings name, the newest version first.

    Raises: CheckFailedError when the ledger was changed.
    """
    chain = ledger.read(training, settings).chain
    chain.demand_whole()
    return read_registry(training, settings).candidates(chain.entries, ask)


def newest_pending(
    training: Workspace, candidates: Iterable[Candidate], say: Callable[[str], None]
) -> Candidate | None:
    """The newest candidate that may be released and whose training has not failed; None when there is none.

    A training fails after its version is registered when the test service does not start or answers wrongly. Such a
    candidate is passed over, and named.
    """
    for candidate in pending(candidates):
        run = find_pipeline_run(training, candidate.run_id) if candidate.run_id else None
        if run is not None and one_word(run.status) not in (RunStatus.FAILED, RunStatus.CANCELED):
            return candidate
        ended = one_word(run.status) if run is not None else "not there any more"
        say(f"candidate  {candidate.model} is passed over: run {candidate.run_id} is {ended}")
    return None
