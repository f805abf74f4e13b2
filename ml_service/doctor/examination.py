"""All checks in order; a check that lacks its prerequisites says so, and the others still run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

from azure_ml import sign_in
from azure_ml.errors import AzureMlError, ExplainedError
from ml_service.azure_devops.controls.configured import SIGN_IN, configured_connections, open_controls
from ml_service.azure_devops.controls.declared import read_declared
from ml_service.azure_devops.controls.whole import compare
from ml_service.doctor import cluster, locks, pipeline_settings, resources, rights
from ml_service.doctor.finding import Finding, Place, Reader, Result, Unknown, resource_at
from ml_service.doctor.resource_manager import FORBIDDEN, MALFORMED, RefusedError, ResourceManager
from ml_service.documents import Document, at
from ml_service.output.failures import explain
from ml_service.settings.variables import Settings

LEAST_TOKEN_SECONDS = 600
_ML = "2024-04-01"


@dataclass(frozen=True)
class Report:
    """The checks and their results."""

    passed: tuple[str, ...]
    findings: tuple[Finding, ...]
    unknown: tuple[Unknown, ...]


def sentence_of(report: Report) -> str:
    """Summarize an examination in one line; checks that could not run are counted, never passed over."""
    if report.findings:
        return f"{len(report.findings)} finding{'' if len(report.findings) == 1 else 's'}"
    unchecked = f"; {len(report.unknown)} {'was' if len(report.unknown) == 1 else 'were'} not checked"
    return "nothing was found that would stop a release" + (unchecked if report.unknown else "")


def examine(settings: Settings, environment: str, note: Callable[[str], None]) -> Report:
    """Look at everything that a release in one environment needs; nothing is changed."""
    results: list[tuple[str, Result | None]] = []
    for check, run in _checks(settings, environment):
        note(f"checking {check}")
        found = list(_results(check, run))
        results += [(check, one) for one in found] or [(check, None)]
        if any(isinstance(one, Finding) for one in found) and check in _NEEDED_BY_ALL:
            break
    results += [("Azure DevOps", one) for one in _results("Azure DevOps", partial(_azure_devops, settings))]
    return Report(
        passed=tuple(check for check, one in results if one is None),
        findings=tuple(dict.fromkeys(one for _, one in results if isinstance(one, Finding))),
        unknown=tuple(dict.fromkeys(one for _, one in results if isinstance(one, Unknown))),
    )


_SIGN_IN = "sign-in"
_NEEDED_BY_ALL = (_SIGN_IN, "training workspace", "production workspace", "settings of production")


def _results(check: str, run: Callable[[], Iterable[Result]]) -> Iterator[Result]:
    try:
        yield from run()
    except Exception as error:
        known = explain(error)
        if known is None:
            raise
        if isinstance(known, RefusedError) and known.status == FORBIDDEN:
            yield Unknown(check, f"this identity has no permission to check it: {known.found or known.happened}")
        else:
            yield of_error(check, known)


def of_error(check: str, error: ExplainedError) -> Finding:
    """A failure that a verb would end with, as a finding."""
    found = f"{error.happened}: {error.found}" if error.found else error.happened
    return Finding(check, found, error.expected or "no failure", error.todo or "see the finding")


def places(settings: Settings, environment: str) -> list[Place]:
    """The workspaces that an environment needs: a release also marks the model in the training workspace."""
    training = Place(
        "training",
        settings.azure_subscription_id,
        settings.azure_resource_group,
        settings.azureml_workspace_name,
        "AZURE_SUBSCRIPTION_ID, AZURE_RESOURCE_GROUP and AZUREML_WORKSPACE_NAME in variables.yml",
    )
    if environment == "training":
        return [training]
    production = Place(
        "production",
        settings.production_subscription_id or settings.azure_subscription_id,
        settings.production_resource_group or settings.azure_resource_group,
        settings.azureml_production_workspace_name,
        "the names in environments/production.yml",
    )
    return [training, production]


def _checks(settings: Settings, environment: str) -> Iterator[tuple[str, Callable[[], Iterable[Result]]]]:
    """Each check when its turn has come: later ones need what earlier ones have found."""
    if environment == "production":
        yield "settings of production", partial(_production_settings, settings)
        yield "separation of the environments", partial(_separation, settings)
    yield "settings of pipelines", pipeline_settings.check_pipeline_settings
    webhook = settings.notification_webhook.get_secret_value()
    yield "notifications", partial(pipeline_settings.check_notifications, webhook)
    yield _SIGN_IN, partial(_sign_in, settings)
    reader = ResourceManager(partial(sign_in.authenticate, settings))
    for place in places(settings, environment):
        yield f"{place.environment} workspace", partial(_workspace, reader, place)
        workspace = reader.read(place.path, _ML) or {}  # as it was read before
        yield from checks_of_place(reader, place, workspace, settings)


def checks_of_place(
    reader: Reader, place: Place, workspace: Document, settings: Settings
) -> Iterator[tuple[str, Callable[[], Iterable[Result]]]]:
    """The checks of one workspace that exists."""
    name, location = place.environment, str(at(workspace, "location") or "")
    yield f"state of the {name} workspace", partial(resources.check_state, place, workspace)
    yield f"resource providers of {name}", partial(resources.check_providers, reader, place)
    yield f"rights in {name}", partial(rights.check_rights, reader, place)
    yield f"storage of {name}", partial(resources.check_storage, reader, place, workspace)
    yield f"key vault of {name}", partial(resources.check_vault, reader, place, workspace)
    yield f"container registry of {name}", partial(resources.check_registry, reader, place, workspace)
    yield f"container groups of {name}", partial(rights.check_container_groups, reader, place, workspace)
    yield f"insights of {name}", partial(resources.check_insights, reader, place, workspace)
    yield f"locks of {name}", partial(locks.check_locks, reader, place, workspace)
    yield f"quota for container groups of {name}", partial(resources.check_container_quota, reader, place, location)
    if name == "training":
        yield "cluster", partial(cluster.check_cluster, reader, place, settings)
        yield "quota of the cluster", partial(cluster.check_cluster_quota, reader, place, settings, location)
        yield "names", partial(_names, settings)


def _production_settings(settings: Settings) -> Iterator[Result]:
    if not settings.has_production:
        yield Finding(
            "settings of production",
            "AZUREML_PRODUCTION_WORKSPACE_NAME is empty: there is no production environment",
            "the name of the production workspace",
            "fill in environments/production.yml, then infra/deploy creates it",
        )


def _separation(settings: Settings) -> Iterator[Result]:
    """Whether production is a workspace of its own: else whoever may train may deploy to it."""
    training, production = places(settings, "production")
    if training.path.lower() == production.path.lower():
        yield Finding(
            "separation of the environments",
            f"production is the training workspace, {training.workspace}: who may train may deploy to it, unasked",
            "another workspace",
            "change environments/production.yml, then infra/deploy creates it",
        )


def _sign_in(settings: Settings) -> Iterator[Result]:
    """Whether a token is issued, how long it lives, and whether it is renewed."""
    try:
        left = sign_in.token_end(settings) - int(time.time())
    except AzureMlError as error:
        yield of_error(_SIGN_IN, error)
        return
    if left < LEAST_TOKEN_SECONDS:
        yield Finding(
            _SIGN_IN,
            f"the token expires in {max(left, 0) // 60} minutes",
            f"at least {LEAST_TOKEN_SECONDS // 60} minutes, or a sign-in that is renewed",
            "at a terminal: az login; in a pipeline: map SYSTEM_ACCESSTOKEN and set keepAzSessionActive: true",
        )
    if settings.tf_build and settings.identity is sign_in.Identity.AZ_LOGIN:
        yield Finding(
            _SIGN_IN,
            "the sign-in of this step is not renewed: its token expires after an hour",
            "the variables of AzureCLI@2, and the job's token",
            "map SYSTEM_ACCESSTOKEN: $(System.AccessToken) in env: of the step",
        )


def _workspace(reader: Reader, place: Place) -> Iterator[Result]:
    check = f"{place.environment} workspace"
    try:
        found = resource_at(reader, place.path, _ML)
    except RefusedError as error:
        if error.status == MALFORMED:
            error.todo = f"check {place.said_by}"
        if error.status != FORBIDDEN:
            raise
        yield Finding(
            check,
            f"this identity may not read workspace {place.workspace}",
            "the role AzureML Data Scientist on it",
            f"az role assignment create --assignee IDENTITY --role 'AzureML Data Scientist' --scope {place.path};\n"
            "a new role takes up to an hour to apply",
        )
        return
    if found is None:
        yield Finding(
            check,
            f"there is no workspace {place.workspace} in resource group {place.resource_group}",
            "a workspace",
            f"check {place.said_by}; infra/deploy creates it",
        )


def _names(settings: Settings) -> Iterator[Result]:
    """Whether the names belong to no other problem, and the default data store has a credential."""
    from azure_ml.storage.blobs import open_blobs
    from ml_service.settings.workspaces import open_training
    from ml_service.training import ownership

    workspace = open_training(settings)
    for read in (lambda: ownership.demand_ours(workspace, settings), lambda: open_blobs(workspace)):
        try:
            read()
        except ExplainedError as error:
            yield of_error("names and default datastore", error)
    shared = not settings.has_production or settings.azureml_production_workspace_name == workspace.name
    if shared and settings.test_service_name == settings.production_service_name:
        yield Finding(
            "names",
            f"test and production service have the same name, {settings.test_service_name}, in the same workspace",
            "two names",
            "change TEST_SERVICE_NAME or PRODUCTION_SERVICE_NAME",
        )


def _azure_devops(settings: Settings) -> Iterator[Result]:
    if not settings.system_accesstoken.get_secret_value():
        yield Unknown("Azure DevOps", f"not signed in to a project; to check its controls, too:\n{SIGN_IN}")
        return
    declared = read_declared()
    result = compare(open_controls(settings, declared), declared, configured_connections(settings))
    for drift in result.drifts:
        yield Finding(f"Azure DevOps: {drift.object}", f"{drift.property}: {drift.found}", drift.expected, drift.todo)
