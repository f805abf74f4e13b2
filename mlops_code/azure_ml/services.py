"""Web services in container instances: deploy, find, describe, ask, delete."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from azure_ml import environments
from azure_ml.digests import file_sha256, folder_sha256
from azure_ml.downloads import MAX_ANSWER_BYTES, MAX_ERROR_BYTES, read_beginning, read_capped
from azure_ml.errors import AzureMlError
from azure_ml.models.versions import ModelVersion, version_of
from azure_ml.sdk_errors import message_of
from azure_ml.service_keys import KEPT, keep_keys, read_keys
from azure_ml.workspace import Workspace

HEALTHY, TRANSITIONING = "Healthy", "Transitioning"
ENTRY_SCRIPT = "score.py"
_CORES, _GIGABYTES = 0.5, 1.0
_DEPLOYMENT_SECONDS = 1800
_ASK_SECONDS = (10, 60)  # to connect, to answer
PAUSES_SECONDS = (1.0, 2.0, 4.0, 8.0, 15.0)
"""Before a call is repeated that failed on its way or inside the service."""
_REPEATED_FOR_SECONDS = 120.0
# What a scoring script answers about the request itself. All else may pass: it comes from what stands before the
# script, which may not have its keys or its route yet, or says "not now".
_FINAL = frozenset((400, 405, 411, 413, 415, 422))
_LOG_LINES = 50
_OK = 200


class NoAnswerError(AzureMlError):
    """A service did not answer a call."""


@dataclass
class ServiceRefusedError(AzureMlError):
    """A service answered a call with something else than HTTP 200."""

    status: int = 0


@dataclass(frozen=True)
class Answer:
    """The body of an answer, and why earlier calls with the same question failed, one sentence each."""

    content: bytes
    failed_before: tuple[str, ...] = ()


@dataclass(frozen=True)
class ServiceState:
    """What Azure ML says about a service."""

    name: str
    state: str
    url: str
    models: tuple[str, ...]
    """Model versions that it was deployed with, as `name:number` of the training workspace."""
    error: str
    """Why it is not healthy, as far as the service says."""
    copies: tuple[str, ...] = ()
    """The same versions as the workspace of the service numbers them."""

    @property
    def line(self) -> str:
        """One line for people."""
        models = ", ".join(self.models) or "no model"
        line = f"{self.name} {self.state}, {models}, {self.url or 'no address'}"
        return f"{line}: {self.error}" if self.error else line


@dataclass(frozen=True)
class Service:
    """A web service as it was when it was read."""

    sdk: Any = field(repr=False, compare=False)
    name: str
    url: str
    state: ServiceState
    labels: Mapping[str, str]
    """The tags that it was deployed with."""
    models: tuple[ModelVersion, ...]
    updated: str = ""
    """When Azure ML last changed it, UTC; empty where it does not say."""
    keys: str = ""
    """What became of its keys, for people; empty for a service that was only read."""

    @property
    def log(self) -> str:
        """The end of the service's own log, for the person who reads why it failed."""
        text = self.sdk.get_logs(num_lines=_LOG_LINES) or ""
        return "\n".join(str(text).splitlines()[-_LOG_LINES:]) or "(it wrote no log)"


def _service_of(sdk: Any) -> Service:
    models = tuple(version_of(model) for model in sdk.models or [])
    error = sdk.error or {}
    details = [item for item in error.get("details") or [] if isinstance(item, dict)]
    # The first line only: some failures carry the whole log, which is shown by itself.
    reasons = [str(item.get("message") or "").strip().partition("\n")[0] for item in (error, *details)]
    state = ServiceState(
        name=str(sdk.name),
        state=str(sdk.state),
        url=str(sdk.scoring_uri or ""),
        models=tuple(model.label for model in models),
        error=" ".join(dict.fromkeys(reason for reason in reasons if reason)),
        copies=tuple(f"{model.name}:{model.version}" for model in models),
    )
    updated = sdk.updated_time.isoformat() if sdk.updated_time else ""
    return Service(sdk, state.name, state.url, state, dict(sdk.tags or {}), models, updated)


def find_service(workspace: Workspace, name: str) -> Service | None:
    """The service of that name; None when there is none."""
    from azureml.core.webservice import Webservice
    from azureml.exceptions import WebserviceException

    try:
        return _service_of(Webservice(workspace.sdk, name))
    except WebserviceException as error:
        if "WebserviceNotFound" in str(error):
            return None
        raise


def list_services(workspace: Workspace) -> list[Service]:
    """Every service of a workspace."""
    from azureml.core.webservice import Webservice

    return [_service_of(sdk) for sdk in Webservice.list(workspace.sdk)]


def image_sha256(service: Service) -> str:
    """Hash of what a service says that it was built from: image, uploaded code, models and environment.

    The SDK's object leaves out the code, so the document is read that it is made from
    (azureml/core/webservice/webservice.py, `_get`); empty where the service is gone. Addresses count without their
    query, which may be a signature that expires.
    """
    document = type(service.sdk)._get(service.sdk.workspace, service.name)
    if document is None:
        return ""
    request = document.get("environmentImageRequest") or {}
    environment = request.get("environment") or {}
    built = {
        **{name: document.get(name) for name in ("imageId", "imageDigest")},
        **{name: request.get(name) for name in ("driverProgram", "modelIds")},
        **{name: environment.get(name) for name in ("environmentVariables", "python", "docker")},
        "assets": [str(asset.get("url")).partition("?")[0] for asset in request.get("assets") or []],
    }
    return hashlib.sha256(json.dumps(built, sort_keys=True).encode()).hexdigest()


