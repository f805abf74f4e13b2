"""Sign in with one explicit identity and open a workspace.

The SDK's own default is never used: on a build agent it can end in a prompt for a device code that nobody answers.
One explicit object is built instead, from what the machine offers, in this order:

1. the federated credential of an Azure Pipelines service connection,
2. a managed identity endpoint,
3. the login of the az command line.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol, assert_never

from pydantic import BaseModel, SecretStr

from azure_ml.errors import AzureMlError
from azure_ml.sdk_errors import message_of
from azure_ml.workspace import Calls, Workspace

_CLOUD = "AzureCloud"
_MANAGEMENT = "https://management.core.windows.net//.default"
_RENEW_BEFORE_SECONDS = 300
_UNTOLD_LIFETIME_SECONDS = 600  # of a token whose end cannot be read; tokens live for hours
_AZ_SECONDS = 30
_DENIED = ("authorizationfailed", "forbidden", "403", "unauthorized", "401")


class Identity(StrEnum):
    """How this process signs in."""

    FEDERATED = "Azure Pipelines service connection"
    MANAGED = "managed identity"
    MANAGED_ENDPOINT = "managed identity (identity endpoint)"
    AZ_LOGIN = "az login"


class Offered(BaseModel):
    """What the machine offers to sign in with, by the names of the variables; empty where it offers nothing."""

    system_oidcrequesturi: str = ""
    system_accesstoken: SecretStr = SecretStr("")
    azure_client_id: str = ""
    azure_tenant_id: str = ""
    azure_service_connection_id: str = ""
    azuresubscription_client_id: str = ""
    azuresubscription_tenant_id: str = ""
    azuresubscription_service_connection_id: str = ""
    msi_endpoint: str = ""
    identity_endpoint: str = ""
    default_identity_client_id: str = ""

    @property
    def missing_for_federation(self) -> tuple[str, ...]:
        """Names of the variables of a service connection that have no value; empty when it is configured."""
        found = {
            "SYSTEM_OIDCREQUESTURI": self.system_oidcrequesturi,
            "SYSTEM_ACCESSTOKEN": self.system_accesstoken.get_secret_value(),
            "AZURE_CLIENT_ID": self.client_id,
            "AZURE_TENANT_ID": self.tenant_id,
            "AZURE_SERVICE_CONNECTION_ID": self.connection_id,
        }
        return tuple(name for name, value in found.items() if not value)

    @property
    def client_id(self) -> str:
        """Of the service connection: as the task AzureCLI@2 exports it, else as a pipeline maps it."""
        return self.azuresubscription_client_id or self.azure_client_id

    @property
    def tenant_id(self) -> str:
        """Of the service connection."""
        return self.azuresubscription_tenant_id or self.azure_tenant_id

    @property
    def connection_id(self) -> str:
        """Of the service connection that the step was approved for; empty where no such step runs."""
        return self.azuresubscription_service_connection_id or self.azure_service_connection_id

    @property
    def identity(self) -> Identity:
        """The way to sign in; nothing is contacted.

        A self-hosted agent may have an identity of its own: the connection that was approved wins over it.
        """
        if not self.missing_for_federation:
            return Identity.FEDERATED
        if self.azuresubscription_service_connection_id:
            return Identity.AZ_LOGIN
        if self.msi_endpoint:
            return Identity.MANAGED
        if self.identity_endpoint:
            return Identity.MANAGED_ENDPOINT
        return Identity.AZ_LOGIN


@dataclass(frozen=True)
class AccessToken:
    """A bearer token and the second (since 1970) at which it ends."""

    token: str
    expires_on: int


class Credential(Protocol):
    """What azure-identity's credentials have in common."""

    def get_token(self, *scopes: str) -> Any:
        """Return an object with `token` and `expires_on` for one scope."""


class TokenCache:
    """Keep one token an audience until shortly before it ends.

    The SDK asks for a token with nearly every call and caches nothing itself; the az credential would start the az
    program each time (azureml/core/authentication.py, TokenAuthentication).
    """

    def __init__(
        self, credential: Credential, calls: Calls | None = None, now: Callable[[], float] = time.time
    ) -> None:
        self._credential = credential
        self._calls = calls or Calls()
        self._now = now
        self._tokens: dict[str, AccessToken] = {}

    def __call__(self, audience: str) -> str:
        """The token text for an audience such as `https://management.core.windows.net/`."""
        self._calls()
        held = self._tokens.get(audience)
        if held is None or held.expires_on - self._now() < _RENEW_BEFORE_SECONDS:
            fresh = self._credential.get_token(f"{audience}/.default")
            held = AccessToken(token=fresh.token, expires_on=int(fresh.expires_on))
            self._tokens[audience] = held
        return held.token


class ManagedIdentity:
    """A token of the machine's identity from MSI_ENDPOINT.

    The same client as in the SDK's MsiAuthentication (msrestazure), which asks the endpoint twice for every call.
    """

    def __init__(self, client_id: str) -> None:
        self._identity = {"client_id": client_id} if client_id else {}

    def get_token(self, *scopes: str) -> AccessToken:
        """Ask the endpoint for one scope. Raises: what `requests` raises."""
        from msrestazure.azure_active_directory import MSIAuthentication

        answer = MSIAuthentication(resource=scopes[0].removesuffix("/.default"), **self._identity).token
        expires_on = str(answer["expires_on"])
        if not expires_on.isdigit():  # some endpoints answer with a date as text
            expires_on = str(int(time.time()) + _UNTOLD_LIFETIME_SECONDS)
        return AccessToken(token=answer["access_token"], expires_on=int(expires_on))


