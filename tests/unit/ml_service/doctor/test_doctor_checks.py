"""What doctor finds in documents of Azure Resource Manager, which are in memory here."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from ml_service.azure_devops.controls import configured
from ml_service.doctor import examination, resources
from ml_service.doctor.examination import Report, checks_of_place, examine, places, sentence_of
from ml_service.doctor.finding import Finding, Place, Unknown
from ml_service.doctor.pipeline_settings import check_pipeline_settings
from ml_service.doctor.resource_manager import RefusedError
from ml_service.doctor.rights import allows
from ml_service.documents import Document, records_at
from ml_service.settings.variables import VARIABLES_FILE, Settings

MakeSettings = Callable[[dict[str, str]], Settings]
GROUP = "/subscriptions/s/resourceGroups/g"
WORKSPACE = f"{GROUP}/providers/Microsoft.MachineLearningServices/workspaces/w"
PLACE = Place("training", "s", "g", "w", "the settings")
LOCATION = "/subscriptions/s/providers/Microsoft.MachineLearningServices/locations/here"
ROLE = "/roles/r"
ASSIGNMENTS = f"{GROUP}/providers/Microsoft.Authorization/roleAssignments"
LOCKS = f"{GROUP}/providers/Microsoft.Authorization/locks"
Documents = dict[str, Any]


class Azure:
    """Documents by path."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents

    def read(self, path: str, api_version: str, parameters: Mapping[str, str] | None = None) -> Document | None:
        """The document, or the refusal that stands for it."""
        found = self._documents.get(path)
        if isinstance(found, Exception):
            raise found
        return found

    def listed(
        self, path: str, api_version: str, parameters: Mapping[str, str] | None = None
    ) -> tuple[Document, ...]:
        """The documents of a list."""
        found = self.read(path, api_version)
        return () if found is None else records_at(found, "value")


def sound() -> Documents:
    """A workspace in which nothing would stop a release."""
    providers = {
        f"/subscriptions/s/providers/{name}": {"registrationState": "Registered"} for name in resources.PROVIDERS
    }
    cluster = {"vmSize": "STANDARD_DS2_V2", "scaleSettings": {"minNodeCount": 0, "maxNodeCount": 4}}
    return {
        **providers,
        f"{WORKSPACE}/providers/Microsoft.Authorization/permissions": {
            "value": [{"actions": ["*"], "notActions": []}]
        },
        ASSIGNMENTS: {"value": [{"properties": {"roleDefinitionId": ROLE, "scope": GROUP}}]},
        ROLE: {"properties": {"permissions": [{"actions": ["Microsoft.ContainerInstance/*"]}]}},
        "/storage": {"properties": {"allowSharedKeyAccess": True}},
        "/vault": {"properties": {}},
        "/registry": {"properties": {"adminUserEnabled": True}},
        "/insights": {"properties": {}},
        LOCKS: {"value": []},
        f"{WORKSPACE}/computes/train-cluster": {
            "properties": {"provisioningState": "Succeeded", "properties": cluster}
        },
        f"{LOCATION}/vmSizes": {"value": [{"name": "Standard_DS2_v2", "family": "dsv2", "vCPUs": 2}]},
        f"{LOCATION}/usages": {"value": [{"name": {"value": "DSv2"}, "currentValue": 6, "limit": 10}]},
        "/subscriptions/s/providers/Microsoft.ContainerInstance/locations/here/usages": {
            "value": [{"name": {"value": "StandardCores"}, "currentValue": 1, "limit": 10}]
        },
    }


DOCUMENT: Document = {
    "location": "here",
    "identity": {"userAssignedIdentities": {"one": {"principalId": "p"}}},
    "properties": {
        "storageAccount": "/storage",
        "keyVault": "/vault",
        "containerRegistry": "/registry",
        "applicationInsights": "/insights",
    },
}


def _found(documents: Documents, settings: Settings, workspace: Document = DOCUMENT) -> list[Finding]:
    looks = checks_of_place(Azure(documents), PLACE, workspace, settings)
    found = [one for check, look in looks if check != "names" for one in examination._results(check, look)]
    return [one for one in found if isinstance(one, Finding)]


def _set(path: str, *keys: str | int, value: object) -> Callable[[Documents], None]:
    def change(documents: Documents) -> None:
        inner = documents[path]
        for key in keys[:-1]:
            inner = inner[key]
        inner[keys[-1]] = value

    return change


def _lock(scope: str, level: str = "CanNotDelete") -> Document:
    return {"id": f"{scope}/providers/Microsoft.Authorization/locks/l", "properties": {"level": level}}


