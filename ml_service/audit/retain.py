"""`retain`: keep this build indefinitely with a retention lease, because its approval is part of the evidence.

A build that was rejected or has failed runs nothing afterwards: a later one keeps it, and the ledger tells so.
"""

from __future__ import annotations

from collections.abc import Sequence

from ml_service.audit.events import kinds
from ml_service.audit.events.witness import Witness
from ml_service.azure_devops.builds import read_build
from ml_service.azure_devops.client import AzureDevOpsError, open_project
from ml_service.azure_devops.retention import keep_build
from ml_service.errors import InvalidRequestError
from ml_service.output.agent import Agent
from ml_service.output.console import Terminal
from ml_service.production.chain.entry import Entry
from ml_service.production.chain.store import Chain
from ml_service.settings.build import Build
from ml_service.settings.variables import AgentSettings

_UNSUCCESSFUL = (
    *("approval.refused", "candidate.rejected"),
    *("deployment.undone", "deployment.failed", "deployment.abandoned", "run.failed", "run.canceled"),
)


def retain(settings: AgentSettings, build: Build, terminal: Terminal, agent: Agent) -> str:
    """Ask Azure DevOps for a lease on this run; without the job's token say that nothing was asked.

    Raises: InvalidRequestError (a variable of the build agent is missing), AzureDevOpsError (Azure DevOps refused).
    """
    if not settings.system_accesstoken.get_secret_value():
        agent.warn("no job token is available (SYSTEM_ACCESSTOKEN), so this run is not protected from retention")
        terminal.out("retention  not asked for: no job token")
        return "no retention lease was requested: no job token"
    project = open_project(settings)
    if project is None or not (settings.system_definitionid.isdecimal() and build.build_id.isdecimal()):
        raise InvalidRequestError(
            "this process is not part of an Azure Pipelines run",
            expected="SYSTEM_COLLECTIONURI, SYSTEM_TEAMPROJECT, SYSTEM_DEFINITIONID, BUILD_BUILDID of a build agent",
        )
    definition = int(settings.system_definitionid)
    keep_build(project, definition, definition, build.build_id)
    terminal.out(f"retention  build {build.build_id} is retained")
    return f"build {build.build_id} is retained"


def retain_unsuccessful(settings: AgentSettings, chain: Chain, witness: Witness, terminal: Terminal) -> None:
    """Get a lease for each build that the ledger names as rejected, refused or failed, once.

    Without the job's token nothing is asked. A build that is gone or cannot be kept is named. Behind a damaged entry
    nothing is written, because it would not fit the copy that is restored: the next call asks again.
    """
    project = open_project(settings)
    if project is None or not settings.system_definitionid.isdecimal():
        return
    kept = list[tuple[str, str]]()
    for build_id, why in unsuccessful(chain.entries).items():
        try:
            state = read_build(project, build_id)
            if state is None or not state.definition:
                terminal.out(f"retention  build {build_id} no longer exists, or its pipeline is unknown: {why}")
                continue
            keep_build(project, state.definition, int(settings.system_definitionid), build_id)
        except AzureDevOpsError as error:
            terminal.err(f"warning: build {build_id} could not be kept: {error.happened}")
            continue
        terminal.out(f"retention  build {build_id} is retained: {why}")
        kept.append((build_id, why))
    if kept and not chain.faults:
        witness.record(lambda actor: [kinds.build_retained(build_id, why, actor) for build_id, why in kept])


def unsuccessful(entries: Sequence[Entry]) -> dict[str, str]:
    """Return the builds that entries record as rejected, refused or failed but not as retained, with the reason."""
    done = {entry.subject for entry in entries if entry.event == kinds.BUILD_RETAINED}
    found: dict[str, str] = {}
    for entry in entries:
        if entry.event in _UNSUCCESSFUL or entry.event.startswith(kinds.REQUEST):
            build_id = entry.about_build
            if build_id.isascii() and build_id.isdecimal() and build_id not in done:
                found.setdefault(build_id, entry.event)
    return found
