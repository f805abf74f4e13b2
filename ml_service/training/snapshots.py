"""Which steps a pipeline has and which files each step gets: no SDK, so that it can be tested in milliseconds.

The service reuses a step when the files of its snapshot and its inputs are unchanged. Every step therefore gets a
folder with exactly what it imports: an edit of the scoring script or of the gate must not train a model again.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from azure_ml.digests import file_sha256, folder_sha256
from ml_service.errors import InvalidRequestError
from ml_service.settings.variables import ROOT, Settings

CODE = ROOT / "mlops_code"
ENVIRONMENTS = CODE / "environments"
PROBLEM_NAME = "problem.yml"
SCORING_FOLDER = "scoring"
SCORING_ENVIRONMENT = "scoring.yml"

STEP_ORDER = ("prepare", "train", "evaluate", "register", "deploy")
RESOLVE = "resolve"
DEPLOY = STEP_ORDER[-1]
"""Of the pipeline that schedules run: its first step finds the data version."""
FORECAST = "forecast"
"""The only step of the pipeline that writes the forecasts of all series."""
REQUIRED_STEPS = ("train", "register")


def _package(name: str, *, without: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The files of a package of forecasting, modules and templates; all but the named ones."""
    files = [file for file in (CODE / "forecasting" / name).glob("*.*") if file.suffix in (".py", ".j2")]
    return tuple(sorted(file.relative_to(CODE).as_posix() for file in files if file.name not in without))


_BASE = _package(".", without=("json_text.py",))
_MODELS = ("forecasting/json_text.py", *_package("models"))
_STEP = (
    "step.py",
    "azure_ml/__init__.py",
    "azure_ml/errors.py",
    "azure_ml/step_run.py",
    "azure_ml/workspace.py",
    *_BASE,
    *_package("problem"),
)
_CHAMPION = ("azure_ml/models/__init__.py", "azure_ml/models/champion.py", "azure_ml/models/versions.py")
_RULES = _package("data")
_DATA = (*_RULES, *_package("tables"))
_VERSIONS = ("azure_ml/datasets.py", "azure_ml/sdk_errors.py")
_TRAINING = _package("evaluation", without=("comparison.py", "drift.py", "live.py", "patterns.py"))
_SERIES = tuple(
    file for file in _RULES if file.endswith(("__init__.py", "delivery.py", "known_file.py", "series.py"))
)
_DECIDING = (
    *_STEP,
    *_CHAMPION,
    "deciding.py",
    "azure_ml/pipelines/__init__.py",
    "azure_ml/pipelines/argument_text.py",
    "forecasting/data/notes.py",
    *_SERIES,
    *_MODELS,
    *_package("evaluation", without=("patterns.py",)),
    *_package("decision"),
)
_REGISTERING = (
    *_DECIDING,
    "registration.py",
    *_VERSIONS,
    "azure_ml/models/registration.py",
)
_DEPLOYING = (
    *_STEP,
    *_CHAMPION,
    "registration.py",
    "azure_ml/digests.py",
    "azure_ml/downloads.py",
    "azure_ml/environments.py",
    "azure_ml/models/champion_move.py",
    "azure_ml/sdk_errors.py",
    "azure_ml/service_keys.py",
    "azure_ml/services.py",
    *_MODELS,
    "forecasting/serving/__init__.py",
    "forecasting/serving/live_check.py",
    "forecasting/serving/questions.py",
)
_SCORING = (
    "score.py",
    "azure_ml/__init__.py",
    "azure_ml/digests.py",
    "azure_ml/environments.py",
    *_BASE,
    *_MODELS,
    *_package("serving", without=("bulk.py", "live_check.py")),
)
_FORECASTING = (*_STEP, *_CHAMPION, *_MODELS, *_package("serving", without=("live_check.py", "openapi.py")))
_RESOLVING = (
    *_STEP,
    *_VERSIONS,
    "azure_ml/digests.py",
    "azure_ml/downloads.py",
    "azure_ml/pipelines/__init__.py",
    "azure_ml/pipelines/runs.py",
    "azure_ml/pipelines/trainings.py",
    *(f"azure_ml/storage/{name}.py" for name in ("__init__", "blobs", "claims", "inbox", "leases", "versions")),
    "forecasting/json_text.py",
    *_DATA,
    *_package("inbox"),
)
_READ_SECTIONS = ("source", "reading", "series", "future", "contract")
_TRAIN_SECTIONS = (*_READ_SECTIONS, "training")
_ALL_SECTIONS = (*_TRAIN_SECTIONS, "gate")


@dataclass(frozen=True)
class StepFiles:
    """What the snapshot of one step holds; paths are relative to mlops_code/."""

    files: tuple[str, ...]
    problem_sections: tuple[str, ...]
    """Sections of the problem file that the step reads; the others stay out of its snapshot."""
    reusable: bool
    """Whether unchanged inputs may bring back an earlier result. Never for a step that decides or acts."""
    scoring: tuple[str, ...] = field(default=())
    """Files of the folder `scoring/`, which the step hands to the web service."""