def authenticate(offered: Offered, calls: Calls | None = None) -> Any:
    """Build the SDK's authentication object and prove that it yields a token. calls: asked before each call.

    Raises: AzureMlError that names the way tried and how to repair it.
    """
    from azure.core.exceptions import AzureError
    from azureml.core.authentication import TokenAuthentication
    from azureml.exceptions import AzureMLException

    try:
        authentication = TokenAuthentication(TokenCache(_credential(offered), calls), cloud=_CLOUD)
        authentication.get_authentication_header()
    except (AzureError, AzureMLException, OSError, ValueError, RuntimeError) as error:
        raise _sign_in_failed(offered, error) from error
    return authentication


def token_end(offered: Offered) -> int:
    """When a token that is issued now ends, in seconds since 1970. Raises: AzureMlError as `authenticate`."""
    from azure.core.exceptions import AzureError

    try:
        return int(_credential(offered).get_token(_MANAGEMENT).expires_on)
    except (AzureError, OSError, ValueError, RuntimeError) as error:
        raise _sign_in_failed(offered, error) from error


def _credential(offered: Offered) -> Credential:
    from azure.identity import AzureCliCredential, AzurePipelinesCredential, ManagedIdentityCredential

    client_id = offered.default_identity_client_id or offered.azure_client_id
    match offered.identity:
        case Identity.FEDERATED:
            return AzurePipelinesCredential(
                tenant_id=offered.tenant_id,
                client_id=offered.client_id,
                service_connection_id=offered.connection_id,
                system_access_token=offered.system_accesstoken.get_secret_value(),
            )
        case Identity.MANAGED:
            return ManagedIdentity(client_id)
        case Identity.MANAGED_ENDPOINT:
            # The SDK's client knows MSI_ENDPOINT only and would ask the address of a virtual machine instead.
            return ManagedIdentityCredential(client_id=client_id or None)
        case Identity.AZ_LOGIN:
            return AzureCliCredential(tenant_id=offered.tenant_id, process_timeout=_AZ_SECONDS)
        case never:
            assert_never(never)


def _sign_in_failed(offered: Offered, error: Exception) -> AzureMlError:
    identity, todo = offered.identity, "check that the identity exists and may use the workspace"
    if identity is Identity.FEDERATED:
        todo = "check the service connection: the pipeline must be authorized, its federated credential valid"
    elif identity is Identity.AZ_LOGIN and offered.system_oidcrequesturi:
        missing = ", ".join(offered.missing_for_federation)
        todo = f"on Azure Pipelines pass {missing} to the step, so that the service connection can sign in"
    elif identity is Identity.AZ_LOGIN:
        todo = "install the Azure CLI and run `az login`"
    return AzureMlError(f"could not sign in to Azure by {identity.value}", found=_told(offered, error), todo=todo)


def _told(offered: Offered, error: Exception) -> str:
    """What the service said of a sign-in, without the address of the endpoint, which may hold a secret."""
    text = message_of(error)
    for endpoint in (offered.msi_endpoint, offered.identity_endpoint):
        text = text.replace(endpoint, "the identity endpoint") if endpoint else text
    body = str(getattr(getattr(error, "response", None), "text", "") or "")
    said = re.search(r"AADSTS\d+: [^\"]{1,200}", body)
    return f"{text}\n{said[0]}" if said else text


@dataclass(frozen=True)
class Address:
    """Where a workspace lies, and which settings said so."""

    name: str
    resource_group: str
    subscription: str
    said_by: str

    def __str__(self) -> str:
        return f"workspace {self.name} in resource group {self.resource_group}"


def open_workspace(offered: Offered, address: Address) -> Workspace:
    """Sign in and get a workspace.

    Raises: AzureMlError when signing in fails, the workspace does not exist or access to it is denied.
    """
    from azureml.core import Workspace as SdkWorkspace
    from azureml.exceptions import AzureMLException

    calls = Calls()
    authentication = authenticate(offered, calls)
    try:
        sdk = SdkWorkspace.get(
            name=address.name,
            subscription_id=address.subscription,
            resource_group=address.resource_group,
            auth=authentication,
        )
    except AzureMLException as error:
        raise _not_opened(address, message_of(error)) from error
    return Workspace(sdk, name=sdk.name, resource_group=sdk.resource_group, tags=dict(sdk.tags or {}), calls=calls)


def _not_opened(address: Address, text: str) -> AzureMlError:
    lowered = text.lower()
    if any(word in lowered for word in _DENIED):
        return AzureMlError(
            f"no access to {address}",
            found=" ".join(text.split()),
            expected="the role AzureML Data Scientist on the workspace",
            todo="ask its owner for the role; a new role takes up to an hour to apply",
        )
    if "not found" in lowered or "notfound" in lowered:
        return AzureMlError(
            f"there is no {address}",
            found=f"subscription {address.subscription} was searched",
            todo=f"check {address.said_by}",
        )
    return AzureMlError(f"could not open {address}", found=text, todo="read the message; nothing was changed")
