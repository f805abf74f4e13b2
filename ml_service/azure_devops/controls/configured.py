"""The project and the connections that the settings name."""

from __future__ import annotations

from ml_service.azure_devops.client import open_project
from ml_service.azure_devops.controls.declared import Declared
from ml_service.azure_devops.controls.project import Project
from ml_service.azure_devops.controls.resources import Connection
from ml_service.errors import InvalidRequestError
from ml_service.settings.variables import CONNECTION_VARIABLES, Settings, pipeline_only_values

_PRODUCTION = "PRODUCTION_CONNECTION"
SIGN_IN = (
    "export SYSTEM_COLLECTIONURI=https://dev.azure.com/ORGANIZATION/ SYSTEM_TEAMPROJECT=PROJECT\n"
    "export SYSTEM_ACCESSTOKEN=$(az account get-access-token --resource 499b84ac-1321-427f-aa17-267ca6975798"
    " --query accessToken --output tsv)"
)
"""The id is that of Azure DevOps (learn.microsoft.com/azure/devops/integrate/get-started/authentication)."""


def open_controls(settings: Settings, declared: Declared) -> Project:
    """The project whose controls are compared. Raises: InvalidRequestError where nobody has said which."""
    api = open_project(settings)
    if api is None:
        raise InvalidRequestError(
            "the project in Azure DevOps or the sign-in to it is not configured",
            expected="SYSTEM_COLLECTIONURI, SYSTEM_TEAMPROJECT and SYSTEM_ACCESSTOKEN, as a step maps them",
            todo=f"at a terminal:\n{SIGN_IN}",
        )
    return Project(api, declared.repository)


def configured_connections(settings: Settings) -> dict[str, Connection]:
    """The connections by the names of their settings; none to production where there is no production.

    Raises: InvalidRequestError with those that are not filled in.
    """
    ids = {name.replace("CONNECTION", "CLIENT_ID") for name in CONNECTION_VARIABLES}
    given = pipeline_only_values({*CONNECTION_VARIABLES, *ids, "TENANT_ID"})
    needed = {name for name in CONNECTION_VARIABLES if settings.has_production or name != _PRODUCTION}
    if missing := sorted(needed - given.keys()):
        raise InvalidRequestError(
            f"{len(missing)} service connections are not configured",
            found=f"not filled in: {', '.join(missing)}",
            todo="edit variables.yml, or set environment variables of these names",
        )
    production = settings.production_subscription_id or settings.azure_subscription_id
    return {
        name: Connection(
            name=given[name],
            subscription=production if name == _PRODUCTION else settings.azure_subscription_id,
            client_id=given.get(name.replace("CONNECTION", "CLIENT_ID"), ""),
            tenant_id=given.get("TENANT_ID", ""),
        )
        for name in sorted(needed)
    }
