"""The one place that signs in and opens the workspace.

The SDK's own default is never used: on a build agent it can end in a prompt for a device code that nobody answers.
One explicit object is built instead, from what the machine offers, in this order:

1. the federated credential of an Azure Pipelines service connection,
2. a managed identity endpoint,
3. the login of the az command line.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol, assert_never

from azure.core.exceptions import AzureError
from azure.identity import AzureCliCredential, AzurePipelinesCredential, ManagedIdentityCredential
from azureml.core import Workspace
from azureml.core.authentication import TokenAuthentication
from azureml.exceptions import AzureMLException
from msrestazure.azure_active_directory import MSIAuthentication

from ml_service.errors import FaultError, MlServiceError
from ml_service.output.failures import message_of
from ml_service.settings.variables import Settings, demand_production

_CLOUD = "AzureCloud"
_RENEW_BEFORE_SECONDS = 300

FEDERATION_VARIABLES = (
    "SYSTEM_OIDCREQUESTURI",
    "SYSTEM_ACCESSTOKEN",
    "AZURE_CLIENT_ID",
    "AZURE_TENANT_ID",
    "AZURE_SERVICE_CONNECTION_ID",
)


class Identity(StrEnum):
    """How this process signs in."""

    FEDERATED = "Azure Pipelines service connection"
    MANAGED = "managed identity"
    MANAGED_ENDPOINT = "managed identity (identity endpoint)"
    AZ_LOGIN = "az login"


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

    def __init__(self, credential: Credential, now: Callable[[], float] = time.time) -> None:
        self._credential = credential
        self._now = now
        self._tokens: dict[str, AccessToken] = {}

    def __call__(self, audience: str) -> str:
        """The token text for an audience such as `https://management.core.windows.net/`."""
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
        answer = MSIAuthentication(resource=scopes[0].removesuffix("/.default"), **self._identity).token
        expires_on = str(answer["expires_on"])
        # Some endpoints answer with a date in words; ten minutes are then a safe guess, tokens live for hours.
        seconds = int(expires_on) if expires_on.isdigit() else int(time.time()) + 600
        return AccessToken(token=answer["access_token"], expires_on=seconds)


def missing_for_federation(settings: Settings) -> tuple[str, ...]:
    """Names of FEDERATION_VARIABLES that have no value; empty when federation is configured."""
    values = {
        "SYSTEM_OIDCREQUESTURI": settings.system_oidcrequesturi,
        "SYSTEM_ACCESSTOKEN": settings.system_accesstoken.get_secret_value(),
        "AZURE_CLIENT_ID": settings.azure_client_id,
        "AZURE_TENANT_ID": settings.azure_tenant_id,
        "AZURE_SERVICE_CONNECTION_ID": settings.azure_service_connection_id,
    }
    return tuple(name for name in FEDERATION_VARIABLES if not values[name])


def choose_identity(settings: Settings) -> Identity:
    """Pick the way to sign in from the settings alone; nothing is contacted."""
    if not missing_for_federation(settings):
        return Identity.FEDERATED
    if settings.msi_endpoint:
        return Identity.MANAGED
    if settings.identity_endpoint:
        return Identity.MANAGED_ENDPOINT
    return Identity.AZ_LOGIN


def authenticate(settings: Settings) -> Any:
    """Build the SDK's authentication object and prove that it yields a token.

    Raises: FaultError that names the way tried and how to repair it.
    """
    identity = choose_identity(settings)
    try:
        authentication = TokenAuthentication(TokenCache(_credential(identity, settings)), cloud=_CLOUD)
        authentication.get_authentication_header()
    except (AzureError, AzureMLException, OSError, ValueError, RuntimeError) as error:
        raise _sign_in_failed(identity, settings, error) from error
    return authentication


def _credential(identity: Identity, settings: Settings) -> Credential:
    client_id = settings.default_identity_client_id or settings.azure_client_id
    match identity:
        case Identity.FEDERATED:
            return AzurePipelinesCredential(
                tenant_id=settings.azure_tenant_id,
                client_id=settings.azure_client_id,
                service_connection_id=settings.azure_service_connection_id,
                system_access_token=settings.system_accesstoken.get_secret_value(),
            )
        case Identity.MANAGED:
            return ManagedIdentity(client_id)
        case Identity.MANAGED_ENDPOINT:
            # The SDK's client knows MSI_ENDPOINT only and would ask the address of a virtual machine instead.
            return ManagedIdentityCredential(client_id=client_id or None)
        case Identity.AZ_LOGIN:
            return AzureCliCredential(tenant_id=settings.azure_tenant_id, process_timeout=30)
        case _:
            assert_never(identity)


def _sign_in_failed(identity: Identity, settings: Settings, error: Exception) -> MlServiceError:
    found = message_of(error)
    todo = "check that the identity exists and may use the workspace"
    if identity is Identity.AZ_LOGIN:
        todo = "install the Azure command line and type `az login`"
        if settings.system_oidcrequesturi:
            missing = ", ".join(missing_for_federation(settings))
            todo = f"on Azure Pipelines hand over {missing}: then the service connection signs in by itself"
    elif identity is Identity.FEDERATED:
        todo = "check the service connection: the pipeline must be authorised for it, its federation must be current"
    return FaultError(f"could not sign in to Azure by {identity.value}", found=found, todo=todo)


@dataclass(frozen=True)
class OpenWorkspace:
    """The workspace: the SDK's object at the edge, and what we print of it."""

    sdk: Any
    name: str
    resource_group: str
    location: str
    tags: dict[str, str]
    signed_in_by: Identity

    @property
    def banner(self) -> str:
        """One line that names the workspace with its tags, so that evidence of a rehearsal says so."""
        tags = ", ".join(f"{key}={value}" for key, value in sorted(self.tags.items()))
        return f"{self.name} in {self.resource_group}" + (f" [{tags}]" if tags else "")


