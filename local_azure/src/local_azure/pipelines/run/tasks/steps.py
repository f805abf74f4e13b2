"""Steps as the tasks that they run: finding the emulation, running it, refusing what has none."""

from collections.abc import Iterator

from local_azure.pipelines.check.schema.service_schema import service_schema
from local_azure.pipelines.expand.model import Pipeline, Step
from local_azure.pipelines.language.tree import Problem, nearest
from local_azure.pipelines.run.step_context import StepContext, TaskEmulation, TaskError
from local_azure.pipelines.run.tasks.artifacts import DOWNLOAD_PIPELINE_ARTIFACT, PUBLISH_PIPELINE_ARTIFACT
from local_azure.pipelines.run.tasks.job_setup import CACHE, USE_PYTHON_VERSION
from local_azure.pipelines.run.tasks.published_results import PUBLISH_CODE_COVERAGE_RESULTS, PUBLISH_TEST_RESULTS
from local_azure.pipelines.run.tasks.scripts import AZURE_CLI, BASH, CMD_LINE

EMULATIONS = (
    AZURE_CLI,
    BASH,
    CACHE,
    CMD_LINE,
    DOWNLOAD_PIPELINE_ARTIFACT,
    PUBLISH_CODE_COVERAGE_RESULTS,
    PUBLISH_PIPELINE_ARTIFACT,
    PUBLISH_TEST_RESULTS,
    USE_PYTHON_VERSION,
)
_BY_NAME = {emulation.name.lower(): emulation for emulation in EMULATIONS}


def emulation_of(task: str) -> TaskEmulation | None:
    """Return the emulation of a task (`NAME@VERSION`, without regard to case), or None."""
    return _BY_NAME.get(task.lower())


def task_of(step: Step) -> tuple[str, dict[str, str]]:
    """Return the task that a step runs, short forms included, and its inputs by their main names."""
    if step.kind == "task":
        main_name = service_schema().input_name
        return str(step.value), {main_name(step.value, key): str(value) for key, value in step.inputs}
    artifact = str(step.text("artifact") or "")
    if step.kind == "publish":
        return "PublishPipelineArtifact@1", {"targetPath": str(step.value), "artifact": artifact}
    if step.kind == "download":
        target = f"$(Pipeline.Workspace)/{artifact}".rstrip("/")
        patterns = str(step.text("patterns") or "")
        inputs = {"artifactName": artifact, "itemPattern": patterns, "targetPath": target}
        return "DownloadPipelineArtifact@2", inputs
    inputs = {str(key): str(value) for key, value in step.fields if key in ("workingDirectory", "failOnStderr")}
    return "Bash@3" if step.kind == "bash" else "CmdLine@2", {"script": str(step.value), **inputs}


def run_task(context: StepContext, step: Step) -> bool:
    """Run the emulation of a step's task; whether it succeeded. Raises TaskError or OSError."""
    task, inputs = task_of(step)
    emulation = emulation_of(task)
    if emulation is None:
        raise TaskError(f"The task {task} is unsupported here.")
    return emulation.run(context, {name: context.variables.expand(value) for name, value in inputs.items()})


def unsupported(pipeline: Pipeline) -> Iterator[Problem]:
    """Yield the steps that cannot run on this machine; found before anything runs."""
    for _, job in pipeline.jobs():
        if job.server:
            yield Problem(job.location, f"The server job {job.name} cannot run locally.")
            continue
        for step in job.steps:
            yield from _unsupported_step(step)


def _unsupported_step(step: Step) -> Iterator[Problem]:
    task, inputs = task_of(step)
    emulation = emulation_of(task)
    if step.kind == "download" and step.value not in ("current", "none"):
        yield Problem(step.location, f"Artifacts of '{step.value}' cannot be downloaded here.")
    elif step.kind != "checkout" and emulation is None:
        yield Problem(step.value.location, f"The task {task} is unsupported here; it cannot run locally.")
    if emulation is None:
        return
    for name in inputs:
        if name not in emulation.inputs:
            advice = nearest(name, emulation.inputs)
            yield Problem(step.inputs.location, f"The emulation of {task} has no input '{name}'. {advice}")
