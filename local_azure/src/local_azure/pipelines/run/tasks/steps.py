"""Stand-ins for the few tasks that the product uses. A task that is not here fails, by name; none is skipped."""

from __future__ import annotations

import glob
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from local_azure.pipelines.check.service_schema import service_schema
from local_azure.pipelines.expand.model import Pipeline, Step, is_true
from local_azure.pipelines.language.tree import Problem, nearest

if TYPE_CHECKING:
    from local_azure.pipelines.run.job_runner import JobRun

Inputs: TypeAlias = dict[str, str]


class StandInError(Exception):
    """A task fails; the text says why."""


def _script(host: JobRun, inputs: Inputs, *, azure: bool = False) -> bool:
    inline = inputs.get("script", inputs.get("inlineScript"))
    if inputs.get("scriptType", "bash").lower() != "bash":
        raise StandInError(f"scriptType {inputs['scriptType']} cannot run here; use bash.")
    if inputs.get("targetType", inputs.get("scriptLocation", "inline" if inline else "")).startswith("inline"):
        path = host.folders.temporary / f"script-{len(list(host.folders.temporary.iterdir()))}.sh"
        path.write_text(inline or "", encoding="utf-8")
    else:
        path = host.folders.sources / inputs.get("filePath", inputs.get("scriptPath", ""))
        if not path.is_file():
            raise StandInError(f"The script {path} does not exist.")
    return host.shell(path, inputs, azure=azure)


def _azure_cli(host: JobRun, inputs: Inputs) -> bool:
    host.say(f"Stand-in: the connection '{inputs.get('azureSubscription')}' leads to local_azure.")
    return _script(host, inputs, azure=True)


def _use_python(host: JobRun, inputs: Inputs) -> bool:
    running = ".".join(map(str, sys.version_info[:3]))
    wanted = inputs.get("versionSpec", "3.x").rstrip("x*").rstrip(".")
    if not f"{running}.".startswith(f"{wanted}."):
        raise StandInError(f"Python {wanted} is wanted; local_azure runs on {running} and has no other.")
    host.prepend_path(Path(sys.executable).parent)
    host.prepend_path(host.folders.private_python())
    return True


def _publish(host: JobRun, inputs: Inputs) -> bool:
    name = inputs.get("artifact") or "drop"
    host.artifacts.publish(name, host.folders.sources / inputs.get("targetPath", ""))
    host.say(f"Published '{name}'.")
    return True


def _download(host: JobRun, inputs: Inputs) -> bool:
    if inputs.get("buildType", "current") != "current":
        raise StandInError("Only artifacts of the current run can be downloaded here.")
    target = host.folders.sources / (inputs.get("targetPath") or host.folders.root)
    patterns = inputs.get("itemPattern", "").split("\n")
    name = inputs.get("artifactName")
    for artifact in [name] if name else host.artifacts.names():
        folder = target if name else target / artifact
        count = host.artifacts.download(artifact, folder, [p.strip() for p in patterns if p.strip()])
        host.say(f"Downloaded {count} file{'s' if count != 1 else ''} of '{artifact}'.")
    return True


def _found(folder: Path, patterns: str) -> list[Path]:
    found: list[str] = []
    for pattern in filter(None, map(str.strip, patterns.splitlines())):
        # The pattern may be absolute.
        matched = glob.glob(str(folder / pattern.lstrip("!")), recursive=True)  # noqa: PTH207
        found = [p for p in found if p not in matched] + ([] if pattern.startswith("!") else matched)
    return [Path(path) for path in found]


def _suites(path: Path) -> Iterator[ET.Element]:
    root = ET.parse(path).getroot()  # noqa: S314 - written by the run's own tests
    yield from [root] if root.tag in ("testsuite", "test-run", "coverage") else root.iter("testsuite")