def open_workspace(settings: Settings) -> OpenWorkspace:
    """Sign in and get the training workspace that the settings name.

    Raises: FaultError when signing in fails, the workspace does not exist or access to it is denied.
    """
    place = _Place(
        settings.azureml_workspace_name,
        settings.azure_resource_group,
        settings.azure_subscription_id,
        "AZURE_SUBSCRIPTION_ID, AZURE_RESOURCE_GROUP and AZUREML_WORKSPACE_NAME in variables.yml",
    )
    return _open(settings, place)


def open_production(settings: Settings) -> OpenWorkspace:
    """Sign in and get the production workspace.

    Raises: UsageError when none is configured; FaultError as `open_workspace`.
    """
    demand_production(settings)
    place = _Place(
        settings.azureml_production_workspace_name,
        settings.production_resource_group or settings.azure_resource_group,
        settings.production_subscription_id or settings.azure_subscription_id,
        "the names in environments/production.yml",
    )
    return _open(settings, place)


@dataclass(frozen=True)
class _Place:
    """Where a workspace lies, and which settings said so."""

    name: str
    resource_group: str
    subscription: str
    said_by: str

    def __str__(self) -> str:
        return f"workspace {self.name} in resource group {self.resource_group}"


def _open(settings: Settings, place: _Place) -> OpenWorkspace:
    authentication = authenticate(settings)
    try:
        workspace = Workspace.get(
            name=place.name,
            subscription_id=place.subscription,
            resource_group=place.resource_group,
            auth=authentication,
        )
    except AzureMLException as error:
        raise _not_opened(place, message_of(error)) from error
    return OpenWorkspace(
        sdk=workspace,
        name=workspace.name,
        resource_group=workspace.resource_group,
        location=workspace.location or "",
        tags=dict(workspace.tags or {}),
        signed_in_by=choose_identity(settings),
    )


def _not_opened(wanted: _Place, text: str) -> MlServiceError:
    lowered = text.lower()
    if any(word in lowered for word in ("authorizationfailed", "forbidden", "403", "unauthorized", "401")):
        return FaultError(
            f"no access to {wanted}",
            found=next(iter(text.splitlines()), ""),
            expected="the role AzureML Data Scientist on the workspace",
            todo="ask its owner for the role; a new role takes up to an hour to work",
        )
    if "not found" in lowered or "notfound" in lowered:
        return FaultError(
            f"there is no {wanted}",
            found=f"subscription {wanted.subscription} was asked",
            todo=f"check {wanted.said_by}",
        )
    return FaultError(f"could not open {wanted}", found=text, todo="see the message; nothing was changed")