PERMISSIONS = f"{WORKSPACE}/providers/Microsoft.Authorization/permissions"
CLUSTER = f"{WORKSPACE}/computes/train-cluster"
SEEDED: dict[str, tuple[Callable[[Documents], object], str, str]] = {
    "a role without the right to deploy": (
        _set(PERMISSIONS, "value", 0, "notActions", value=["*/services/aci/write"]),
        "services/aci/write",
        "--role 'AzureML Data Scientist'",
    ),
    "a role that only reads": (
        _set(PERMISSIONS, "value", 0, "actions", value=["*/read"]),
        "experiments/runs/submit/action",
        "--role 'AzureML Data Scientist'",
    ),
    "a provider that is being registered": (
        _set("/subscriptions/s/providers/Microsoft.KeyVault", "registrationState", value="Registering"),
        "not registered: Microsoft.KeyVault",
        "az provider register --namespace Microsoft.KeyVault --wait",
    ),
    "a workspace whose identity has another role": (
        _set(ROLE, "properties", "permissions", value=[{"actions": ["Microsoft.Storage/*"]}]),
        "containerGroups/write",
        "--assignee-object-id p",
    ),
    "storage without shared keys": (
        _set("/storage", "properties", "allowSharedKeyAccess", value=False),
        "forbids shared keys",
        "az storage account update --name storage",
    ),
    "a registry without its admin user": (
        _set("/registry", "properties", "adminUserEnabled", value=False),
        "admin user of registry registry is disabled",
        "az acr update --name registry --admin-enabled true",
    ),
    "a registry that somebody deleted": (
        lambda documents: documents.pop("/registry"),
        "registry registry does not exist any more",
        "infra/deploy",
    ),
    "a storage account that somebody deleted": (
        lambda documents: documents.pop("/storage"),
        "storage account storage does not exist",
        "Recover deleted account",
    ),
    "a vault that somebody deleted": (
        lambda documents: documents.pop("/vault"),
        "key vault vault does not exist",
        "az keyvault recover --name vault",
    ),
    "storage that only some networks reach": (
        _set("/storage", "properties", "networkAcls", value={"defaultAction": "Deny"}),
        "limited to some networks",
        "az storage account update --name storage --public-network-access Enabled --default-action Allow",
    ),
    "a vault that no network reaches": (
        _set("/vault", "properties", "publicNetworkAccess", value="Disabled"),
        "public network access is off",
        "az keyvault update --name vault",
    ),
    "a registry that no network reaches": (
        _set("/registry", "properties", "publicNetworkAccess", value="Disabled"),
        "public network access is off",
        "az acr update --name registry --public-network-enabled true",
    ),
    "a group that is locked": (
        _set(LOCKS, "value", value=[{"id": f"{LOCKS}/hands-off", "properties": {"level": "CanNotDelete"}}]),
        "lock hands-off (CanNotDelete) is on the whole group",
        f"az lock delete --ids {LOCKS}/hands-off",
    ),
    "a subscription that is locked": (
        _set(LOCKS, "value", value=[_lock("/subscriptions/s", "ReadOnly")]),
        "lock l (ReadOnly) is on the whole subscription",
        "az lock delete --ids /subscriptions/s/providers/Microsoft.Authorization/locks/l",
    ),
    "storage that gives no key": (
        _set(LOCKS, "value", value=[_lock("/storage", "ReadOnly")]),
        "lock l (ReadOnly) is on storage: nothing can be written there",
        "az lock delete --ids /storage",
    ),
    "a web service that cannot be replaced": (
        _set(LOCKS, "value", value=[_lock(f"{GROUP}/providers/Microsoft.ContainerInstance/containerGroups/c")]),
        "is on container group c",
        "az lock delete --ids",
    ),
    "a role on one container group only": (
        _set(ASSIGNMENTS, "value", 0, "properties", "scope", value=f"{GROUP}/providers/X/containerGroups/c"),
        "containerGroups/write",
        "--assignee-object-id p",
    ),
    "insights that somebody deleted": (
        lambda documents: documents.pop("/insights"),
        "Application Insights insights does not exist any more",
        "infra/deploy",
    ),
    "a cluster that grows to no node": (
        _set(CLUSTER, "properties", "properties", "scaleSettings", "maxNodeCount", value=0),
        "never has more than 0 nodes",
        "--max-instances 2",
    ),
    "a cluster whose nodes Azure may take away": (
        _set(CLUSTER, "properties", "properties", "vmPriority", value="LowPriority"),
        "LowPriority",
        "infra/deploy",
    ),
    "a virtual machine with the name of the cluster": (
        _set(CLUSTER, "properties", "computeType", value="ComputeInstance"),
        "it is a ComputeInstance",
        "another COMPUTE_NAME",
    ),
    "a cluster that is still being made": (
        _set(CLUSTER, "properties", "provisioningState", value="Creating"),
        "it is Creating",
        "wait",
    ),
    "a cluster of another size": (
        _set(CLUSTER, "properties", "properties", "vmSize", value="STANDARD_NC6"),
        "its nodes are STANDARD_NC6",
        "change variables.yml",
    ),
    "a cluster that never sleeps": (
        _set(CLUSTER, "properties", "properties", "scaleSettings", "minNodeCount", value=1),
        "cost money",
        "--min-instances 0",
    ),
    "a cluster that failed": (
        _set(CLUSTER, "properties", "provisioningState", value="Failed"),
        "it is Failed",
        "infra/deploy",
    ),
    "no quota for the second node": (
        _set(f"{LOCATION}/usages", "value", 0, "currentValue", value=7),
        "3 cores of dsv2 are left",
        "Quotas",
    ),
    "a size that the region lacks": (
        _set(f"{LOCATION}/vmSizes", "value", value=[]),
        "is not available in this region",
        "COMPUTE_VM_SIZE",
    ),
    "no room for a container group": (
        _set(
            "/subscriptions/s/providers/Microsoft.ContainerInstance/locations/here/usages",
            "value",
            0,
            "currentValue",
            value=10,
        ),
        "0 cores of StandardCores are left",
        "Quotas",
    ),
}


