"""`release`: put one model version of the training workspace into production, checked, recorded, or undone."""

from __future__ import annotations

import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from azureml.core import Model, Run
from azureml.exceptions import AzureMLException
from msrest.exceptions import HttpOperationError

from forecasting.decision.record import DECISION_FILE, Decision, read_decision
from forecasting.models.model_file import StoredModel
from ml_service.errors import RefusedError, UsageError
from ml_service.output.agent import Agent
from ml_service.output.console import Terminal, quiet_sdk
from ml_service.output.failures import http_status, message_of
from ml_service.production import champion, records
from ml_service.production.deployment import (
    Serving,
    Site,
    before_id,
    demand_evidence,
    healthy,
    last_good,
    put,
    report_facts,
    serving,
)
from ml_service.production.records import Content
from ml_service.training import ownership
from ml_service.training.outcome import read_outcome
from ml_service.training.smoke import demand_same_forecast, fetch_files
from ml_service.training.snapshots import Scoring, assemble_scoring, file_sha256

CHAMPION = "champion"
_COPIED = ("data_sha256", "data_version", "recipe", "cutoff", "problem", "commit", "build_id", "run_id", "reason")
"""Properties of the training workspace's version that its copy carries too."""


@dataclass(frozen=True)
class Released:
    """What serves after a release."""

    deployment: str
    content: Content
    service: str
    url: str
    before: str
    """`name:version` that served until then, or `none`."""
    already: bool
    """True when exactly this served before, and nothing was changed."""


def release(site: Site, wanted: str) -> Released:
    """Deploy the model version `wanted` (a number, or the word champion) to production.

    Raises: UsageError (no such version), ConflictError (another problem's), RefusedError (hash, decision or check),
    FaultError; a check that fails has been undone by then.
    """
    model = _wanted_model(site, wanted)
    owned = ownership.Claim(f"model {model.name}", "MODEL_NAME", (model.properties or {}).get("problem", ""))
    ownership.demand([owned], site.problem, site.settings)
    with tempfile.TemporaryDirectory(prefix="ml_service_") as scratch:
        folder = fetch_files(model, Path(scratch) / "model")
        stored = folder.stored
        decision = _demand_decision(site, model, folder.path, stored)
        _demand_current(site, model, decision)
        scoring = assemble_scoring(Path(scratch) / "deployment")
        known = records.read_all(site.training, site.settings)
        now = serving(site, known)
        content = _content(_promoted(site, model, folder.path), model, scoring)
        before = now.record.content.model if now else records.NONE
        if now is not None and _serves_already(now, content):
            demand_evidence(site, now.record)
            demand_same_forecast(now.service, stored, stored.horizon, content.model)
            return Released(now.record.id, content, now.service.name, now.service.scoring_uri, before, already=True)
        facts = records.build_facts(records.RELEASE, site.build, site.production, site.settings, before_id(now))
        facts |= report_facts(folder.path)
        record = records.begin(site.training, site.settings, facts, content, scoring)
        service = put(site, record, scoring, last_good(now, known))
    return Released(record.id, content, service.name, service.scoring_uri, before, already=False)


def _serves_already(now: Serving, content: Content) -> bool:
    """Whether nothing is left to do: a release that broke off before its end is done again."""
    return now.record.state == records.SUCCEEDED and now.record.content == content and healthy(now)


def accepted_by(site: Site, run_id: str) -> str:
    """The version that a pipeline run has registered. Raises: UsageError (no such run), RefusedError (none)."""
    try:
        with quiet_sdk():
            run = Run.get(site.training.sdk, run_id)
            outcome = read_outcome(site.training, run, site.settings.model_name)
    except HttpOperationError as error:
        if http_status(error) != 404:
            raise
        raise UsageError(
            f"run {run_id} cannot be read in workspace {site.training.name}", found=message_of(error)
        ) from error
    if outcome.model is None:
        raise RefusedError(
            f"run {run_id} has no model to release",
            found=f"outcome {outcome.outcome or 'none'}",
            expected="accepted",
            todo="kept is no error: there is nothing to release then",
        )
    return str(outcome.model.version)


def _wanted_model(site: Site, wanted: str) -> Any:
    name = site.settings.model_name
    if wanted == CHAMPION:
        model = champion.find(site.training, name, site.problem)
        if model is None:
            raise UsageError(
                f"the problem {site.problem} has no champion in workspace {site.training.name}",
                todo="release a version first: python -m ml_service release --model-version NUMBER",
            )
        return model
    try:
        return Model(site.training.sdk, name=name, version=int(wanted))
    except AzureMLException as error:
        if "ModelNotFound" not in str(error):
            raise
        raise UsageError(
            f"there is no model {name} version {wanted} in workspace {site.training.name}",
            todo="see the versions: python -m ml_service status",
        ) from error


