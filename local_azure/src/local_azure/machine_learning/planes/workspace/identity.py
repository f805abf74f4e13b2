"""The list of clouds, the ways to sign in and discovery: how a client finds and enters the server.

SDK callers: `_vendor.azure_cli_core.cloud.get_known_clouds`, `MsiAuthentication`, `ServicePrincipalAuthentication`
(through MSAL), `CachedServiceDiscovery`.
"""

from __future__ import annotations

import hmac
import time
from typing import Any
from urllib.parse import quote

from local_azure.machine_learning.errors import ApiError
from local_azure.machine_learning.http.call import Call
from local_azure.machine_learning.http.routing import Plane
from local_azure.machine_learning.http.tokens import Principal

PLANE = Plane("Identity and discovery", access="public")

_DISCOVERED = (
    "api", "experimentation", "history", "hyperdrive", "modelmanagement", "studio", "pipelines", "catalog",
    "inferencing", "mlflow", "notebooks",
)  # fmt: skip


def _authority(call: Call, secret: str) -> str:
    """Where a service principal signs in.

    MSAL asks login.microsoftonline.com about every authority that it does not know, unless the first part of its path
    is "adfs" (msal/authority.py). It writes addresses in lower case, so the secret must be.
    """
    return f"{call.emulator.addresses.tls}/adfs/{secret}"


def _require_start_token(call: Call, secret: str) -> None:
    if not hmac.compare_digest(secret.encode(), call.emulator.info.token.encode()):
        raise ApiError(401, "AuthenticationFailed", "This address is not of this server start.")


@PLANE.route("GET", "/metadata/endpoints")
def clouds(call: Call) -> list[dict[str, Any]]:
    """The one cloud there is; its name is Azure's, so that user code needs no other.

    Whoever brings the server's per-start token finds it again in the address where service principals sign in.
    """
    http, tls = call.emulator.addresses.http, call.emulator.addresses.tls
    secret = call.query.get("start", "")
    if secret:
        _require_start_token(call, secret)
    return [
        {
            "name": "AzureCloud",
            "portal": http,
            "resourceManager": f"{tls}/",
            "graphAudience": f"{http}/graph",
            "authentication": {
                "loginEndpoint": f"{_authority(call, secret or 'unknown')}/tenant",  # the SDK replaces the last part
                "audiences": ["https://management.localhost/"],
                "tenant": "common",
                "identityProvider": "AAD",
            },
            **dict.fromkeys(
                (
                    "media",
                    "graph",
                    "batch",
                    "sqlManagement",
                    "vmImageAliasDoc",
                    "gallery",
                    "activeDirectoryDataLake",
                ),
                http,
            ),
            "suffixes": {
                "storage": "core.windows.net",
                "keyVaultDns": "vault.localhost",
                "sqlServerHostname": "database.localhost",
                "acrLoginServer": "azurecr.localhost",
                "azureDataLakeStoreFileSystem": "adls.localhost",
                "azureDataLakeAnalyticsCatalogAndJob": "adla.localhost",
            },
        }
    ]


@PLANE.route("POST", "/msi/{secret}/token")
async def token(call: Call, secret: str) -> dict[str, str]:
    """A token for whoever knows the server's per-start token, which only this user can read.

    It is part of the address because the SDK's managed identity client posts to MSI_ENDPOINT and sends no secret.
    Asked for on nearly every call of the SDK, so it does without a thread: nothing here waits.
    """
    _require_start_token(call, secret)
    bearer, expiry = call.emulator.tokens.bearer(Principal("user"))
    return {
        "access_token": bearer,
        "expires_on": str(expiry),
        "expires_in": str(expiry - int(time.time())),
        "resource": "https://management.localhost/",
        "token_type": "Bearer",
        "client_id": "local",
    }


@PLANE.route("GET", "/adfs/{secret}/{tenant}/.well-known/openid-configuration")
def openid_configuration(call: Call, secret: str, tenant: str) -> dict[str, str]:
    """What MSAL wants to know of an authority before it asks it for a token."""
    _require_start_token(call, secret)
    authority = f"{_authority(call, secret)}/{quote(tenant)}"
    return {
        "issuer": authority,
        "authorization_endpoint": f"{authority}/oauth2/authorize",
        "token_endpoint": f"{authority}/oauth2/token",
    }


@PLANE.route("POST", "/adfs/{secret}/{tenant}/oauth2/token")
async def service_principal_token(call: Call, secret: str, tenant: str) -> dict[str, Any]:
    """A token for a service principal: any id and any password, as there is only one user. Neither is kept."""
    _ = tenant
    answer = await token(call, secret)
    return {**answer, "expires_in": int(answer["expires_in"])}


@PLANE.route("GET", "/discovery")
def discovery(call: Call) -> dict[str, str]:
    """Address of every other plane: always this server."""
    return dict.fromkeys(_DISCOVERED, call.emulator.addresses.http)
