"""The decision record: what the gate decided and on what evidence, in one JSON document.

The block `evidence` is a function of data, policy and recipes alone, so that anybody can make it again and
compare its hash; who asked, when, and which registered version was the champion stand in the block `context`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

from forecasting.data.regular import check_deliveries, check_rows
from forecasting.data.series import Panel, read_series
from forecasting.decision.evidence import Subject, evidence_of, hash_of
from forecasting.decision.gate import Contest, Incumbent, Judgement, Verdict, judge, overridden
from forecasting.errors import ContractError, ModelFileError, RefusedError, UsageError
from forecasting.models.model_file import StoredModel, read_model, strict_json, to_json
from forecasting.models.recipe import Recipe
from forecasting.problem.problem_file import Problem

SCHEMA_VERSION = 2
DECISION_FILE = "decision.json"


@dataclass(frozen=True)
class Champion:
    """The model that a new one must beat; name and version as registered, empty for one read from a folder."""

    stored: StoredModel
    name: str = ""
    version: str = ""

    @property
    def recipe(self) -> Recipe:
        """What is refitted and compared."""
        return self.stored.model.recipe

    def as_json(self) -> dict[str, Any]:
        """Who it is, for the context of a decision."""
        return {
            "name": self.name,
            "version": self.version,
            "model_sha256": self.stored.sha256,
            "cutoff": self.stored.model.cutoff.isoformat(),
        }


@dataclass(frozen=True)
class Override:
    """Who decides against the gate, and why; recorded with the verdict that the gate itself gave."""

    person: str
    reason: str


@dataclass(frozen=True)
class Decision:
    """A verdict and the document that records it; judgement: what it was made from, None for one read from a file."""

    verdict: Verdict
    document: Mapping[str, Any]
    judgement: Judgement | None = None

    @property
    def content(self) -> bytes:
        """The bytes of decision.json."""
        return to_json(self.document)

    @property
    def sha256(self) -> str:
        """Hash of decision.json, which run history and the registered model carry."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def metrics(self) -> dict[str, float]:
        """Every finite metric, named who_what, for run history."""
        evidence = self.document["evidence"]
        scored = {
            "challenger": evidence["challenger"],
            "champion": evidence["champion"],
            "seasonal_naive": evidence["baselines"].get("seasonal_naive"),
        }
        return {
            f"{who}_{name}": value
            for who, entry in scored.items()
            for name, value in ((entry or {}).get("metrics") or {}).items()
            if value is not None
        }

    def write(self, folder: Path) -> Path:
        """Write decision.json into the folder and return its path."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / DECISION_FILE
        path.write_bytes(self.content)
        return path


def decide_candidate(
    problem: Problem,
    candidate: Path,
    champion: Champion | None,
    context: Mapping[str, Any],
    *,
    as_of: date | None = None,
    override: Override | None = None,
) -> Decision:
    """Judge the candidate folder that train.py wrote.

    context: who asked and when; None as champion means "none registered". as_of: the day of the run, for freshness.
    Raises: UsageError, RefusedError (a file is damaged, model and series come from different data, the data is stale
    or jumps in size against the champion's).
    """
    stored = read_model(candidate)
    panel, facts = read_series(candidate)
    rule, training, policy = problem.series, problem.training, problem.gate
    if stored.problem != rule.name:
        raise UsageError(f"{candidate} holds a model of the problem {stored.problem}, --problem is {rule.name}.")
    if _data_of(stored) != facts["data_sha256"]:
        raise RefusedError(f"{candidate}: the model was not trained on the series beside it. Train again.")
    _demand_acceptable(problem, panel, facts, champion, as_of)
    served = stored.model.intervals
    contest = Contest(
        challenger=stored.model.recipe,
        champion=Incumbent(champion.stored.model) if champion else None,
        chosen_until=date.fromisoformat(stored.manifest["selection"]["last_day"]),
        radii=served.radii if served else (),
        key_columns=rule.keys,
        same_data=champion is not None and _data_of(champion.stored) == facts["data_sha256"],
    )
    judgement = judge(panel, contest, training, policy, problem.lower)
    verdict = judgement.verdict
    if override is not None:
        try:
            verdict = overridden(verdict, override.person, override.reason)
        except ValueError as mistake:
            raise UsageError(f"--override: {mistake}.") from None
    subject = Subject(stored, contest, panel, facts, training, policy)
    evidence = evidence_of(subject, judgement, verdict, asdict(override) if override else None)
    document = {
        "schema_version": SCHEMA_VERSION,
        "evidence": evidence,
        "evidence_sha256": hash_of(evidence),
        "context": {**context, "champion": champion.as_json() if champion else None},
    }
    return Decision(verdict, document, judgement)


def _data_of(stored: StoredModel) -> str | None:
    """Hash of the table that a model was trained on."""
    found: str | None = stored.manifest.get("data", {}).get("data_sha256")
    return found


def _demand_acceptable(
    problem: Problem, panel: Panel, facts: Mapping[str, Any], champion: Champion | None, as_of: date | None
) -> None:
    """The parts of the contract that time and the champion decide: a reused step has not looked at them today."""
    contract = problem.contract
    accepted = champion.stored.manifest.get("data", {}).get("rows") if champion else None
    findings = check_rows(facts["rows"], accepted, contract)
    findings += check_deliveries(panel, problem.source, contract, as_of)
    if findings:
        refusal = ContractError(str(facts["file"]), findings)
        refusal.facts["data_sha256"] = facts["data_sha256"]
        raise refusal


def read_decision(folder: Path, model_sha256: str) -> Decision:
    """Read a decision that speaks of this model.

    Raises: UsageError (no file), ModelFileError (changed after it was written, other schema, another model).
    """
    path = folder / DECISION_FILE
    if not path.is_file():
        raise UsageError(f"{path}: no such file. Name a folder that evaluate.py has written.")
    try:
        document = strict_json(path.read_bytes())
        evidence = document["evidence"]
        verdict = Verdict(evidence["outcome"], evidence["reason"], evidence["sentence"])
        found, decided = evidence["challenger"]["model_sha256"], document["evidence_sha256"]
        version = document["schema_version"]
    except (ValueError, KeyError, TypeError) as mistake:
        raise ModelFileError(f"{path} is not a decision record ({mistake!r}). Evaluate again.") from None
    if version != SCHEMA_VERSION:
        raise ModelFileError(f"{path} has schema version {version!r}, this code reads {SCHEMA_VERSION}.")
    if decided != hash_of(evidence):
        raise ModelFileError(f"{path}: the evidence was changed after it was hashed. Evaluate again.")
    if found != model_sha256:
        raise ModelFileError(
            f"{path} decides about the model {found}, the candidate is {model_sha256}. Evaluate this candidate."
        )
    return Decision(verdict, document)
