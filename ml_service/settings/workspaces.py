"""Open the workspaces that the settings name."""

from __future__ import annotations

from azure_ml.sign_in import Address, open_workspace
from azure_ml.workspace import Workspace
from ml_service.settings.variables import Settings, demand_production


def open_training(settings: Settings) -> Workspace:
    """Sign in and get the training workspace. Raises: AzureMlError (sign-in, no such workspace, no access)."""
    address = Address(
        settings.azureml_workspace_name,
        settings.azure_resource_group,
        settings.azure_subscription_id,
        "AZURE_SUBSCRIPTION_ID, AZURE_RESOURCE_GROUP and AZUREML_WORKSPACE_NAME in variables.yml",
    )
    return open_workspace(settings, address)


def open_production(settings: Settings) -> Workspace:
    """Sign in and get the production workspace.

    Raises: InvalidRequestError when none is configured; AzureMlError as `open_training`.
    """
    demand_production(settings)
    address = Address(
        settings.azureml_production_workspace_name,
        settings.production_resource_group or settings.azure_resource_group,
        settings.production_subscription_id or settings.azure_subscription_id,
        "the names in environments/production.yml",
    )
    return open_workspace(settings, address)
