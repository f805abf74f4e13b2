"""Controls of Azure DevOps against the API that local_azure serves: applied twice, drifts found, removed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from azure_ml.errors import ExplainedError
from local_azure.pipelines.run.builds.organization import FILE, PROJECT_ID
from local_azure.pipelines.run.builds.server import PROJECT, serving
from ml_service.azure_devops import client
from ml_service.azure_devops.client import AzureDevOps, AzureDevOpsError
from ml_service.azure_devops.controls.declared import Declared, read_declared
from ml_service.azure_devops.controls.project import Project
from ml_service.azure_devops.controls.resources import Connection
from ml_service.azure_devops.controls.whole import apply, compare, remove
from ml_service.errors import InvalidRequestError

TRAINING, PRODUCTION = "sub-training", "sub-production"
CONNECTIONS = {
    "TRAINING_CONNECTION": Connection("ml-training", TRAINING, "client-1", "tenant"),
    "PRODUCTION_CONNECTION": Connection("ml-production", PRODUCTION, "client-2", "tenant"),
    "READER_CONNECTION": Connection("ml-reader", TRAINING, "client-3", "tenant"),
    "TRIAL_CONNECTION": Connection("ml-trial", TRAINING, "client-4", "tenant"),
}
Kept = dict[str, Any]
TEAMS = f"projects/{PROJECT_ID}/teams"


class Organization:
    """An organization that the whole declaration was applied to."""

    def __init__(self, folder: Path, api: AzureDevOps) -> None:
        self._file = folder / FILE
        self.api = api
        self.declared: Declared = read_declared()
        self.applied = self.apply()
        self._sound = self._file.read_text(encoding="utf-8")

    @property
    def project(self) -> Project:
        """Read anew."""
        return Project(self.api, self.declared.repository)

    def apply(self) -> list[str]:
        """What a run of `apply` says."""
        return list(apply(self.project, self.declared, CONNECTIONS))

    def remove(self) -> list[str]:
        """What a run of `remove` says."""
        return list(remove(self.project, self.declared, CONNECTIONS))

    def drifts(self) -> list[tuple[str, str, str]]:
        """Object, property and what was found."""
        found = compare(self.project, self.declared, CONNECTIONS).drifts
        return [(one.object, one.property, one.found) for one in found]

    def seed(self, change: Callable[[Kept], None]) -> None:
        """Let somebody change something by hand."""
        kept = json.loads(self._sound)
        change(kept)
        self._file.write_text(json.dumps(kept), encoding="utf-8")

    def restore(self) -> None:
        """As it was applied."""
        self._file.write_text(self._sound, encoding="utf-8")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Organization]:
    folder = tmp_path_factory.mktemp("organization")
    with serving(folder) as served:
        address = served.variables["System.CollectionUri"] + PROJECT
        yield Organization(folder, AzureDevOps(address, served.token))


@pytest.fixture
def organization(shared: Organization) -> Iterator[Organization]:
    yield shared
    shared.restore()


def _check(kept: Kept, kind: str, of: str) -> Kept:
    """A check by the kind of its type and the name of its resource."""
    kinds = {"approval": "8c6f20a7", "lock": "2ef31ad6", "branch": "fe1de3ee", "template": "4020e66e"}
    resources = [*kept["distributedtask/environments"].values(), *kept["serviceendpoint/endpoints"].values()]
    number = str(next(one["id"] for one in resources if one["name"] == of))
    checks: dict[str, Kept] = kept["pipelines/checks/configurations"]
    return next(
        one
        for one in checks.values()
        if one["type"]["id"].startswith(kinds[kind]) and str(one["resource"]["id"]) == number
    )


def _named(kept: Kept, path: str, name: str) -> Kept:
    documents: dict[str, Kept] = kept[path]
    return next(one for one in documents.values() if one["name"] == name)


def _policy(kept: Kept, kind: str) -> Kept:
    documents: dict[str, Kept] = kept["policy/configurations"]
    return next(one for one in documents.values() if one["type"]["id"].startswith(kind))


def _without(path: str, name: str) -> Callable[[Kept], None]:
    def change(kept: Kept) -> None:
        del kept[path][str(_named(kept, path, name)["id"])]

    return change


def _no_check(kind: str, of: str) -> Callable[[Kept], None]:
    def change(kept: Kept) -> None:
        del kept["pipelines/checks/configurations"][str(_check(kept, kind, of)["id"])]

    return change


def _permission(kept: Kept, of: str) -> Kept:
    number = _named(kept, "serviceendpoint/endpoints", of)["id"]
    found: Kept = kept["permissions"][f"endpoint/{number}"]
    return found


def _stranger(kept: Kept) -> None:
    kept["build/definitions"]["99"] = {"id": 99, "name": "evil"}
    _permission(kept, "ml-production")["pipelines"].append({"id": 99, "authorized": True})


def _namesake(kept: Kept) -> None:
    kept["build/definitions"]["99"] = {"id": 99, "name": "release", "path": "\\evil"}
    _permission(kept, "ml-production")["pipelines"].append({"id": 99, "authorized": True})


def _to_group() -> Kept:
    return {"id": "x", "name": "above", "data": {"scopeLevel": "ManagementGroup", "managementGroupId": "all"}}


def _back_door(kept: Kept) -> None:
    one = {**_named(kept, "serviceendpoint/endpoints", "ml-production"), "id": "x", "name": "handy"}
    kept["serviceendpoint/endpoints"]["x"] = one


def _trigger(kept: Kept) -> None:
    _named(kept, "build/definitions", "retrain")["triggers"] += [{"triggerType": "schedule", "settingsSourceType": 1}]


SEEDED: dict[str, tuple[Callable[[Kept], object], tuple[str, str, str]]] = {
    "the approval is gone": (
        _no_check("approval", "production"),
        ("approval of environment production", "exists", "no"),
    ),
    "who starts a run may approve it": (
        lambda kept: _check(kept, "approval", "production")["settings"].update(requesterCannotBeApprover=False),
        ("approval of environment production", "requester may approve", "yes"),
    ),
    "somebody else approves": (
        lambda kept: _check(kept, "approval", "ml-production")["settings"].update(
            approvers=[{"id": "ada", "displayName": "Ada"}]
        ),
        ("approval of connection ml-production", "approvers", "Ada (ada, no team of this project)"),
    ),
    "the approval is switched off": (
        lambda kept: _check(kept, "approval", "production").update(isDisabled=True),
        ("approval of environment production", "enabled", "no"),
    ),
    "the lock is gone": (
        _no_check("lock", "ml-training"),
        ("exclusive lock of connection ml-training", "exists", "no"),
    ),
    "any branch deploys": (
        lambda kept: _check(kept, "branch", "ml-production")["settings"]["inputs"].update(allowedBranches="*"),
        ("branch control of connection ml-production", "branches", "*"),
    ),
    "unprotected branches deploy": (
        lambda kept: _check(kept, "branch", "production")["settings"]["inputs"].update(
            ensureProtectionOfBranch="false"
        ),
        ("branch control of environment production", "protected branches only", "no"),
    ),
    "another template is required": (
        lambda kept: _check(kept, "template", "production")["settings"]["extendsChecks"][0].update(
            templatePath="any.yml"
        ),
        ("required template of environment production", "templates", "local/local refs/heads/main any.yml"),
    ),
    "another pipeline may use the connection": (
        _stranger,
        ("permissions of connection ml-production", "pipelines", "evil, release, retrain, rollback"),
    ),
    "every pipeline may use the connection": (
        lambda kept: _permission(kept, "ml-production").update(allPipelines={"authorized": True}),
        ("permissions of connection ml-production", "pipelines", "every pipeline of the project"),
    ),
    "the connection has a secret": (
        lambda kept: _named(kept, "serviceendpoint/endpoints", "ml-production")["authorization"].update(
            scheme="ServicePrincipal"
        ),
        ("connection ml-production", "authentication", "ServicePrincipal"),
    ),
    "a connection that nobody declared": (
        _back_door,
        ("other connections to these subscriptions", "names", "handy"),
    ),
    "the environment is gone": (
        _without("distributedtask/environments", "production"),
        ("environment production", "exists", "no"),
    ),
    "a pipeline runs another file": (
        lambda kept: _named(kept, "build/definitions", "release")["process"].update(yamlFilename="other.yml"),
        ("pipeline release", "file", "other.yml"),
    ),
    "the page overrides the schedule": (
        _trigger,
        ("pipeline retrain", "triggers", "overridden on the page: schedule"),
    ),
    "authors approve their own changes": (
        lambda kept: _policy(kept, "fa4e907d")["settings"].update(creatorVoteCounts=True),
        ("reviews of branch main", "creatorVoteCounts", "yes"),
    ),
    "checks of a pull request do not block": (
        lambda kept: _policy(kept, "0609b952").update(isBlocking=False),
        ("build validation of branch main", "blocks a merge", "no"),
    ),
    "runs are kept for a month": (
        lambda kept: kept["build/retention"]["purgeRuns"].update(value=30),
        ("retention", "purgeRuns", "30 days"),
    ),
    "who should approve is blocked": (
        lambda kept: _check(kept, "approval", "production")["settings"].update(
            blockedApprovers=[{"id": "ada", "displayName": "Ada"}]
        ),
        ("approval of environment production", "blocked approvers", "Ada (ada, no team of this project)"),
    ),
    "a merge starts nothing": (
        lambda kept: _named(kept, "build/definitions", "release").update(triggers=[]),
        ("pipeline release", "triggers", "overridden on the page: all switched off"),
    ),
    "only some changes are checked": (
        lambda kept: _policy(kept, "0609b952")["settings"].update(filenamePatterns=["/docs/*"]),
        ("build validation of branch main", "filenamePatterns", "/docs/*"),
    ),
    "the connection belongs to another tenant": (
        lambda kept: _named(kept, "serviceendpoint/endpoints", "ml-production")["authorization"]["parameters"].update(
            tenantid="other"
        ),
        ("connection ml-production", "tenant", "other"),
    ),
    "another project may use the connection": (
        lambda kept: _named(kept, "serviceendpoint/endpoints", "ml-production")[
            "serviceEndpointProjectReferences"
        ].append({"projectReference": {"id": "other"}}),
        ("connection ml-production", "shared with projects", "yes"),
    ),
    "a person who is named like the team approves": (
        lambda kept: _check(kept, "approval", "production")["settings"].update(
            approvers=[{"id": "ada", "displayName": "Release managers"}]
        ),
        ("approval of environment production", "approvers", "Release managers (ada, no team of this project)"),
    ),
    "a template on GitHub has the same name": (
        lambda kept: _check(kept, "template", "production")["settings"]["extendsChecks"][0].update(
            repositoryType="github"
        ),
        (
            "required template of environment production",
            "templates",
            "local/local (github) refs/heads/main .pipelines/templates/governed.yml",
        ),
    ),
    "a pipeline of the same name may use the connection": (
        _namesake,
        ("permissions of connection ml-production", "pipelines", "\\evil\\release, release, retrain, rollback"),
    ),
    "a pipeline runs a repository of another project": (
        lambda kept: _named(kept, "build/definitions", "release")["repository"].update(id="other"),
        ("pipeline release", "repository", "local (TfsGit other)"),
    ),
    "a pipeline runs a repository of GitHub": (
        lambda kept: _named(kept, "build/definitions", "release")["repository"].update(type="GitHub"),
        ("pipeline release", "repository", f"local (GitHub {PROJECT_ID})"),
    ),
    "a pipeline was clicked together": (
        lambda kept: _named(kept, "build/definitions", "release").update(process={"type": 1, "phases": []}),
        ("pipeline release", "file", "none"),
    ),
    "a pipeline is paused": (
        lambda kept: _named(kept, "build/definitions", "retrain").update(queueStatus="paused"),
        ("pipeline retrain", "enabled", "no"),
    ),
    "branches of unknown protection deploy": (
        lambda kept: _check(kept, "branch", "production")["settings"]["inputs"].update(
            allowUnknownStatusBranch="true"
        ),
        ("branch control of environment production", "branches of unknown protection", "yes"),
    ),
    "the connection is to another cloud": (
        lambda kept: _named(kept, "serviceendpoint/endpoints", "ml-reader")["data"].update(
            environment="AzureUSGovernment"
        ),
        ("connection ml-reader", "cloud", "AzureUSGovernment"),
    ),
    "the connection is of another kind": (
        lambda kept: _named(kept, "serviceendpoint/endpoints", "ml-reader").update(type="dockerregistry"),
        ("connection ml-reader", "type", "dockerregistry"),
    ),
    "the connection is still a draft": (
        lambda kept: _named(kept, "serviceendpoint/endpoints", "ml-training").update(isReady=False),
        ("state of connection ml-training", "ready", "no"),
    ),
    "the connection is switched off": (
        lambda kept: _named(kept, "serviceendpoint/endpoints", "ml-training").update(isDisabled=True),
        ("state of connection ml-training", "enabled", "no"),
    ),
    "a connection to a management group": (
        lambda kept: kept["serviceendpoint/endpoints"].update(x=_to_group()),
        ("other connections to these subscriptions", "names", "above"),
    ),
    "a connection whose subscription is in capitals": (
        lambda kept: kept["serviceendpoint/endpoints"].update(
            x={"id": "x", "name": "loud", "data": {"subscriptionId": PRODUCTION.upper()}}
        ),
        ("other connections to these subscriptions", "names", "loud"),
    ),
    "the reviews are optional": (
        lambda kept: _policy(kept, "fa4e907d").update(isEnabled=False),
        ("reviews of branch main", "enabled", "no"),
    ),
    "the reviews are those of another branch": (
        lambda kept: _policy(kept, "fa4e907d")["settings"]["scope"][0].update(refName="refs/heads/other"),
        ("reviews of branch main", "exists", "no"),
    ),
    "another build is checked": (
        lambda kept: _policy(kept, "0609b952")["settings"].update(buildDefinitionId=1_000),
        ("build validation of branch main", "exists", "no"),
    ),
    "approvals wait for a year": (
        lambda kept: _check(kept, "approval", "ml-trial").update(timeout=500_000),
        ("approval of connection ml-trial", "timeout", "500000 min"),
    ),
    "more must approve than there are": (
        lambda kept: _check(kept, "approval", "production")["settings"].update(minRequiredApprovers=9),
        ("approval of environment production", "approvals needed", "9"),
    ),
    "whoever queues a run sets variables": (
        lambda kept: kept["build/generalsettings"].update(enforceSettableVar=False),
        ("settings of pipelines", "enforceSettableVar", "no"),
    ),
}


def test_a_second_application_changes_nothing(organization: Organization) -> None:
    assert "created environment production" in organization.applied
    assert organization.apply() == []
    assert organization.drifts() == []


@pytest.mark.parametrize("name", SEEDED)
def test_a_drift_is_found_and_applying_again_repairs_it(organization: Organization, name: str) -> None:
    change, expected = SEEDED[name]
    organization.seed(lambda kept: (change(kept), None)[1])

    drifts = organization.drifts()

    assert expected in drifts
    if expected[0] != "environment production":  # whose checks and permissions are missing with it
        assert drifts == [expected]
    organization.apply()
    by_hand = ("other connections to these subscriptions", "state of connection ml-training")
    left = {expected[0]}.intersection(by_hand)  # what somebody made stays, and a person verifies a connection
    assert {one for one, _, _ in organization.drifts()} == left


def test_ids_are_the_same_in_either_case(organization: Organization) -> None:
    def louder(kept: Kept) -> None:
        endpoint = _named(kept, "serviceendpoint/endpoints", "ml-production")
        endpoint["data"]["subscriptionId"] = PRODUCTION.upper()
        endpoint["authorization"]["parameters"].update(serviceprincipalid="CLIENT-2", tenantid="Tenant")

    organization.seed(louder)

    assert organization.drifts() == []


def test_the_check_of_another_build_is_left_alone(organization: Organization) -> None:
    def another(kept: Kept) -> None:
        ours = _policy(kept, "0609b952")
        other = json.loads(json.dumps(ours)) | {"id": 77, "isBlocking": False}
        other["settings"]["buildDefinitionId"] = 1_000
        kept["policy/configurations"] = {"77": other, **kept["policy/configurations"]}

    organization.seed(another)

    assert organization.drifts() == []


def test_a_team_that_was_made_anew_does_not_approve_yet(organization: Organization) -> None:
    """Its name is the old one, but the checks name the id of the team that is gone."""
    organization.seed(lambda kept: _named(kept, TEAMS, "Release managers").update(id="anew"))

    drifts = organization.drifts()

    assert {(of, name) for of, name, _ in drifts} == {
        (f"approval of {one}", "approvers")
        for one in ("environment production", "connection ml-production", "connection ml-trial")
    }
    organization.apply()
    assert organization.drifts() == []


def test_two_connections_of_one_identity_are_found(organization: Organization) -> None:
    """Whoever may train could deploy to production then."""
    connections = {
        **CONNECTIONS,
        "TRAINING_CONNECTION": Connection("ml-training", TRAINING, "client-2", "tenant"),
    }
    list(apply(organization.project, organization.declared, connections))

    (drift,) = compare(organization.project, organization.declared, connections).drifts

    assert (drift.property, drift.found) == ("shared", "TRAINING_CONNECTION = PRODUCTION_CONNECTION")


@pytest.mark.parametrize("most", [1, 12, 22])
def test_an_application_and_a_removal_that_stop_in_the_middle_are_finished_by_the_next(
    organization: Organization, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    send, left = Project.send, 0

    def stopping(project: Project, *sent: Any, **more: Any) -> Any:
        nonlocal left
        left -= 1
        if left < 0:
            raise AzureDevOpsError("Azure DevOps did not respond")
        return send(project, *sent, **more)

    monkeypatch.setattr(Project, "send", stopping)
    organization.seed(lambda kept: kept.clear())
    left = most
    with pytest.raises(AzureDevOpsError):
        organization.apply()
    left = 1_000
    organization.apply()
    assert organization.drifts() == []
    assert organization.apply() == []

    left = most
    with pytest.raises(AzureDevOpsError):
        organization.remove()
    left = 1_000
    organization.remove()
    assert organization.remove() == []


def test_what_is_missing_with_its_resource_is_created_with_it(organization: Organization) -> None:
    organization.seed(_without("distributedtask/environments", "production"))

    drifts = compare(organization.project, organization.declared, CONNECTIONS).drifts

    assert len(drifts) == 6
    assert all(one.todo.endswith("(python -m infra.azure_devops apply)") for one in drifts)


def test_a_second_approval_makes_nothing_weaker(organization: Organization) -> None:
    def lenient(kept: Kept) -> None:
        one = json.loads(json.dumps(_check(kept, "approval", "production")))
        one["settings"]["requesterCannotBeApprover"] = False
        kept["pipelines/checks/configurations"]["77"] = {**one, "id": 77}

    organization.seed(lenient)

    assert organization.drifts() == []


def test_of_two_approvals_the_nearest_is_repaired(organization: Organization) -> None:
    def both_drifted(kept: Kept) -> None:
        one = _check(kept, "approval", "production")
        other = json.loads(json.dumps(one))
        one["isDisabled"], one["settings"]["requesterCannotBeApprover"] = True, False
        other["timeout"] = 1
        kept["pipelines/checks/configurations"]["77"] = {**other, "id": 77}

    organization.seed(both_drifted)

    assert [of for _, of, _ in organization.drifts()] == ["timeout"]
    organization.apply()
    assert organization.drifts() == []


def test_what_was_applied_is_taken_away_and_teams_stay(organization: Organization) -> None:
    removed = organization.remove()

    assert removed[-1] == "removed pipeline audit"
    missing = {one for one, name, _ in organization.drifts() if name == "exists"}
    assert {"environment production", "connection ml-production", "pipeline release"} <= missing
    assert "team Release managers" not in missing


PARTS = {
    "serviceendpoint/endpoints": ("name", "authorization", "data", "type"),
    "distributedtask/environments": ("name",),
    "pipelines/checks/configurations": ("settings", "type"),
    "build/definitions": ("name", "process", "repository", "triggers"),
    "policy/configurations": ("settings", "type", "isEnabled"),
    TEAMS: ("name", "id"),
}


@pytest.mark.parametrize("value", [None, 5, ["x"], {}])
@pytest.mark.parametrize(("path", "part"), [(path, part) for path, parts in PARTS.items() for part in parts])
def test_a_half_written_document_is_explained_or_a_drift(
    organization: Organization, path: str, part: str, value: object
) -> None:
    """Whatever is missing, it is neither a traceback nor taken for what was declared."""
    organization.seed(lambda kept: next(iter(kept[path].values())).update({part: value}))

    try:
        assert organization.drifts()
    except ExplainedError as error:
        assert error.todo


@pytest.mark.parametrize(
    ("path", "fact"),
    [
        ("build/retention", {"purgeRuns": {}}),
        ("build/generalsettings", {"enforceSettableVar": None}),
    ],
)
def test_a_half_written_setting_is_a_drift(organization: Organization, path: str, fact: Kept) -> None:
    organization.seed(lambda kept: kept.update({path: fact}))

    assert organization.drifts()


@pytest.mark.parametrize(
    ("status", "fix"),
    [
        (401, "see that the token is valid"),
        (403, "may read this"),
        (404, "may read this"),
        (429, "wait a few minutes"),
        (500, "repeat the command later"),
    ],
)
def test_a_refusal_says_what_to_do(
    organization: Organization, status: int, fix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also of a list: one that is not there is not an empty one."""
    answer = requests.Response()
    answer.status_code = status
    monkeypatch.setattr(client, "exchange", lambda *_, **__: (answer, b"{}"))

    with pytest.raises(AzureDevOpsError) as refused:
        organization.api.get("serviceendpoint/endpoints")
    assert fix in refused.value.todo
    with pytest.raises(AzureDevOpsError):
        organization.project.listed("serviceendpoint/endpoints")