def _demand_decision(site: Site, model: Any, folder: Path, stored: StoredModel) -> Decision:
    """The decision that accepted this very file. Raises: RefusedError when it is absent, changed or about another."""
    name = f"{model.name}:{model.version}"
    if not (folder / DECISION_FILE).is_file():
        raise RefusedError(f"model {name} has no decision record", todo="only what the gate accepted is released")
    decision = read_decision(folder, stored.sha256)
    recorded = {
        "the model": model.properties.get("decision_sha256"),
        "its run": _run_property(site, model.properties.get("run_id", ""), "decision_sha256"),
    }
    found = file_sha256(folder / DECISION_FILE)
    for who, sha256 in recorded.items():
        if sha256 != found:
            raise RefusedError(
                f"the decision record of model {name} is not the one that {who} names",
                found=f"sha256 {found}",
                expected=f"sha256 {sha256 or '(none recorded)'}",
                todo="do not release this version: train again",
            )
    if decision.verdict.outcome != "accepted":
        raise RefusedError(
            f"the gate did not accept model {name}", found=decision.verdict.sentence, expected="accepted"
        )
    return decision


def _run_property(site: Site, run_id: str, key: str) -> str:
    if not run_id:
        return ""
    with quiet_sdk():
        return str(Run.get(site.training.sdk, run_id).get_properties().get(key, ""))


def _demand_current(site: Site, model: Any, decision: Decision) -> None:
    """Refuse a version that was compared with another champion than today's: the comparison is out of date."""
    holder = champion.find(site.training, model.name, site.problem)
    today = str(holder.version) if holder else records.NONE
    compared = decision.document["context"].get("champion") or {}
    then = str(compared.get("version") or records.NONE)
    if today not in (then, str(model.version)):
        met = "no champion" if then == records.NONE else f"version {then}, which was champion then"
        rival = f"version {today}, which is champion by now" if holder else "no champion, because there is none now"
        raise RefusedError(
            f"version {model.version} of model {model.name} is superseded",
            found=f"the gate compared it with {met}",
            expected=f"a version that the gate compared with {rival}",
            todo="to release something newer, train again: python -m ml_service run, then release what it accepts;\n"
            "to go back to a version that has served: python -m ml_service rollback --to NUMBER",
        )


def _promoted(site: Site, model: Any, folder: Path) -> Any:
    """The copy of a model in the production workspace, made once, with its origin and all its identity."""
    origin = {
        "origin_workspace": site.training.name,
        "origin_version": str(model.version),
        "model_sha256": model.properties["model_sha256"],
    }
    wanted = [[key, value] for key, value in origin.items()]
    found = Model.list(site.production.sdk, name=model.name, properties=wanted)
    if found:
        return max(found, key=lambda copy: int(copy.version))
    copied = {key: model.properties[key] for key in _COPIED if key in model.properties}
    site.terminal.note(f"copying {model.name}:{model.version} to workspace {site.production.name}")
    # The SDK registers only what lies below the working directory.
    with quiet_sdk(), tempfile.TemporaryDirectory(dir=".", prefix="release-") as below:
        upload = Path(below) / "model"
        upload.mkdir()
        for file in folder.iterdir():
            (upload / file.name).write_bytes(file.read_bytes())
        return Model.register(
            site.production.sdk,
            model_path=str(upload),
            model_name=model.name,
            tags={key: model.tags[key] for key in ("problem", "recipe") if key in model.tags},
            properties={**copied, **origin, "decision_sha256": model.properties["decision_sha256"]},
            description=(model.description or "")[:139],
        )


def _content(copy: Any, model: Any, scoring: Scoring) -> Content:
    return Content(
        model_name=str(model.name),
        model_version=str(model.version),
        production_version=str(copy.version),
        model_sha256=model.properties["model_sha256"],
        decision_sha256=model.properties["decision_sha256"],
        run_id=model.properties.get("run_id", ""),
        **scoring.hashes,
    )


def show(terminal: Terminal, agent: Agent, site: Site, result: Released) -> None:
    """Print what serves now and where; tell the build agent the version."""
    content = result.content
    did = "already served" if result.already else f"released (before: {result.before})"
    terminal.say(f"release    {content.model} {did}")
    terminal.say(f"           copy {content.model_name}:{content.production_version} in {site.production.banner}")
    terminal.say(f"           model sha256 {content.model_sha256[:12]}, decision {content.decision_sha256[:12]}")
    terminal.say(f"service    {result.service} Healthy, {result.url}")
    terminal.say(f"           scoring {content.scoring_sha256[:12]}, environment {content.environment_sha256[:12]}")
    terminal.say(f"champion   {content.model}")
    terminal.say(f"record     run {result.deployment} in experiment {records.experiment_name(site.settings)}")
    agent.outputs({"modelVersion": content.model_version, "deployment": result.deployment})
    agent.tag("released", f"{content.model_name}-{content.model_version}")
    agent.page("release")
    terminal.document({**asdict(result), "workspace": site.production.name, "evidence": site.production.tags})