def labels_of(
    model: ModelVersion, model_sha256: str, *, scoring: Path, environment: Path, run_id: str
) -> dict[str, str]:
    """The labels of a test service: what it is built from. run_id: the run that the model comes from."""
    return {
        "model_name": model.name,
        "model_version": str(model.version),
        "model_sha256": model_sha256,
        "scoring_sha256": folder_sha256(scoring),
        "environment_sha256": file_sha256(environment),
        "run_id": run_id,
    }


def deploy_service(
    workspace: Workspace,
    name: str,
    model: ModelVersion,
    *,
    scoring: Path,
    environment: Path,
    labels: Mapping[str, str],
    announce: Callable[[str], None],
) -> Service:
    """Deploy a model version as the service `name`, replacing what serves, and wait until it is healthy.

    A service that is replaced keeps its keys. scoring: folder with score.py; environment: conda file; labels: kept as
    tags and as properties; announce: told what happens to the keys.
    Raises: AzureMlError with the end of the service's log.
    """
    from azureml.core import Model
    from azureml.core.model import InferenceConfig
    from azureml.core.webservice import AciWebservice
    from azureml.exceptions import WebserviceException

    before = find_service(workspace, name)
    held = read_keys(before.sdk if before else None)
    announce(f"service {name}: {held.forecast}")
    settings = AciWebservice.deploy_configuration(
        **held.as_settings,
        cpu_cores=_CORES,
        memory_gb=_GIGABYTES,
        auth_enabled=True,
        tags=dict(labels),
        properties=dict(labels),
        description=f"{labels['model_name']} version {labels['model_version']}",
    )
    built = environments.environment_of(environments.SCORING, environment)
    built.environment_variables[environments.MODEL_VERSION] = labels["model_version"]
    inference = InferenceConfig(entry_script=ENTRY_SCRIPT, source_directory=str(scoring), environment=built)
    deployed = Model.deploy(workspace.sdk, name, [model.sdk], inference, settings, overwrite=True)
    try:
        deployed.wait_for_deployment(show_output=False, timeout_sec=_DEPLOYMENT_SECONDS)
    except WebserviceException as error:
        raise _not_healthy(_service_of(deployed), message_of(error)) from error
    keys = keep_keys(deployed, held)
    if keys != KEPT:
        announce(f"service {name}: its keys are {keys}")
    deployed.update_deployment_state()  # setting keys changes the time of the last update
    return replace(_service_of(deployed), keys=keys)


def _not_healthy(service: Service, message: str) -> AzureMlError:
    return AzureMlError(
        f"service {service.name} did not become healthy",
        found=message.partition("\n")[0],
        expected=HEALTHY,
        todo="fix the fault that the log shows, then deploy again",
        log=service.log,
    )


def ask(service: Service, question: Mapping[str, Any], pauses: Sequence[float] = PAUSES_SECONDS) -> Answer:
    """A live service's answer to a JSON document; the key never appears in a message.

    One failing call decides nothing: a transient failure is retried after each pause, for two minutes at most.
    Raises: NoAnswerError, ServiceRefusedError (any answer but HTTP 200), AzureMlError (an answer above a cap).
    """
    failed: list[str] = []
    left, until = list(pauses), time.monotonic() + _REPEATED_FOR_SECONDS
    while True:
        try:
            return Answer(_ask_once(service, question), tuple(failed))
        except (NoAnswerError, ServiceRefusedError) as error:
            failed.append(error.happened)
            final = isinstance(error, ServiceRefusedError) and error.status in _FINAL
            if not left or final or time.monotonic() > until:
                if len(failed) > 1:
                    error.happened += f"; {len(failed)} calls failed in sequence"
                raise
        time.sleep(left.pop(0))


def _ask_once(service: Service, question: Mapping[str, Any]) -> bytes:
    import requests

    key = service.sdk.get_keys()[0]
    headers = {"Authorization": f"Bearer {key}"}
    try:
        with requests.post(service.url, json=question, headers=headers, timeout=_ASK_SECONDS, stream=True) as answer:
            what = f"the response of service {service.name}"
            if answer.status_code == _OK:
                return read_capped(answer, MAX_ANSWER_BYTES, what)
            reason = read_beginning(answer, MAX_ERROR_BYTES, what).decode(errors="replace")
    except requests.RequestException as error:
        raise NoAnswerError(
            f"service {service.name} did not respond at {service.url}",
            found=type(error).__name__,
            todo="check its state: python -m ml_service status",
        ) from error
    raise ServiceRefusedError(
        f"service {service.name} refused the call with HTTP {answer.status_code}",
        found=reason[:1000].strip(),
        expected="HTTP 200 with a forecast",
        todo="correct the request or mlops_code/score.py",
        status=answer.status_code,
    )


def delete(service: Service) -> None:
    """Delete a service."""
    service.sdk.delete()