def test_without_client_ids_a_connection_is_left_to_a_person(organization: Organization) -> None:
    organization.seed(_without("serviceendpoint/endpoints", "ml-trial"))
    connections = CONNECTIONS | {"TRIAL_CONNECTION": Connection("ml-trial", TRAINING)}

    said = list(apply(organization.project, organization.declared, connections))

    assert said[0].startswith("cannot create connection ml-trial: Project settings")


def test_an_unknown_project_and_a_wrong_token_are_named(organization: Organization) -> None:
    address, _, _ = organization.api.address.rpartition("/")
    with pytest.raises(AzureDevOpsError, match="there is no project other"):
        compare(Project(AzureDevOps(f"{address}/other", organization.api.token), ""), organization.declared, {})
    with pytest.raises(AzureDevOpsError, match="HTTP 401"):
        compare(Project(AzureDevOps(organization.api.address, "wrong"), ""), organization.declared, {})


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("minimum: 1\n", "minimum: 0\n", "greater than or equal to 1"),
        ("build_validation: pr", "build_validation: nothing", "nothing"),
        ("branch: main", "branches: main", "branches"),
    ],
)
def test_a_declaration_that_is_not_understood_is_refused(tmp_path: Path, before: str, after: str, said: str) -> None:
    text = Path("infra/azure_devops.yml").read_text(encoding="utf-8")
    (tmp_path / "controls.yml").write_text(text.replace(before, after), encoding="utf-8")

    with pytest.raises(InvalidRequestError, match=said):
        read_declared(tmp_path / "controls.yml")
