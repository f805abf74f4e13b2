"""The test web service as the build scripts see it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from azureml.core.webservice import Webservice
from azureml.exceptions import WebserviceException

from ml_service.output.console import quiet_sdk
from ml_service.settings.workspace import OpenWorkspace

HEALTHY = "Healthy"


@dataclass(frozen=True)
class ServiceState:
    """What Azure ML says about a service."""

    name: str
    state: str
    url: str
    models: tuple[str, ...]
    """Model versions that it was deployed with, as `name:version`."""
    error: str
    """Why it is not healthy, as far as the service says."""

    @property
    def line(self) -> str:
        """One line for people."""
        models = ", ".join(self.models) or "no model"
        return f"{self.name} {self.state}, {models}, {self.url or 'no address'}" + (
            f": {self.error}" * bool(self.error)
        )


def find_service(workspace: OpenWorkspace, name: str) -> Any | None:
    """The SDK's service object, None when there is no service of that name."""
    try:
        with quiet_sdk():
            return Webservice(workspace.sdk, name)
    except WebserviceException as error:
        if "WebserviceNotFound" in str(error):
            return None
        raise


def describe(service: Any) -> ServiceState:
    """The facts of a service object."""
    error = service.error or {}
    details = [item for item in error.get("details") or [] if isinstance(item, dict)]
    # The first line only: some failures carry the whole log, which `smoke` shows by itself.
    reasons = [str(item.get("message") or "").strip().partition("\n")[0] for item in (error, *details)]
    return ServiceState(
        name=service.name,
        state=str(service.state),
        url=service.scoring_uri or "",
        models=tuple(f"{model.name}:{model.version}" for model in service.models or []),
        error=" ".join(dict.fromkeys(reason for reason in reasons if reason)),
    )


def service_state(workspace: OpenWorkspace, name: str) -> ServiceState | None:
    """The state of a service by name, None when it is absent."""
    service = find_service(workspace, name)
    return None if service is None else describe(service)


def last_log_lines(service: Any, lines: int = 50) -> list[str]:
    """The end of the service's own log; empty when the container never started."""
    with quiet_sdk():
        text = service.get_logs(num_lines=lines) or ""
    return str(text).splitlines()[-lines:]
