"""The environment variables that point an unmodified SDK program at a running server."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from local_azure.machine_learning.domain.access.addresses import CLOUD_NAME, Addresses
from local_azure.machine_learning.domain.access.web_proxy import user_info, web_variables, without_own
from local_azure.machine_learning.domain.workspace.coordinates import RESOURCE_GROUP, SUBSCRIPTION, WORKSPACE_NAME
from local_azure.machine_learning.storage.certificates import trust_variables
from local_azure.machine_learning.storage.state import STATE_VARIABLE, ServerInfo, StateFolder

CONFIG_PLACES = (Path(".azureml/config.json"), Path("aml_config/config.json"), Path("config.json"))
JOB_TOKEN = "SYSTEM_ACCESSTOKEN"  # noqa: S105 - the name of a variable
# Prefixes of the variables of other ways to sign in.
FOREIGN_IDENTITY = (
    "AZURE_CLIENT_", "AZURE_TENANT_ID", "AZURE_FEDERATED_TOKEN", "AZURE_SERVICE_CONNECTION", "SYSTEM_OIDCREQUESTURI",
    JOB_TOKEN, "IDENTITY_", "MSI_", "AZUREML_SERVICE_PRINCIPAL", "AZUREML_RUN_", "AZUREML_ARM_",
)  # fmt: skip
_COORDINATES = {"subscription_id": SUBSCRIPTION, "resource_group": RESOURCE_GROUP, "workspace_name": WORKSPACE_NAME}
_OWN_CONFIG = f"{json.dumps(_COORDINATES, indent=2)}\n".encode()


def client_variables(state: StateFolder, info: ServerInfo, inherited: Mapping[str, str]) -> dict[str, str]:
    """Return the variables for a client process; the comments say which behavior of the SDK requires each.

    inherited: its environment without them.
    """
    addresses = Addresses(info.http_port, info.tls_port)
    return {
        # The SDK reads its list of clouds here; ours gives our listener as resource manager and sign-in address.
        "ARM_CLOUD_METADATA_URL": addresses.clouds(info.token),
        # A separate name: SDK v2 knows the real addresses of "AzureCloud" and would send our tokens there.
        "AZUREML_CURRENT_CLOUD": CLOUD_NAME,
        # The default authentication tries a managed identity first when MSI_ENDPOINT is set.
        "MSI_ENDPOINT": addresses.managed_identity(info.token),
        # An interactive login for a specific tenant uses these, not the managed identity.
        "AZUREML_SERVICE_PRINCIPAL_ID": "local",
        "AZUREML_SERVICE_PRINCIPAL_PASSWORD": "local",
        # The SDK stores the list of clouds in an existing folder: this one does not exist and is new at each start.
        "AZURE_CONFIG_DIR": str(state.client_configuration(info)),
        # ARM and storage are always https.
        **trust_variables(state.certificates),
        # The SDK sends telemetry unless told that the workspace is a sensitive one.
        "HBI_WORKSPACE_JOB": "true",
        # Data at web addresses is answered from local files, or refused.
        **web_variables(
            info.web_port, user_info(info.token), inherited, with_files=bool(info.web_port and state.web_data())
        ),
        "AZURE_SUBSCRIPTION_ID": SUBSCRIPTION,
        "AZURE_RESOURCE_GROUP": RESOURCE_GROUP,
        "AZUREML_WORKSPACE_NAME": WORKSPACE_NAME,
        STATE_VARIABLE: str(state.root),
    }


def client_environment(inherited: Mapping[str, str], state: StateFolder, info: ServerInfo) -> dict[str, str]:
    """Return the inherited environment without other ways to sign in, plus `client_variables`.

    On a build agent the inherited variables would otherwise lead the client to the real Azure.
    """
    kept = {
        name: value for name, value in without_own(inherited).items() if not name.upper().startswith(FOREIGN_IDENTITY)
    }
    return {**kept, **client_variables(state, info, kept)}


def is_under_exec(environment: Mapping[str, str]) -> bool:
    """Return whether a process was started by `local_azure exec`."""
    return environment.get("AZUREML_CURRENT_CLOUD") == CLOUD_NAME


def find_config_file(folder: Path) -> Path | None:
    """Return the config file that `Workspace.from_config()` would find from `folder` upwards, or None."""
    for parent in (folder, *folder.parents):
        for place in CONFIG_PLACES:
            if (parent / place).is_file():
                return parent / place
    return None


def is_own(path: Path) -> bool:
    """Return whether a config file has exactly the bytes that `ensure_config_file` writes."""
    try:
        with path.open("rb") as stream:
            return stream.read(len(_OWN_CONFIG) + 1) == _OWN_CONFIG
    except OSError:
        return False


def ensure_config_file(folder: Path) -> Path | None:
    """Write .azureml/config.json for `Workspace.from_config()` unless one is found from `folder` upwards.

    One that we wrote in a parent folder belongs to another project and does not count. Returns the path, or None.
    """
    found = find_config_file(folder)
    if found and (not is_own(found) or found in [folder / place for place in CONFIG_PLACES]):
        return None
    target = folder / CONFIG_PLACES[0]
    target.parent.mkdir(exist_ok=True)
    target.write_bytes(_OWN_CONFIG)
    return target