def _results(host: JobRun, inputs: Inputs) -> bool:
    coverage = "summaryFileLocation" in inputs
    folder = host.folders.sources / inputs.get("searchFolder", "")
    paths = _found(folder, inputs.get("summaryFileLocation") or inputs.get("testResultsFiles", ""))
    failed = 0
    for suite in (suite for path in paths for suite in _suites(path)):
        bad = sum(int(suite.get(name) or 0) for name in ("failures", "errors", "failed"))
        shown = f"line coverage {float(suite.get('line-rate') or 0):.1%}" if coverage else f"{bad} failed"
        host.say(f"{suite.get('tests') or suite.get('total') or ''} {shown}".strip())
        failed += bad
    if not paths:
        host.say("##[warning]No result files were found.")
        return not is_true(inputs.get("failIfCoverageEmpty" if coverage else "failTaskOnMissingResultsFile", ""))
    return not (failed and is_true(inputs.get("failTaskOnFailedTests", "")))


def _nothing(host: JobRun, _: Inputs) -> bool:
    host.say("Stand-in: nothing is cached between local runs.")
    return True


# What stands in for a task, and the inputs that it heeds or may pass over.
_STAND_INS: dict[str, tuple[Callable[[JobRun, Inputs], bool], str]] = {
    "bash@3": (_script, "targetType filePath arguments script workingDirectory"),
    "cmdline@2": (_script, "script workingDirectory"),
    "azurecli@2": (_azure_cli, """azureSubscription scriptType scriptLocation scriptPath inlineScript arguments
        workingDirectory useGlobalConfig visibleAzLogin keepAzSessionActive"""),
    "usepythonversion@0": (_use_python, "versionSpec addToPath architecture"),
    "publishtestresults@2": (_results, """testResultsFormat testResultsFiles searchFolder mergeTestResults
        failTaskOnFailedTests failTaskOnMissingResultsFile testRunTitle publishRunAttachments"""),
    "publishcodecoverageresults@2": (_results, "summaryFileLocation pathToSources failIfCoverageEmpty"),
    "publishpipelineartifact@1": (_publish, "targetPath artifact parallel parallelCount"),
    "downloadpipelineartifact@2": (_download, "buildType artifactName itemPattern targetPath"),
    "cache@2": (_nothing, "key path restoreKeys cacheHitVar"),
}  # fmt: skip


def task_of(step: Step) -> tuple[str, Inputs]:
    """The task that a step runs, short forms included, and its inputs by their first names."""
    name = str(step.text("artifact") or "")
    if step.kind == "task":
        first = service_schema().input_name
        return str(step.value), {first(step.value, key): str(value) for key, value in step.inputs}
    if step.kind == "publish":
        return "PublishPipelineArtifact@1", {"targetPath": str(step.value), "artifact": name}
    if step.kind == "download":
        target, patterns = f"$(Pipeline.Workspace)/{name}".rstrip("/"), str(step.text("patterns") or "")
        return "DownloadPipelineArtifact@2", {"artifactName": name, "itemPattern": patterns, "targetPath": target}
    extra = {str(key): str(value) for key, value in step.fields if key in ("workingDirectory", "failOnStderr")}
    return ("Bash@3" if step.kind == "bash" else "CmdLine@2"), {"script": str(step.value), **extra}


def run_task(host: JobRun, task: str, inputs: Inputs) -> bool:
    """Run the stand-in of a task; raises StandInError or OSError."""
    if task.lower() not in _STAND_INS:
        raise StandInError(f"The task {task} has no stand-in here.")
    return _STAND_INS[task.lower()][0](host, inputs)


def unsupported(pipeline: Pipeline) -> Iterator[Problem]:
    """The steps that cannot be stood in for, before anything runs."""
    for _, job in pipeline.jobs():
        if job.server:
            yield Problem(job.place, f"The server job {job.name} cannot run locally.")
        for step in [] if job.server else job.steps:
            task, inputs = task_of(step)
            _, heeded = _STAND_INS.get(task.lower(), (None, ""))
            if step.kind == "download" and step.value not in ("current", "none"):
                yield Problem(step.place, f"Artifacts of '{step.value}' cannot be downloaded here.")
            elif step.kind != "checkout" and not heeded:
                yield Problem(step.value.place, f"The task {task} has no stand-in here; it cannot run locally.")
            for name in inputs if heeded else ():
                if name not in heeded.split():
                    advice = nearest(name, heeded.split())
                    yield Problem(step.inputs.place, f"The stand-in of {task} knows no input '{name}'. {advice}")
