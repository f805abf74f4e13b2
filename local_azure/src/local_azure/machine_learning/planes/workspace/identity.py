"""The list of clouds, the ways to sign in and discovery: how a client finds and enters the server.

SDK callers: `_vendor.azure_cli_core.cloud.get_known_clouds`, `MsiAuthentication`, `ServicePrincipalAuthentication`
(through MSAL), `CachedServiceDiscovery`.
"""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import quote

from local_azure.machine_learning.domain.access.addresses import CLOUD_NAME, Addresses
from local_azure.machine_learning.domain.access.denials import Denials
from local_azure.machine_learning.domain.access.sign_in import SignInSecrets
from local_azure.machine_learning.domain.access.tokens import Tokens
from local_azure.machine_learning.http.call import Call
from local_azure.machine_learning.http.routing import Plane
from local_azure.machine_learning.processes.step.sign_in import NOBODY

PLANE = Plane("Identity and discovery", access="public")

_AZURE = "AzureCloud"
_DISCOVERED = (
    "api", "catalog", "experimentation", "history", "hyperdrive", "labeling", "modelmanagement", "pipelines",
    "studio",
)  # fmt: skip
# What a cloud has besides, and no one here asks for.
_OTHER_ENDPOINTS = (
    "media", "graph", "batch", "sqlManagement", "vmImageAliasDoc", "gallery", "activeDirectoryDataLake",
)  # fmt: skip
_SUFFIXES = {
    "storage": "core.windows.net",
    "keyVaultDns": "vault.localhost",
    "sqlServerHostname": "database.localhost",
    "acrLoginServer": "azurecr.localhost",
    "azureDataLakeStoreFileSystem": "adls.localhost",
    "azureDataLakeAnalyticsCatalogAndJob": "adla.localhost",
}


def _authority(addresses: Addresses, secret: str) -> str:
    """Where a service principal signs in.

    MSAL asks login.microsoftonline.com about every authority that it does not know, unless the first part of its path
    is "adfs" (msal/authority.py). It writes addresses in lower case, so the secret must be.
    """
    return f"{addresses.tls}/adfs/{secret}"


@PLANE.route("GET", "/metadata/endpoints")
def clouds(call: Call, addresses: Addresses, sign_in: SignInSecrets) -> list[dict[str, Any]]:
    """The one cloud there is, under a name of its own; and under Azure's, for programs that ask for that one.

    A client that sends its secret gets it in the address where service principals sign in.
    """
    secret = call.query.get("start", "")
    if secret:
        sign_in.principal(secret)
    login = f"{_authority(addresses, secret)}/tenant" if secret else f"{addresses.tls}{NOBODY}tenant"
    return [_cloud(addresses, name, login) for name in (CLOUD_NAME, _AZURE)]


def _cloud(addresses: Addresses, name: str, login: str) -> dict[str, Any]:
    http = addresses.http
    return {
        "name": name,
        "portal": http,
        "resourceManager": f"{addresses.tls}/",
        "graphAudience": f"{http}/graph",
        "authentication": {
            "loginEndpoint": login,  # the SDK replaces the last part
            "audiences": ["https://management.localhost/"],
            "tenant": "common",
            "identityProvider": "AAD",
        },
        **dict.fromkeys(_OTHER_ENDPOINTS, http),
        "suffixes": _SUFFIXES,
    }


@PLANE.route("POST", "/msi/{secret}/token")
async def token(tokens: Tokens, sign_in: SignInSecrets, denials: Denials, *, secret: str) -> dict[str, str]:
    """Issue a token to a client that knows a secret: the person's for the start token, a step its run's.

    It is part of the address because the SDK's managed identity client posts to MSI_ENDPOINT and sends no secret.
    Asked for on nearly every call of the SDK, so it does without a thread: nothing here waits.
    """
    principal = sign_in.principal(secret)
    # A step renews the token of its run, which no job's sign-in can end.
    bearer, expiry = tokens.bearer(principal, denials.token_end() if principal.scope == "user" else None)
    return {
        "access_token": bearer,
        "expires_on": str(expiry),
        "expires_in": str(expiry - int(time.time())),
        "resource": "https://management.localhost/",
        "token_type": "Bearer",
        "client_id": "local",
    }


@PLANE.route("GET", "/adfs/{secret}/{tenant}/.well-known/openid-configuration")
def openid_configuration(addresses: Addresses, sign_in: SignInSecrets, *, secret: str, tenant: str) -> dict[str, str]:
    """What MSAL wants to know of an authority before it asks it for a token."""
    sign_in.principal(secret)
    authority = f"{_authority(addresses, secret)}/{quote(tenant)}"
    return {
        "issuer": authority,
        "authorization_endpoint": f"{authority}/oauth2/authorize",
        "token_endpoint": f"{authority}/oauth2/token",
    }


@PLANE.route("POST", "/adfs/{secret}/{tenant}/oauth2/token")
async def service_principal_token(
    tokens: Tokens, sign_in: SignInSecrets, denials: Denials, *, secret: str
) -> dict[str, Any]:
    """A token for a service principal: any id and any password, as there is only one user. Neither is kept."""
    answer = await token(tokens, sign_in, denials, secret=secret)
    return {**answer, "expires_in": int(answer["expires_in"])}


@PLANE.route("GET", "/discovery", recorded=True)
def discovery(addresses: Addresses) -> dict[str, str]:
    """Address of every other plane: always this server. "studio" is where the SDK's links to its portal lead."""
    return {**dict.fromkeys(_DISCOVERED, addresses.http), "studio": addresses.studio}
