"""The decision record: what the gate decided and on what evidence, in one JSON document.

The block `evidence` is a function of data, policy and recipes alone, so that anybody can make it again and
compare its hash; who asked, when, and which registered version was the champion stand in the block `context`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

from .backtest import yardstick
from .candidates import Recipe
from .errors import ModelFileError, RefusedError, UsageError
from .gate import Contest, Judgement, Verdict, judge
from .metrics import Metrics
from .model_file import StoredModel, read_model, strict_json, to_json
from .problem import GatePolicy, Problem
from .series import Series, read_series

SCHEMA_VERSION = 1
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
class Decision:
    """A verdict and the document that records it."""

    verdict: Verdict
    document: Mapping[str, Any]

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
            **evidence["baselines"],
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
    problem: Problem, candidate: Path, champion: Champion | None, context: Mapping[str, Any]
) -> Decision:
    """Judge the candidate folder that train.py wrote.

    context: who asked and when; None as champion means "none registered".
    Raises: UsageError, RefusedError (a file is damaged, or model and series come from different data).
    """
    stored = read_model(candidate)
    series, facts = read_series(candidate)
    policy, name = problem.gate, problem.series.name
    if stored.problem != name:
        raise UsageError(f"{candidate} holds a model of the problem {stored.problem}, --problem is {name}.")
    if stored.manifest.get("data", {}).get("data_sha256") != facts["data_sha256"]:
        raise RefusedError(f"{candidate}: the model was not trained on the series beside it. Train again.")
    contest = Contest(
        challenger=stored.model.recipe,
        champion=champion.recipe if champion else None,
        chosen_until=date.fromisoformat(stored.manifest["selection"]["last_day"]),
    )
    judgement = judge(series, contest, problem.training, policy)
    evidence = _evidence(
        judgement=judgement, contest=contest, stored=stored, series=series, policy=policy, facts=facts
    )
    document = {
        "schema_version": SCHEMA_VERSION,
        "evidence": evidence,
        "evidence_sha256": _hash(evidence),
        "context": {**context, "champion": champion.as_json() if champion else None},
    }
    return Decision(judgement.verdict, document)


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
    if decided != _hash(evidence):
        raise ModelFileError(f"{path}: the evidence was changed after it was hashed. Evaluate again.")
    if found != model_sha256:
        raise ModelFileError(
            f"{path} decides about the model {found}, the candidate is {model_sha256}. Evaluate this candidate."
        )
    return Decision(verdict, document)


def _evidence(
    *,
    judgement: Judgement,
    contest: Contest,
    stored: StoredModel,
    series: Series,
    policy: GatePolicy,
    facts: Mapping[str, Any],
) -> dict[str, Any]:
    verdict = judgement.verdict
    challenger = {
        **_entry(contest.challenger, judgement.challenger),
        "model_sha256": stored.sha256,
        "cutoff": stored.model.cutoff.isoformat(),
    }
    champion = _entry(contest.champion, judgement.champion) if contest.champion else None
    return {
        "outcome": verdict.outcome,
        "reason": verdict.reason,
        "sentence": verdict.sentence,
        "problem": stored.problem,
        "policy": asdict(policy),
        "policy_sha256": _hash(asdict(policy)),
        "data": {name: value for name, value in facts.items() if name != "file"},
        "windows": _windows(judgement, series, policy),
        "challenger": challenger,
        "champion": champion,
        "baselines": {yardstick().name: _entry(yardstick(), judgement.yardstick)},
    }


def _entry(recipe: Recipe, metrics: Metrics | None) -> dict[str, Any]:
    return {"recipe": recipe.label, "metrics": metrics.as_json() if metrics else None}


def _windows(judgement: Judgement, series: Series, policy: GatePolicy) -> dict[str, Any] | None:
    windows = judgement.windows
    if windows is None:
        return None
    return {
        "origins": [series.day(origin).isoformat() for origin in windows.origins],
        "horizon": windows.horizon,
        "step": policy.step,
        "last_day": series.day(windows.last_day).isoformat(),
    }


def _hash(document: Mapping[str, Any]) -> str:
    """Hash of a document's meaning: compact JSON with sorted keys, independent of how a file lays it out."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