STEP_FILES: Mapping[str, StepFiles] = {
    RESOLVE: StepFiles(("resolve.py", *_RESOLVING), _READ_SECTIONS, reusable=False),
    "prepare": StepFiles(
        (
            "prepare.py",
            *_STEP,
            *_CHAMPION,
            *_VERSIONS,
            "forecasting/json_text.py",
            *_DATA,
            "forecasting/inbox/__init__.py",
            "forecasting/inbox/tables.py",
        ),
        _READ_SECTIONS,
        reusable=True,
    ),
    "train": StepFiles(("train.py", *_STEP, *_DATA, *_MODELS, *_TRAINING), _TRAIN_SECTIONS, reusable=True),
    "evaluate": StepFiles(("evaluate.py", *_DECIDING), _ALL_SECTIONS, reusable=False),
    "register": StepFiles(("register.py", *_REGISTERING), _ALL_SECTIONS, reusable=False),
    FORECAST: StepFiles(("forecast.py", *_FORECASTING), ("series",), reusable=False),
    "deploy": StepFiles(("deploy.py", *_DEPLOYING), _ALL_SECTIONS, reusable=False, scoring=_SCORING),
}


def default_steps(settings: Settings) -> tuple[str, ...]:
    """The steps of a pipeline where nobody names them."""
    return STEP_ORDER if settings.test_deployment == "step" else STEP_ORDER[:-1]


def scheduled_steps(settings: Settings) -> tuple[str, ...]:
    """The steps of the pipeline that schedules run.

    Without a production no agent takes what they accept, so the last step deploys it and makes it the champion.
    """
    return (RESOLVE, *(default_steps(settings) if settings.has_production else STEP_ORDER))


def parse_steps(text: str) -> tuple[str, ...]:
    """Read `train,register,deploy`.

    Raises: InvalidRequestError if a name is unknown, repeated or in the wrong place, or if train or register
    is missing (there is no pipeline without them: register applies the gate where evaluate is left out).
    """
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    legal = f"some of {','.join(STEP_ORDER)} in this order, always with {' and '.join(REQUIRED_STEPS)}"
    unknown = [name for name in names if name not in STEP_ORDER]
    if unknown:
        found = f"unknown: {', '.join(unknown)}"
    elif len(set(names)) != len(names):
        found = f"named twice: {', '.join(sorted({name for name in names if names.count(name) > 1}))}"
    elif missing := [name for name in REQUIRED_STEPS if name not in names]:
        found = f"missing: {', '.join(missing)}"
    elif list(names) != sorted(names, key=STEP_ORDER.index):
        found = f"wrong order: {','.join(names)}"
    else:
        return names
    raise InvalidRequestError(
        f"--steps {text or '(empty)'} is not a pipeline", found=found, expected=legal, todo="correct --steps"
    )


def problem_text(problem: Mapping[str, Any], sections: Iterable[str]) -> str:
    """The named sections of a problem as YAML; always the same text for the same content."""
    return yaml.safe_dump({name: problem[name] for name in sections if name in problem}, sort_keys=True)


def assemble(step: str, problem: Mapping[str, Any], folder: Path, code: Path = CODE) -> Path:
    """Write the snapshot of one step into `folder`/<step> and return that path.

    Raises: InvalidRequestError when a file of the table does not exist.
    """
    plan = STEP_FILES[step]
    target = folder / step
    for name in plan.files:
        _copy(code, name, target / name)
    for name in plan.scoring:
        _copy(code, name, target / SCORING_FOLDER / name)
    if plan.scoring:
        _copy(code, f"environments/{SCORING_ENVIRONMENT}", target / SCORING_ENVIRONMENT)
    (target / PROBLEM_NAME).write_text(problem_text(problem, plan.problem_sections), encoding="utf-8")
    return target


@dataclass(frozen=True)
class Scoring:
    """The scoring folder and the conda file of a service, on disk."""

    folder: Path
    environment: Path

    @property
    def hashes(self) -> dict[str, str]:
        """SHA-256 of both, as every record and every service carries them."""
        return {"scoring_sha256": folder_sha256(self.folder), "environment_sha256": file_sha256(self.environment)}


def assemble_scoring(folder: Path, code: Path = CODE) -> Scoring:
    """Write what a service is built from below `folder`. Raises: InvalidRequestError when a file does not exist."""
    scoring = Scoring(folder / SCORING_FOLDER, folder / SCORING_ENVIRONMENT)
    for name in STEP_FILES["deploy"].scoring:
        _copy(code, name, scoring.folder / name)
    _copy(code, f"environments/{SCORING_ENVIRONMENT}", scoring.environment)
    return scoring


def _copy(code: Path, name: str, target: Path) -> None:
    source = code / name
    if not source.is_file():
        raise InvalidRequestError(
            f"{source} does not exist",
            expected="every file that the table in ml_service/training/snapshots.py lists for a step",
            todo="restore the file, or correct the table",
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
