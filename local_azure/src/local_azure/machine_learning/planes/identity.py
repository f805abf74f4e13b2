"""The list of clouds, the managed identity endpoint and discovery: how a client finds and enters the server.

SDK callers: `_vendor.azure_cli_core.cloud.get_known_clouds`, `MsiAuthentication`, `CachedServiceDiscovery`.
"""

from __future__ import annotations

import hmac
import time
from typing import Any

from local_azure.machine_learning.call import Call
from local_azure.machine_learning.errors import ApiError
from local_azure.machine_learning.routing import Plane
from local_azure.machine_learning.tokens import Principal

PLANE = Plane("Identity and discovery", access="public")

_DISCOVERED = (
    "api", "experimentation", "history", "hyperdrive", "modelmanagement", "studio", "pipelines", "catalog",
    "inferencing", "mlflow", "notebooks",
)  # fmt: skip


@PLANE.route("GET", "/metadata/endpoints")
def clouds(call: Call) -> list[dict[str, Any]]:
    """The one cloud there is; its name is Azure's, so that user code needs no other."""
    http, tls = call.emulator.addresses.http, call.emulator.addresses.tls
    return [
        {
            "name": "AzureCloud",
            "portal": http,
            "resourceManager": f"{tls}/",
            "graphAudience": f"{http}/graph",
            "authentication": {
                "loginEndpoint": f"{tls}/login",
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
    if not hmac.compare_digest(secret.encode(), call.emulator.info.token.encode()):
        raise ApiError(401, "AuthenticationFailed", "MSI_ENDPOINT is not that of this server start.")
    bearer, expiry = call.emulator.tokens.bearer(Principal("user"))
    return {
        "access_token": bearer,
        "expires_on": str(expiry),
        "expires_in": str(expiry - int(time.time())),
        "resource": "https://management.localhost/",
        "token_type": "Bearer",
        "client_id": "local",
    }


@PLANE.route("GET", "/discovery")
def discovery(call: Call) -> dict[str, str]:
    """Address of every other plane: always this server."""
    return dict.fromkeys(_DISCOVERED, call.emulator.addresses.http)
