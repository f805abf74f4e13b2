"""How the process signs in is decided by the environment alone, in a fixed order."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from azure_ml.errors import AzureMlError
from azure_ml.sign_in import Identity, Offered, authenticate
from ml_service.settings.variables import Settings

MakeSettings = Callable[[dict[str, str]], Settings]

FEDERATION = {
    "SYSTEM_OIDCREQUESTURI": "https://vstoken.invalid/oidc",
    "SYSTEM_ACCESSTOKEN": "job-token",
    "AZURE_CLIENT_ID": "11111111-1111-1111-1111-111111111111",
    "AZURE_TENANT_ID": "22222222-2222-2222-2222-222222222222",
    "AZURE_SERVICE_CONNECTION_ID": "33333333-3333-3333-3333-333333333333",
}
ENDPOINT = {"MSI_ENDPOINT": "http://127.0.0.1:1/msi/token"}


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, Identity.AZ_LOGIN),
        (ENDPOINT, Identity.MANAGED),
        ({"IDENTITY_ENDPOINT": "http://127.0.0.1:1/token"}, Identity.MANAGED_ENDPOINT),
        ({**ENDPOINT, "IDENTITY_ENDPOINT": "http://127.0.0.1:1/token"}, Identity.MANAGED),
        (FEDERATION, Identity.FEDERATED),
        ({**FEDERATION, **ENDPOINT}, Identity.FEDERATED),
        ({**FEDERATION, "AZURE_SERVICE_CONNECTION_ID": "$(SERVICE_CONNECTION)"}, Identity.AZ_LOGIN),
    ],
)
def test_the_order_is_federation_managed_identity_az_login(
    make_settings: MakeSettings, environment: dict[str, str], expected: Identity
) -> None:
    assert make_settings(environment).identity is expected


@pytest.mark.parametrize("name", FEDERATION)
def test_federation_needs_every_variable(make_settings: MakeSettings, name: str) -> None:
    settings = make_settings({key: value for key, value in FEDERATION.items() if key != name})

    assert settings.missing_for_federation == (name,)
    assert settings.identity is Identity.AZ_LOGIN


class Endpoint(HTTPServer):
    """A managed identity endpoint on loopback that notes what it was asked."""

    def __init__(self, expires_on: str) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.expires_on = expires_on
        self.asked: list[str] = []


class _Answer(BaseHTTPRequestHandler):
    server: Endpoint

    def do_POST(self) -> None:
        self.server.asked.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
        body = {"access_token": "a.b.c", "token_type": "Bearer", "expires_on": self.server.expires_on}
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture(params=["4102444800", "01/01/2100 00:00:00 +00:00"])
def endpoint(request: pytest.FixtureRequest) -> Iterator[Endpoint]:
    """An endpoint whose token ends far away, given as a number or as text."""
    with Endpoint(request.param) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_managed_identity_endpoint_is_asked_once(make_settings: MakeSettings, endpoint: Endpoint) -> None:
    settings = make_settings(
        {
            "MSI_ENDPOINT": f"http://127.0.0.1:{endpoint.server_port}/token",
            "DEFAULT_IDENTITY_CLIENT_ID": "my-identity",
        }
    )

    authentication = authenticate(settings)

    assert authentication.get_authentication_header() == {"Authorization": "Bearer a.b.c"}
    assert len(endpoint.asked) == 1
    assert "client_id=my-identity" in endpoint.asked[0]


def test_without_az_the_message_says_how_to_sign_in(
    make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = make_settings({})
    monkeypatch.setenv("PATH", "/nonexistent")

    with pytest.raises(AzureMlError) as caught:
        authenticate(settings)

    assert caught.value.happened == "could not sign in to Azure by az login"
    assert "Azure CLI not found" in caught.value.found
    assert "az login" in caught.value.todo


def test_on_an_agent_the_message_names_what_federation_lacks(
    make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = make_settings({"SYSTEM_OIDCREQUESTURI": "https://vstoken.invalid/oidc"})
    monkeypatch.setenv("PATH", "/nonexistent")

    with pytest.raises(AzureMlError) as caught:
        authenticate(settings)

    assert "SYSTEM_ACCESSTOKEN, AZURE_CLIENT_ID, AZURE_TENANT_ID, AZURE_SERVICE_CONNECTION_ID" in caught.value.todo


def test_a_managed_identity_endpoint_that_does_not_answer_is_named(
    make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(AzureMlError) as caught:
        authenticate(make_settings(ENDPOINT))

    assert caught.value.happened == "could not sign in to Azure by managed identity"
    assert caught.value.exit_code == 1


TASK = {
    "AZURESUBSCRIPTION_CLIENT_ID": "client",
    "AZURESUBSCRIPTION_TENANT_ID": "tenant",
    "AZURESUBSCRIPTION_SERVICE_CONNECTION_ID": "connection",
    "SYSTEM_OIDCREQUESTURI": "https://dev.azure.com/oidc",
}
AMBIENT = {"MSI_ENDPOINT": "http://127.0.0.1:1/msi", "IDENTITY_ENDPOINT": "http://127.0.0.1:1/identity"}


@pytest.mark.parametrize(
    ("offered", "identity"),
    [
        ({**TASK, "SYSTEM_ACCESSTOKEN": "token", **AMBIENT}, Identity.FEDERATED),
        ({**TASK, **AMBIENT}, Identity.AZ_LOGIN),
        (AMBIENT, Identity.MANAGED),
    ],
)
def test_the_approved_connection_wins_over_the_identity_of_the_agent(
    offered: dict[str, str], identity: Identity
) -> None:
    found = Offered(**{name.lower(): value for name, value in offered.items()})  # type: ignore[arg-type]

    assert found.identity is identity
    assert found.connection_id == offered.get("AZURESUBSCRIPTION_SERVICE_CONNECTION_ID", "")
