"""Where things come from and where they went: a build, its runs and models, the services of the same bytes."""

from __future__ import annotations

from typing import Any

import pytest
from pipeline_run_fixtures import Rehearsal  # type: ignore[import-not-found]
from studio_fixtures import Studio  # type: ignore[import-not-found]

from local_azure.machine_learning.clock import timestamp
from local_azure.machine_learning.domain.serving import models
from local_azure.machine_learning.domain.workspace.workspaces import Workspace

W = "/studio/w/local-development"
RUN_ID = "89fa6c64-a56d-4e0c-a57e-bb1eff4c82a8"


def register(studio: Studio, workspace: Workspace, content: bytes, **more: Any) -> None:
    """Register a version of the model `sales` that consists of one file."""
    number = len(models.find(studio.store, workspace, {}, latest_only=False)) + 1
    path = studio.files.path(workspace.artifact_container, f"up/{number}/model/model.json")
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    asset = models.create_asset(studio.store, workspace, {"artifacts": [{"prefix": f"up/{number}/model"}]})
    models.register(studio.store, workspace, {"name": "sales", "url": f"aml://asset/{asset['id']}", **more})


def deploy(studio: Studio, workspace: Workspace, name: str, model_id: str) -> None:
    """Have a healthy service that holds a model."""
    service = {
        "name": name, "state": "Healthy", "computeType": "ACI", "kvTags": {}, "properties": {},
        "environmentImageRequest": {"modelIds": [model_id]}, "updatedTime": timestamp(), "createdTime": timestamp(),
        "scoringUri": "", "authEnabled": False, "keys": {}, "description": "", "error": None,
    }  # fmt: skip
    studio.store.put(workspace.id, "service", name, service)


@pytest.fixture
def production(studio: Studio) -> Workspace:
    """Two versions, the second one overridden and made by build 1; its copy serves in another workspace."""
    there: Workspace = studio.workspaces.ensure("sub", "group", "local-production")
    studio.run(RUN_ID, properties={"build_id": "1"}, displayName="sales training")
    register(studio, studio.workspace, b"first")
    told = {"build_id": "1", "run_id": RUN_ID}
    tags = {"override_by": "Ada", "override_reason": "<the campaign>"}
    register(studio, studio.workspace, b"second", kvTags=tags, properties=told)
    register(studio, there, b"second", properties=told)
    deploy(studio, studio.workspace, "sales-test", "sales:1")
    deploy(studio, there, "sales", "sales:1")
    Rehearsal(studio.state.pipeline_runs)
    return there


@pytest.mark.usefixtures("production")
def test_a_model_leads_to_services_of_the_same_bytes_in_all_workspaces(studio: Studio) -> None:
    second, first = studio.get(f"{W}/models/sales?version=2"), studio.get(f"{W}/models/sales?version=1")
    assert "/studio/w/local-production/services/sales" in second and "sales-test" not in second
    assert f"{W}/services/sales-test" in first and "local-production/services" not in first


@pytest.mark.usefixtures("production")
def test_lists_of_one_workspace_name_the_services_of_all(studio: Studio) -> None:
    there = "/studio/w/local-production/services/sales"
    lineage = studio.get(f"{W}/runs/{RUN_ID}").split("<h2>Lineage</h2>")[1]
    assert f'href="{there}"' in lineage and "in local-production" in lineage
    assert "(version 1 of workspace local-production)" in studio.get(f"{W}/models")
    own, others = studio.get(f"{W}/services").split("Services of the other workspaces</h2>")
    assert f'href="{there}"' in others and there not in own and "/services/sales-test" in own


def test_a_service_leads_to_what_made_it_and_to_others_of_its_model(studio: Studio, production: Workspace) -> None:
    deploy(studio, studio.workspace, "also", "sales:2")
    page = studio.get(f"/studio/w/{production.name}/services/sales")
    assert f'<a href="{W}/runs/{RUN_ID}">run sales training' in page and 'href="/studio/builds/1"' in page
    assert f'href="{W}/services/also"' in page and "sales-test" not in page
    assert "no other service of any workspace" in studio.get(f"{W}/services/sales-test")
    tags = {"deployment": RUN_ID, "elsewhere": "0" * 36}
    studio.store.update(production.id, "service", "sales", lambda service: service.update(kvTags=tags))
    row = studio.get(f"/studio/w/{production.name}/services/sales").split("Its tag ")[1].partition("</tr>")[0]
    assert "deployment" in row and f'href="{W}/runs/{RUN_ID}"' in row and "/studio/builds/1" in row


@pytest.mark.usefixtures("production")
def test_an_override_is_seen_at_every_version(studio: Studio) -> None:
    for version, least in (("2", 2), ("1", 1)):
        page = studio.get(f"{W}/models/sales?version={version}")
        assert page.count("</span> override_by: Ada</span>") == least, "at the top and in the list of versions"
    assert "</span> override_reason: &lt;the campaign&gt;" in studio.get(f"{W}/models")


@pytest.mark.usefixtures("production")
def test_tags_of_versions_are_shown_as_they_are_set_and_amber_ones_are_never_cut(studio: Studio) -> None:
    tags = {**{f"tag{number}": "x" for number in range(7)}, "role": "first of all", "override_by": "Eve"}
    register(studio, studio.workspace, b"third", kvTags=tags)
    for page in (studio.get(f"{W}/models"), studio.get(f"{W}/models/sales?version=1")):
        assert "</span> override_by: Eve</span>" in page
        assert "tag4: x" in page and "tag5: x" not in page, "six of them"
    register(studio, studio.workspace, b"fourth", kvTags={"champion": "sales", "role": "first of all"})
    page = studio.get(f"{W}/models/sales?version=4")
    assert '<span class="tag">champion: sales</span><span class="tag">role: first of all</span>' in page
    assert "★" not in page, "no tag means more to the studio than another one"


def test_a_build_and_what_it_has_made_lead_to_each_other(studio: Studio, production: Workspace) -> None:
    made = studio.get("/studio/builds/1").split('id="made"')[1]
    for link in (
        f"{W}/runs/{RUN_ID}", f"{W}/models/sales?version=2", "/studio/w/local-production/models/sales?version=1",
        "/studio/w/local-production/services/sales",
    ):  # fmt: skip
        assert f'href="{link}"' in made
    assert "sales-test" not in made and "?version=1" not in made.replace("production/models/sales?version=1", "")
    for path in (f"{W}/runs/{RUN_ID}", f"{W}/models/sales", f"/studio/w/{production.name}/models/sales"):
        assert '<a href="/studio/builds/1">pipeline run 20261130.1' in studio.get(path), path


def test_a_copy_leads_to_the_run_of_the_other_workspace(studio: Studio, production: Workspace) -> None:
    assert f'href="{W}/runs/{RUN_ID}"' in studio.get(f"/studio/w/{production.name}/models/sales")


@pytest.mark.usefixtures("production")
def test_builds_that_are_gone_or_of_elsewhere_are_no_links(studio: Studio) -> None:
    for told in ("2", "local-20261130T101010Z", "¹", "9" * 30):
        register(studio, studio.workspace, b"third", properties={"build_id": told})
        assert "/studio/builds/" not in studio.get(f"{W}/models/sales").split("<main")[1]
