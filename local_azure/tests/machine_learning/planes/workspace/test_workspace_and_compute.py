"""Identity, Azure Resource Manager, discovery and compute, through the real client."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from local_azure.machine_learning.storage.state import ServerInfo


def test_a_workspace_says_that_it_is_a_rehearsal(ws: Any) -> None:
    assert ws.tags == {"evidence": "local rehearsal"}


def test_from_config_finds_the_same_workspace(ws: Any, folder: Path) -> None:
    from azureml.core import Workspace

    (folder / ".azureml").mkdir()
    ws.write_config(path=str(folder))
    assert Workspace.from_config()._workspace_id == ws._workspace_id


def test_an_unknown_workspace_is_told_from_a_broken_call(ws: Any) -> None:
    from azureml.core import Workspace

    with pytest.raises(Exception, match="Workspace not found"):
        Workspace.get("nowhere", subscription_id=ws.subscription_id, resource_group=ws.resource_group)


def test_workspaces_of_a_group_are_listed(ws: Any) -> None:
    from azureml.core import Workspace

    assert ws.name in Workspace.list(ws.subscription_id, resource_group=ws.resource_group)


def test_compute_is_created_waited_for_and_listed(ws: Any, unique: Callable[[str], str]) -> None:
    from azureml.core.compute import AmlCompute, ComputeTarget

    name = unique("cpu").replace("-", "")[:16]
    settings = AmlCompute.provisioning_configuration(vm_size="STANDARD_DS3_V2", max_nodes=3)
    target = ComputeTarget.create(ws, name, settings)
    target.wait_for_completion(show_output=False)
    found = AmlCompute(ws, name)
    assert found.provisioning_state == "Succeeded"
    assert found.scale_settings.maximum_node_count == 3
    assert name in ws.compute_targets


def test_compute_is_changed_asked_and_deleted(ws: Any, unique: Callable[[str], str]) -> None:
    from azureml.core.compute import AmlCompute, ComputeTarget
    from azureml.exceptions import ComputeTargetException

    name = unique("cpu").replace("-", "")[:16]
    target = ComputeTarget.create(ws, name, AmlCompute.provisioning_configuration("STANDARD_DS3_V2", max_nodes=3))
    target.update(max_nodes=5)
    target.refresh_state()
    assert target.scale_settings.maximum_node_count == 5
    assert target.list_nodes() == []
    assert target.get_status().allocation_state == "Steady"
    assert "Standard_DS3_v2" in [size["name"] for size in AmlCompute.supported_vmsizes(ws)]
    target.delete()
    target.wait_for_completion(is_delete_operation=True)
    with pytest.raises(ComputeTargetException, match="ComputeTargetNotFound"):
        ComputeTarget(ws, name)


@pytest.mark.parametrize(
    ("name", "size", "said"),
    [
        ("cpu-1", "STANDARD_DS3_V2", "not a name for compute"),
        ("cpu", "HUGE", "not a size of virtual machines"),
    ],
)
def test_compute_that_azure_would_refuse(ws: Any, name: str, size: str, said: str) -> None:
    from azureml.core.compute import AmlCompute, ComputeTarget
    from azureml.exceptions import ComputeTargetException

    with pytest.raises(ComputeTargetException, match=said):
        ComputeTarget.create(ws, name, AmlCompute.provisioning_configuration(size, max_nodes=1))


def test_other_kinds_of_compute_are_refused_by_name(ws: Any) -> None:
    from azureml.core.compute import AksCompute, ComputeTarget
    from azureml.exceptions import ComputeTargetException

    with pytest.raises(ComputeTargetException, match="compute of type AKS"):
        ComputeTarget.create(ws, "aks", AksCompute.provisioning_configuration())


def test_a_workspace_is_described_anew(ws: Any) -> None:
    from azureml.core import Workspace

    other = Workspace.get("local-production", subscription_id=ws.subscription_id, resource_group=ws.resource_group)
    before = other.get_details()
    other.update(friendly_name="Production", description="of a test", tags={**other.tags, "owner": "me"})
    found = Workspace(ws.subscription_id, ws.resource_group, "local-production")
    assert found.tags == {"evidence": "local rehearsal", "owner": "me"}
    assert found.get_details()["friendlyName"] == "Production"
    other.update(friendly_name=before["friendlyName"], description=before["description"], tags=before["tags"])
    with pytest.raises(Exception, match="imageBuildCompute"):
        other.update(image_build_compute="cluster")


def test_a_missing_compute_is_told_from_a_broken_call(ws: Any) -> None:
    from azureml.core.compute import ComputeTarget
    from azureml.exceptions import ComputeTargetException

    with pytest.raises(ComputeTargetException, match="no-such-compute"):
        ComputeTarget(ws, "no-such-compute")


def test_what_is_not_implemented_is_refused_by_name(ws: Any, server: ServerInfo) -> None:
    header = ws._auth_object.get_authentication_header()
    answer = requests.get(f"{server.base_url}/no/such/plane", headers=header, timeout=5)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "NotImplemented"
    assert "GET /no/such/plane" in answer.text
    assert "COVERAGE.md" in answer.text


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": "Bearer a.b.c"}, 401),
        ({"Authorization": "Bearer \u00e9".encode()}, 401),
        ({"Host": "evil.example"}, 421),
    ],
)
def test_the_door_is_closed(ws: Any, server: ServerInfo, headers: dict[str, str], status: int) -> None:
    address = f"{server.base_url}/history/v1.0{ws.service_context._get_workspace_scope()}/experiments/x"
    assert requests.get(address, headers=headers, timeout=5).status_code == status


def test_writes_from_web_pages_are_refused(server: ServerInfo) -> None:
    headers = {"Origin": "http://evil.example"}
    answer = requests.post(f"{server.base_url}/msi/{server.token}/token", headers=headers, timeout=5)
    assert answer.status_code == 403


def test_a_token_is_given_to_its_holder_only(server: ServerInfo) -> None:
    assert requests.post(f"{server.base_url}/msi/wrong/token", timeout=5).status_code == 401
    good = requests.post(f"{server.base_url}/msi/{server.token}/token", timeout=5)
    assert json.loads(good.text)["token_type"] == "Bearer"


@pytest.mark.usefixtures("server")
def test_who_asks_for_a_workspace_of_another_subscription_is_told_how_to_make_it() -> None:
    from azureml.core import Workspace

    with pytest.raises(Exception, match="local_azure workspace create"):
        Workspace.get("somewhere", subscription_id="11111111-2222-3333-4444-555555555555", resource_group="else")


def test_workspaces_are_listed_without_a_resource_group(ws: Any) -> None:
    from azureml.core import Workspace

    assert {"local-development", "local-production"} <= set(Workspace.list(ws.subscription_id))


@pytest.mark.parametrize("location", ["local", "West Europe"])
def test_to_create_a_workspace_that_exists_returns_it_when_asked(ws: Any, location: str) -> None:
    from azureml.core import Workspace

    coordinates = {"subscription_id": ws.subscription_id, "resource_group": ws.resource_group}
    found = Workspace.create(ws.name, **coordinates, location=location, exist_ok=True)
    assert found.get_details()["workspaceid"] == ws.get_details()["workspaceid"]
    with pytest.raises(Exception, match="already exists"):
        Workspace.create(ws.name, **coordinates, location=location)