def test_nothing_is_found_where_nothing_is_wrong(make_settings: MakeSettings) -> None:
    assert _found(sound(), make_settings({})) == []


@pytest.mark.parametrize("name", SEEDED)
def test_a_misconfiguration_is_found_with_its_fix(name: str, make_settings: MakeSettings) -> None:
    change, told, fix = SEEDED[name]
    documents = deepcopy(sound())
    change(documents)

    (finding,) = _found(documents, make_settings({}))

    assert told in finding.found
    assert fix in finding.fix


@pytest.mark.parametrize(
    ("name", "value", "told", "fix"),
    [
        ("provisioningState", "Failed", "it is Failed", "infra/deploy"),
        ("publicNetworkAccess", "Disabled", "public network access is off", "az ml workspace update --name w"),
        ("systemDatastoresAuthMode", "Identity", "systemDatastoresAuthMode is identity", "accesskey"),
    ],
)
def test_a_workspace_that_is_not_as_infra_makes_it_is_found(
    name: str, value: str, told: str, fix: str, make_settings: MakeSettings
) -> None:
    workspace = {**DOCUMENT, "properties": {**DOCUMENT["properties"], name: value}}

    (finding,) = _found(sound(), make_settings({}), workspace)

    assert told in finding.found
    assert fix in finding.fix


def test_a_workspace_of_a_kind_that_the_sdk_does_not_know_is_found(make_settings: MakeSettings) -> None:
    (finding,) = _found(sound(), make_settings({}), {**DOCUMENT, "kind": "Hub"})

    assert finding.found == "it is a Hub, which SDK v1 cannot use"


def test_a_lock_against_deletion_of_what_no_release_deletes_is_in_nobodys_way(make_settings: MakeSettings) -> None:
    documents = sound() | {LOCKS: {"value": [_lock(WORKSPACE), _lock("/storage"), _lock("/other", "ReadOnly")]}}

    assert _found(documents, make_settings({})) == []


@pytest.mark.parametrize("half", [{}, {"properties": None}, {"value": None}, {"value": "none"}, {"value": [{}]}])
@pytest.mark.parametrize("path", sound())
def test_a_half_written_answer_is_a_finding_and_never_all_right(
    path: str, half: Document, make_settings: MakeSettings
) -> None:
    found = _found(sound() | {path: half}, make_settings({}))

    assert found, "a release would meet what nobody could look at"
    assert all(one.fix for one in found)


def test_a_missing_cluster_is_a_finding_only_for_who_may_not_create_it(make_settings: MakeSettings) -> None:
    documents = sound()
    del documents[CLUSTER]
    assert _found(documents, make_settings({})) == []

    documents[PERMISSIONS]["value"][0]["notActions"] = ["Microsoft.MachineLearningServices/workspaces/computes/*"]
    (finding,) = _found(documents, make_settings({}))
    assert finding.fix == "infra/deploy creates it"


