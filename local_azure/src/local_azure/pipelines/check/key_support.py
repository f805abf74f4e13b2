"""What becomes of every key that the schema accepts: it is honored, refused by name, or ignored knowingly.

A key that is missing here is one that nobody has thought about: a test compares this table with the schema.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from local_azure.pipelines.check.schema.schema_additions import KEYS_OF_1ES_POOLS
from local_azure.pipelines.expand.model import Job, Pipeline, Stage
from local_azure.pipelines.language.tree import Fields, Problem, fields_of

HONORED, REFUSED, IGNORED = "honored", "refused", "ignored"


class Support(NamedTuple):
    """What becomes of one key. Of a refused one `fine` are the values that only write out the default."""

    verdict: str
    reason: str = ""
    fine: tuple[str, ...] = ()


def _honored(*names: str) -> dict[str, Support]:
    return dict.fromkeys(names, Support(HONORED))


def _ignored(reason: str, *names: str) -> dict[str, Support]:
    return dict.fromkeys(names, Support(IGNORED, reason))


def _refused(reason: str, *names: str, fine: tuple[str, ...] = ()) -> dict[str, Support]:
    return dict.fromkeys(names, Support(REFUSED, reason, fine))


_POOL = _ignored("every job runs on this machine; 'server' is refused", "pool")
_LOCK = _ignored("exclusive locks are not emulated", "lockBehavior")
_CONTEXT = _ignored("only templates read it", "templateContext")
_CONTAINERS = _refused("containers are not run. To run locally, remove it.", "container", "services")
_OFF = ("false", "no", "n", "off")
_OF_ANY_JOB = {
    **_honored(
        "displayName", "dependsOn", "condition", "continueOnError", "timeoutInMinutes", "variables", "strategy"
    ),
    **_honored("cancelTimeoutInMinutes"),
    **_ignored("every job has a fresh folder", "workspace"),
    **_ignored("authorization is not emulated", "uses"),
    **_POOL,
    **_CONTAINERS,
    **_CONTEXT,
}

KEYS: Mapping[str, Mapping[str, Support]] = {
    "pipeline": {
        **_honored("stages", "jobs", "steps", "extends", "parameters", "variables", "name", "resources"),
        **_honored(
            "strategy", "continueOnError", "container", "services", "workspace"
        ),  # of the job around bare steps
        **_ignored("a call of the command starts the run", "trigger", "pr", "schedules"),
        **_ignored("it changes how the service shows a run", "appendCommitMessageToRunName"),
        **_refused("it is the deprecated form of jobs. Write jobs and pool.", "phases", "queue", "server"),
        **_POOL,
        **_LOCK,
    },
    "stage": {
        **_honored("stage", "displayName", "dependsOn", "condition", "variables", "jobs"),
        **_refused("stages are not started by hand.", "trigger", fine=("automatic",)),
        **_refused("Microsoft does not document it. Remove it.", "group", "checks"),
        **_ignored("stages cannot be deselected locally", "isSkippable"),
        **_POOL,
        **_LOCK,
        **_CONTEXT,
    },
    "job": {**_honored("job", "steps"), **_OF_ANY_JOB},
    "deployment": {**_honored("deployment", "environment"), **_OF_ANY_JOB},
    "step": {
        **_honored("task", "inputs", "bash", "script", "checkout", "publish", "download", "template", "parameters"),
        **_honored("displayName", "name", "condition", "continueOnError", "enabled", "env", "timeoutInMinutes"),
        **_honored("retryCountOnTaskFailure", "workingDirectory", "failOnStderr", "artifact", "patterns"),
        **_refused("local_azure cannot run it.", "powershell", "pwsh", "reviewApp", "errorActionPreference"),
        **_refused("local_azure cannot run it.", "ignoreLASTEXITCODE", "downloadBuild", "getPackage", "upload"),
        **_refused("local steps always run on the host. To run locally, remove it.", "target"),
        **_refused("the local checkout is always in its usual folder. To run locally, remove it.", "path"),
        **_refused("the working directory does not change. To run locally, remove it.", "workspaceRepo", fine=_OFF),
        **_refused(
            "the local checkout copies the working tree. To run locally, remove it.", "submodules", "lfs", fine=_OFF
        ),
        **_refused(
            "the local checkout copies the whole working tree.", "sparseCheckoutDirectories", "sparseCheckoutPatterns"
        ),
        **_refused("there are no repository credentials.", "persistCredentials", fine=_OFF),
        **_ignored("the copy of the working tree is fresh and has no history", "clean", "fetchDepth", "fetchTags"),
        **_ignored("the copy of the working tree has no history", "fetchFilter"),
    },
    "strategy": _refused(
        "only the runOnce strategy of deployment jobs is supported.", "matrix", "maxParallel", "parallel"
    ),
    "deployment strategy": {
        **_honored("runOnce"),
        **_refused("only the runOnce strategy of deployment jobs is supported.", "rolling", "canary"),
    },
    "runOnce": _honored("preDeploy", "deploy", "routeTraffic", "postRouteTraffic", "on"),
    "hook": {**_honored("steps"), **_POOL},
    "on": _honored("failure", "success"),
    "environment": {
        **_honored("name"),
        **_refused("environment resources are not supported.", "resourceName", "resourceId", "resourceType", "tags"),
    },
    "pool": _ignored("every job runs on this machine", "name", "vmImage", "demands"),
    "workspace": _ignored("every job has a fresh folder", "clean"),
    "variable": _honored("name", "value", "readonly", "group", "template", "parameters"),
}


def support_faults(pipeline: Pipeline) -> Iterator[Problem]:
    """Yield every key of an expanded pipeline that the runner would have to pass over; strategies aside."""
    yield from _faults(pipeline.fields, "pipeline", "the pipeline")
    for stage in pipeline.stages:
        yield from _faults(stage.fields, "stage", f"stage {stage.name}")
        for job in stage.jobs:
            yield from _job_faults(stage, job)


def _job_faults(stage: Stage, job: Job) -> Iterator[Problem]:
    what = f"job {stage.name}.{job.name}"
    yield from _faults(job.fields, "deployment" if job.deployment else "job", what)
    yield from _faults(fields_of(job.fields.get("environment")), "environment", f"the environment of {what}")
    for key in fields_of(job.pool).names():
        if key in KEYS_OF_1ES_POOLS:
            yield Problem(
                key.location, f"'{key}' of the pool of {what} is not supported locally: only 1ES templates read it."
            )
    for step in job.steps:
        rest = Fields(step.fields[1:], step.location)
        yield from _faults(rest, "step", f"a step of {what}")


def _faults(fields: Fields, part: str, what: str) -> Iterator[Problem]:
    for key, value in fields:
        support = KEYS[part].get(key)
        written_out = isinstance(value, str) and support is not None and value.lower() in support.fine
        if support and support.verdict == REFUSED and not written_out:
            yield Problem(key.location, f"'{key}' of {what} is not supported locally: {support.reason}")
