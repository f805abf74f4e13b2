"""`retain`: keep this build indefinitely with a retention lease, because its approval is part of the evidence."""

from __future__ import annotations

from ml_service.azure_devops.client import open_project
from ml_service.errors import InvalidRequestError
from ml_service.output.agent import Agent
from ml_service.output.console import Terminal
from ml_service.settings.build import Build
from ml_service.settings.variables import AgentSettings

_FOR_EVER_DAYS = 36500


def retain(settings: AgentSettings, build: Build, terminal: Terminal, agent: Agent) -> str:
    """Ask Azure DevOps for a lease on this run; without the job's token say that nothing was asked.

    Raises: InvalidRequestError (a variable of the build agent is missing), AzureDevOpsError (Azure DevOps refused).
    """
    if not settings.system_accesstoken.get_secret_value():
        agent.warn("no job token was handed over (SYSTEM_ACCESSTOKEN): this run is not protected from retention")
        terminal.say("retention  not asked for: no job token")
        return "retention was not asked for: no job token"
    project = open_project(settings)
    if project is None or not (settings.system_definitionid.isdecimal() and build.build_id.isdecimal()):
        raise InvalidRequestError(
            "this process is not part of an Azure Pipelines run",
            expected="SYSTEM_COLLECTIONURI, SYSTEM_TEAMPROJECT, SYSTEM_DEFINITIONID, BUILD_BUILDID of a build agent",
        )
    project.post("build/retention/leases", [_lease(settings, build)])
    terminal.say(f"retention  build {build.build_id} is kept")
    return f"build {build.build_id} is kept"


def _lease(settings: AgentSettings, build: Build) -> dict[str, object]:
    return {
        "daysValid": _FOR_EVER_DAYS,
        "definitionId": int(settings.system_definitionid),
        "ownerId": f"Pipeline:{settings.system_definitionid}",
        "protectPipeline": True,
        "runId": int(build.build_id),
    }
