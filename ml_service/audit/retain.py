"""`retain`: keep this build indefinitely with a retention lease, because its approval is part of the evidence."""

from __future__ import annotations

import requests

from ml_service.errors import FaultError, InvalidRequestError
from ml_service.output.agent import Agent
from ml_service.output.console import Terminal
from ml_service.settings.build import Build
from ml_service.settings.variables import Settings

_FOR_EVER_DAYS = 36500
_TIMEOUT_SECONDS = (10, 60)


def retain(settings: Settings, build: Build, terminal: Terminal, agent: Agent) -> str:
    """Ask Azure DevOps for a lease on this run; without the job's token say that nothing was asked.

    Raises: InvalidRequestError (a variable of the build agent is missing), FaultError (Azure DevOps refused).
    """
    token = settings.system_accesstoken.get_secret_value()
    if not token:
        agent.warn("no job token was handed over (SYSTEM_ACCESSTOKEN): this run is not protected from retention")
        terminal.say("retention  not asked for: no job token")
        return "retention was not asked for: no job token"
    url = f"{settings.system_collectionuri.rstrip('/')}/{settings.system_teamproject}/_apis/build/retention/leases"
    answer = _post(url, token, _lease(settings, build))
    if answer.status_code not in (requests.codes.ok, requests.codes.created):
        raise FaultError(
            f"Azure DevOps refused the retention lease of build {build.build_id} (HTTP {answer.status_code})",
            found=answer.text[:300],
            todo="let the build service of the project manage retention, then run this step again",
        )
    terminal.say(f"retention  build {build.build_id} is kept")
    return f"build {build.build_id} is kept"


def _lease(settings: Settings, build: Build) -> dict[str, object]:
    if not (
        settings.system_definitionid.isdecimal() and build.build_id.isdecimal() and settings.system_collectionuri
    ):
        raise InvalidRequestError(
            "this process is not part of an Azure Pipelines run",
            expected="SYSTEM_COLLECTIONURI, SYSTEM_TEAMPROJECT, SYSTEM_DEFINITIONID, BUILD_BUILDID of a build agent",
        )
    return {
        "daysValid": _FOR_EVER_DAYS,
        "definitionId": int(settings.system_definitionid),
        "ownerId": f"Pipeline:{settings.system_definitionid}",
        "protectPipeline": True,
        "runId": int(build.build_id),
    }


def _post(url: str, token: str, lease: dict[str, object]) -> requests.Response:
    try:
        return requests.post(
            url,
            params={"api-version": "7.1"},
            json=[lease],
            headers={"Authorization": f"Bearer {token}"},
            timeout=_TIMEOUT_SECONDS,
        )
    except requests.RequestException as error:
        raise FaultError(f"Azure DevOps did not answer at {url}", found=type(error).__name__) from error