def test_what_the_identity_may_not_see_is_unknown_and_no_finding(make_settings: MakeSettings) -> None:
    refusal = RefusedError("Azure refused to show it", found="AuthorizationFailed")
    refusal.status = 403
    documents = sound() | {"/storage": refusal, "/registry": refusal}

    assert _found(documents, make_settings({})) == []


@pytest.mark.parametrize(
    ("permissions", "allowed"),
    [
        ([{"actions": ["A/b/*"]}], True),
        ([{"actions": ["a/B/C"], "notActions": []}], True),
        ([{"actions": ["*"], "notActions": ["A/*/c"]}], False),
        ([{"actions": ["*"], "notActions": ["A/*/c"]}, {"actions": ["A/b/c"]}], True),
        ([{"actions": ["A/b/read"]}], False),
        ([], False),
    ],
)
def test_an_action_is_allowed_by_one_role_that_does_not_except_it(
    permissions: list[Document], *, allowed: bool
) -> None:
    assert allows(permissions, "A/b/c") == allowed


def test_a_release_needs_both_workspaces(make_settings: MakeSettings) -> None:
    settings = make_settings({"AZUREML_PRODUCTION_WORKSPACE_NAME": "prod-ws", "PRODUCTION_RESOURCE_GROUP": "prod-rg"})

    assert [place.workspace for place in places(settings, "training")] == ["unit-ws"]
    training, production = places(settings, "production")
    assert (training.environment, production.resource_group) == ("training", "prod-rg")
    assert production.subscription == training.subscription


@pytest.mark.parametrize(("name", "found"), [("unit-ws", 1), ("UNIT-WS", 1), ("prod-ws", 0)])
def test_a_production_that_is_the_training_workspace_is_found(
    name: str, found: int, make_settings: MakeSettings
) -> None:
    settings = make_settings({"AZUREML_PRODUCTION_WORKSPACE_NAME": name})

    assert len(list(examination._separation(settings))) == found


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ("PROBLEMS: nothing_like_it", "PROBLEMS names nothing_like_it: no such problem"),
        ("PROBLEMS: ''", "no such problem"),
        ("AGENT_IMAGE: ''", "AGENT_POOL and AGENT_IMAGE are empty"),
        ("NOTIFICATIONS: mail", "NOTIFICATIONS is mail"),
    ],
)
def test_a_setting_that_only_pipelines_read_is_looked_at(changed: str, told: str, tmp_path: Path) -> None:
    text, name = VARIABLES_FILE.read_text(encoding="utf-8"), changed.partition(":")[0]
    path = tmp_path / "variables.yml"
    path.write_text(re.sub(rf"^  {name}:.*$", f"  {changed}", text, flags=re.MULTILINE), encoding="utf-8")

    (finding,) = check_pipeline_settings(path)

    assert told in finding.found
    assert "variables.yml" in finding.fix
    assert list(check_pipeline_settings()) == []


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("ftp://hooks.example/SECRET", "does not begin with https://"),
        ("http://hooks.example/SECRET", "does not begin with https://"),
        ("https:///SECRET", "names no server"),
        ("https://SECRET@hooks.example", "contains a user or password"),
        ("https://hooks.example/SECRET", ""),
        ("http://127.0.0.1:8080/SECRET", ""),
        ("", ""),
    ],
)
def test_an_address_that_no_notification_is_sent_to_is_found(
    make_settings: MakeSettings, address: str, told: str
) -> None:
    checks = examination._checks(make_settings({"NOTIFICATION_WEBHOOK": address}), "training")
    look = next(look for check, look in checks if check == "notifications")
    found = [one for one in look() if isinstance(one, Finding)]
    assert [one.found for one in found] == (
        [f"NOTIFICATION_WEBHOOK {told}: nobody would be notified"] if told else []
    )
    assert "SECRET" not in str(found)


def test_what_no_check_could_look_at_is_counted_at_the_end() -> None:
    unknown = (Unknown("storage", "no permission"),)

    assert sentence_of(Report((), (), unknown)) == "nothing was found that would stop a release; 1 was not checked"
    assert sentence_of(Report((), (), ())) == "nothing was found that would stop a release"


def test_without_production_nothing_else_of_it_is_asked(
    make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(configured, "open_controls", None)

    report: Report = examine(make_settings({}), "production", lambda _: None)

    (finding,) = report.findings
    assert finding.fix == "fill in environments/production.yml, then infra/deploy creates it"
    assert [one.check for one in report.unknown] == ["Azure DevOps"]
