"""Lays out the files of a service, as its container image would hold them, and says how to start it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from local_azure.machine_learning.domain.serving.model_files import copy_models
from local_azure.machine_learning.domain.workspace.workspaces import Workspace
from local_azure.machine_learning.engines.services.folder import DeploymentError, ServiceFolder, unpack
from local_azure.machine_learning.errors import ApiError
from local_azure.machine_learning.processes.forking.client import ChildCommand
from local_azure.machine_learning.storage.files import BlobFiles
from local_azure.machine_learning.storage.store import Document, Store

ENTRY = "local_azure.machine_learning.processes.scoring.application:enter"
ARTIFACT_URL = "aml://artifact/"
SERVER_PACKAGES = ("azureml-defaults", "azureml-inference-server-http")
_INHERITED = ("PATH", "LANG", "LC_ALL", "TZ")
# Would send data out of this machine, or wait for a debugger that is not there.
_NEVER_SET = frozenset({"AML_APP_INSIGHTS_ENABLED", "AML_APP_INSIGHTS_KEY", "AZUREML_DEBUG_PORT"})


def prepare(
    store: Store,
    files: BlobFiles,
    workspace: Workspace,
    service: Document,
    folder: ServiceFolder,
    *,
    number: str,
) -> ChildCommand:
    """Unpack the code and copy the models of a service into a new folder; raises DeploymentError."""
    application = folder.root / f"app-{number}"
    shutil.rmtree(application, ignore_errors=True)
    for needed in (application, folder.home):
        needed.mkdir(parents=True, exist_ok=True, mode=0o700)
    request = service["environmentImageRequest"]
    _check_server_packages(request.get("environment") or {})
    for asset in request.get("assets") or []:
        _place_asset(files, workspace, asset, application)
    try:
        model_folder = copy_models(
            store, files, workspace, request.get("modelIds") or [], application / "azureml-models"
        )
    except ApiError as error:
        raise DeploymentError(error.message) from error
    variables = _variables(request, service["name"], application, model_folder)
    environment = {**variables, "HOME": str(folder.home)}
    return ChildCommand(ENTRY, application, folder.log, environment, {"keys": str(folder.keys)})


def _check_server_packages(environment: Document) -> None:
    """Refuse an environment whose image could not serve: the server comes with azureml-defaults only.

    The SDK merely warns. Images whose content we cannot know (own Dockerfile, user-managed Python) pass.
    """
    python = environment.get("python") or {}
    unknown = python.get("userManagedDependencies") or (environment.get("docker") or {}).get("baseDockerfile")
    wanted = (python.get("condaDependencies") or {}).get("dependencies")
    if unknown or wanted is None or environment.get("inferencingStackVersion"):
        return
    if not any(name.startswith(SERVER_PACKAGES) for name in _packages(wanted)):
        raise DeploymentError(
            f"The environment '{environment.get('name')}' has none of {', '.join(SERVER_PACKAGES)} among its "
            "packages, so its container has no server that could run the entry script. Add azureml-defaults."
        )


def _packages(dependencies: list[Any]) -> Iterator[str]:
    """Names of conda dependencies, those of the nested pip list among them."""
    for entry in dependencies:
        if isinstance(entry, dict):
            yield from map(str, entry.get("pip", []))
        else:
            yield str(entry)


def _variables(request: Document, name: str, application: Path, model_folder: Path) -> dict[str, str]:
    """The complete environment: the environment's own variables, then those of Azure's images."""
    own = (request.get("environment") or {}).get("environmentVariables") or {}
    return {
        **{key: os.environ[key] for key in _INHERITED if key in os.environ},
        "PYTHONUNBUFFERED": "1",
        **{key: str(value) for key, value in own.items() if key not in _NEVER_SET},
        "AZUREML_MODEL_DIR": str(model_folder),
        "AML_APP_ROOT": str(application),
        "SERVICE_NAME": name,
        "WORKER_COUNT": "1",
    }


def _place_asset(files: BlobFiles, workspace: Workspace, asset: Document, application: Path) -> None:
    url = str(asset.get("url"))
    if not url.startswith(ARTIFACT_URL):
        raise DeploymentError(f"The asset '{url}' is not an uploaded artifact ({ARTIFACT_URL}...).")
    source = files.path(workspace.artifact_container, url.removeprefix(ARTIFACT_URL))
    if not source.is_file():
        raise DeploymentError(f"The asset '{url}' was never uploaded.")
    if asset.get("unpack"):
        unpack(source, application)
    else:
        shutil.copyfile(source, application / PurePosixPath(str(asset["id"])).name)
