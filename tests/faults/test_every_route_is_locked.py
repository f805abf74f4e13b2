"""The whole table of routes: without a token, with a run's token where only the person may go, elsewhere."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qsl

import pytest
import requests

from local_azure.machine_learning.domain.access.signatures import Signatures
from local_azure.machine_learning.domain.workspace.coordinates import PRODUCTION_NAME, WORKSPACE_NAME
from local_azure.machine_learning.http.routing import Route
from local_azure.machine_learning.planes.table import ROUTES
from tests.faults.fault_server import Machine, scope

PUBLIC = {
    "/metadata/endpoints",
    "/msi/{secret}/token",
    "/adfs/{secret}/{tenant}/.well-known/openid-configuration",
    "/adfs/{secret}/{tenant}/oauth2/token",
    "/discovery",
}


def address(route: Route, workspace: str = WORKSPACE_NAME) -> str:
    """A path that the route matches."""
    return re.sub(r"\{[^}]+\}", "anything", route.path.replace("{W}", scope(workspace)))


def named(routes: list[Route]) -> list[Any]:
    """Parameters with readable names."""
    return [pytest.param(route, id=f"{route.method} {route.path}".replace("{W}", "W")) for route in routes]


def ask(machine: Machine, route: Route, token: str | None, workspace: str = WORKSPACE_NAME) -> requests.Response:
    """A request of this route with a token or without."""
    headers = {"Authorization": f"Bearer {token}" if token else None}
    return machine.send(route.method, address(route, workspace), {}, headers=headers)


@pytest.fixture(scope="module")
def run_token(shared: Machine) -> str:
    """The token of a run in the development workspace."""
    shared.create_run("locked")
    return str(shared.get(f"/history/v1.0{scope()}/experiments/faults/runs/locked/token")["token"])


@pytest.mark.parametrize("route", named([route for route in ROUTES if route.access in ("user", "any")]))
def test_nothing_is_to_be_had_without_a_token(shared: Machine, route: Route) -> None:
    for token in (None, "", "a.b.c", shared.info.token):
        answer = ask(shared, route, token)
        assert answer.status_code == 401, (token, answer.text)


@pytest.mark.parametrize("route", named([route for route in ROUTES if route.access == "user"]))
def test_a_run_does_not_reach_what_is_the_persons(shared: Machine, run_token: str, route: Route) -> None:
    answer = ask(shared, route, run_token)
    assert answer.status_code == 401
    assert "A run's token" in answer.text


@pytest.mark.parametrize("route", named([route for route in ROUTES if "{W}" in route.path]))
def test_a_run_does_not_reach_another_workspace(shared: Machine, run_token: str, route: Route) -> None:
    answer = ask(shared, route, run_token, PRODUCTION_NAME)
    assert answer.status_code == 401
    assert "A run's token" in answer.text


@pytest.mark.parametrize("route", named([route for route in ROUTES if route.access == "signature"]))
def test_blobs_need_a_signature(shared: Machine, run_token: str, route: Route) -> None:
    for token in (None, run_token, str(shared._session.headers["Authorization"]).split()[1]):
        answer = ask(shared, route, token)
        assert answer.status_code == 403
        assert answer.headers["x-ms-error-code"] == "AuthenticationFailed"


def test_what_is_open_to_all_is_known_here() -> None:
    assert {route.path for route in ROUTES if route.access == "public"} == PUBLIC


def test_a_route_without_a_workspace_is_the_persons() -> None:
    """Else a run's token would count in every workspace there."""
    assert not [route.path for route in ROUTES if route.access == "any" and "{W}" not in route.path]


def test_a_signature_is_for_one_blob_even_when_its_name_has_lines(shared: Machine) -> None:
    """Signed words that are merely joined by line ends could be read as another container and another blob."""
    signatures = Signatures()
    query = dict(parse_qsl(signatures.query("azureml-a", "azureml-b\nsecret", "r")))
    shifted = {**query, "sp": f"r\n{query['se']}", "se": "azureml-a"}
    assert signatures.allows(query, "azureml-a", "azureml-b\nsecret", "r")
    assert not signatures.allows(shifted, "azureml-b", "secret", "r")
    container, signature = shared.signature()
    odd = f"{shared.info.base_url}/{container}/azureml-b%0Asecret?{signature}"
    assert requests.put(odd, data=b"x", timeout=20).status_code in (400, 401), "no route has such a name"
