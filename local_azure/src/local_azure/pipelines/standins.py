"""Stand-ins for the few tasks that the product uses. A task that is not here fails, by name; none is skipped."""

from __future__ import annotations

import glob
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

from local_azure.pipelines.model import Pipeline, Step, is_true
from local_azure.pipelines.tree import Problem, nearest
from local_azure.pipelines.workspace import Artifacts, JobFolders


class StepHost(Protocol):
    """What a stand-in may use of the running step."""

    folders: JobFolders
    artifacts: Artifacts

    def say(self, line: str) -> None:
        """Write a line into the log."""

    def shell(self, script: Path, arguments: str, folder: str, *, azure: bool, stderr_fails: bool) -> bool:
        """Run a bash script; whether it succeeded."""

    def prepend_path(self, folder: Path) -> None:
        """Put a folder before the PATH of later steps."""


Inputs: TypeAlias = dict[str, str]


class StandInError(Exception):
    """A task fails; the text says why."""


@dataclass(frozen=True)
class StandIn:
    """How a task is stood in for: the inputs that it understands (lower case; aliases lead to the first name)."""

    run: Callable[[StepHost, Inputs], bool]
    understood: tuple[str, ...]
    aliases: tuple[tuple[str, str], ...] = ()

    def inputs(self, given: Inputs) -> Inputs:
        """The inputs by their first names in lower case."""
        names = dict(self.aliases)
        return {names.get(key.lower(), key.lower()): value for key, value in given.items()}


def _script(host: StepHost, inputs: Inputs, *, azure: bool = False) -> bool:
    inline = inputs.get("script", inputs.get("inlinescript"))
    if inputs.get("scripttype", "bash").lower() != "bash":
        raise StandInError(f"scriptType {inputs['scripttype']} cannot run here; use bash.")
    if (
        inputs.get("targettype", inputs.get("scriptlocation", "inline" if inline else ""))
        .lower()
        .startswith("inline")
    ):
        path = host.folders.temporary / f"script-{len(list(host.folders.temporary.iterdir()))}.sh"
        path.write_text(inline or "", encoding="utf-8")
    else:
        path = host.folders.sources / inputs.get("filepath", inputs.get("scriptpath", ""))
        if not path.is_file():
            raise StandInError(f"The script {path} does not exist.")
    fails = is_true(inputs.get("failonstderr", inputs.get("failonstandarderror", "")))
    folder = inputs.get("workingdirectory", "")
    return host.shell(path, inputs.get("arguments", ""), folder, azure=azure, stderr_fails=fails)


def _azure_cli(host: StepHost, inputs: Inputs) -> bool:
    if is_true(inputs.get("addspntoenvironment", "")):
        raise StandInError("addSpnToEnvironment cannot be stood in for: there is no service principal here.")
    host.say(f"Stand-in: the connection '{inputs.get('azuresubscription')}' leads to local_azure.")
    return _script(host, inputs, azure=True)


def _use_python(host: StepHost, inputs: Inputs) -> bool:
    running = f"{sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro}"
    wanted = inputs.get("versionspec", "3.x").rstrip("x*").rstrip(".")
    if not f"{running}.".startswith(f"{wanted}."):
        raise StandInError(f"Python {wanted} is wanted; local_azure runs on {running} and has no other.")
    host.prepend_path(Path(sys.executable).parent)
    host.prepend_path(host.folders.private_python())
    return True


def _publish(host: StepHost, inputs: Inputs) -> bool:
    if inputs.get("publishlocation", "pipeline").lower() != "pipeline":
        raise StandInError("Only publishLocation: pipeline is stood in for.")
    name = inputs.get("artifact") or "drop"
    try:
        count = host.artifacts.publish(name, host.folders.sources / inputs.get("targetpath", ""))
    except FileExistsError:
        raise StandInError(f"The artifact '{name}' exists already in this run; a name is taken once.") from None
    host.say(f"Published {count} file{'s' if count != 1 else ''} as '{name}'.")
    return True


def _download(host: StepHost, inputs: Inputs) -> bool:
    if inputs.get("buildtype", "current").lower() != "current":
        raise StandInError("Only artifacts of the current run can be downloaded here.")
    target = host.folders.sources / (inputs.get("targetpath") or host.folders.root)
    patterns = [line.strip() for line in inputs.get("itempattern", "").splitlines() if line.strip()]
    name = inputs.get("artifact")
    for artifact in [name] if name else host.artifacts.names():
        count = host.artifacts.download(artifact, target if name else target / artifact, patterns)
        host.say(f"Downloaded {count} file{'s' if count != 1 else ''} of '{artifact}'.")
    return True


def _matches(folder: Path, patterns: str) -> list[Path]:
    found: dict[str, None] = {}
    for pattern in (line.strip() for line in patterns.splitlines() if line.strip()):
        matched = glob.glob(str(folder / pattern.lstrip("!")), recursive=True)  # noqa: PTH207 - pattern may be absolute
        found = (
            {p: None for p in found if p not in matched}
            if pattern.startswith("!")
            else found | dict.fromkeys(matched)
        )
    return [Path(path) for path in found]


def _suites(paths: list[Path]) -> Iterator[ET.Element]:
    for path in paths:
        try:
            root = ET.parse(path).getroot()  # noqa: S314 - written by the run's own tests
        except ET.ParseError as error:
            raise StandInError(f"{path.name} holds no test results: {error}.") from None
        yield from [root] if root.tag in ("testsuite", "test-run", "test-results") else root.iter("testsuite")


def _test_results(host: StepHost, inputs: Inputs) -> bool:
    folder = host.folders.sources / inputs.get("searchfolder", "")
    paths = _matches(folder, inputs.get("testresultsfiles", "**/TEST-*.xml"))
    if not paths:
        host.say("##[warning]No test result files were found.")
        return not is_true(inputs.get("failtaskonmissingresultsfile", ""))
    total = failed = 0
    for suite in _suites(paths):
        total += int(suite.get("tests") or suite.get("total") or 0)
        failed += sum(int(suite.get(name) or 0) for name in ("failures", "errors", "failed"))
    host.say(f"{total} tests, {failed} failed, in {len(paths)} file{'s' if len(paths) != 1 else ''}.")
    return not (failed and is_true(inputs.get("failtaskonfailedtests", "")))


def _coverage(host: StepHost, inputs: Inputs) -> bool:
    paths = _matches(host.folders.sources, inputs.get("summaryfilelocation", ""))
    for path in paths:
        rate = ET.parse(path).getroot().get("line-rate")  # noqa: S314 - written by the run's own tests
        host.say(f"Line coverage {float(rate or 0):.1%} in {path.name}.")
    if not paths:
        host.say("##[warning]No coverage file was found.")
    return bool(paths) or not is_true(inputs.get("failifcoverageempty", ""))


def _cache(host: StepHost, _: Inputs) -> bool:
    host.say("Stand-in: nothing is cached between local runs.")
    return True


_BASH_INPUTS = ("targettype", "filepath", "arguments", "script", "workingdirectory", "failonstderr")
STAND_INS = {
    "bash@3": StandIn(_script, _BASH_INPUTS),
    "cmdline@2": StandIn(_script, ("script", "workingdirectory", "failonstderr")),
    "azurecli@2": StandIn(
        _azure_cli,
        ("azuresubscription", "scripttype", "scriptlocation", "scriptpath", "inlinescript", "arguments",
         "workingdirectory", "failonstandarderror", "addspntoenvironment", "useglobalconfig", "visibleazlogin",
         "keepazsessionactive"),
        (("connectedservicenamearm", "azuresubscription"), ("scriptarguments", "arguments"),
         ("cwd", "workingdirectory")),
    ),
    "usepythonversion@0": StandIn(_use_python, ("versionspec", "addtopath", "architecture")),
    "publishtestresults@2": StandIn(
        _test_results,
        ("testresultsformat", "testresultsfiles", "searchfolder", "mergetestresults", "failtaskonfailedtests",
         "failtaskonmissingresultsfile", "failtaskonfailuretopublishresults", "testruntitle", "publishrunattachments"),
        (("testrunner", "testresultsformat"),),
    ),
    "publishcodecoverageresults@2": StandIn(
        _coverage, ("summaryfilelocation", "pathtosources", "failifcoverageempty")
    ),
    "publishpipelineartifact@1": StandIn(
        _publish, ("targetpath", "artifact", "publishlocation", "parallel", "parallelcount"),
        (("path", "targetpath"), ("artifactname", "artifact"), ("artifacttype", "publishlocation")),
    ),
    "downloadpipelineartifact@2": StandIn(
        _download, ("buildtype", "artifact", "itempattern", "targetpath"),
        (("source", "buildtype"), ("artifactname", "artifact"), ("patterns", "itempattern"), ("path", "targetpath"),
         ("downloadpath", "targetpath")),
    ),
    "cache@2": StandIn(_cache, ("key", "path", "restorekeys", "cachehitvar")),
}  # fmt: skip


def task_of(step: Step) -> tuple[str, Inputs]:
    """The task that a step runs, short forms included, and its inputs as text."""
    given = {str(key): str(value) for key, value in step.inputs}
    extra = {str(key): str(value) for key, value in step.fields if key in ("workingDirectory", "failOnStderr")}
    name = step.text("artifact") or ""
    if step.kind == "task":
        return str(step.value), given
    if step.kind == "publish":
        return "PublishPipelineArtifact@1", {"targetPath": str(step.value), "artifact": str(name)}
    if step.kind == "download":
        patterns = str(step.text("patterns") or "")
        target = f"$(Pipeline.Workspace)/{name}" if name else "$(Pipeline.Workspace)"
        return "DownloadPipelineArtifact@2", {"artifact": str(name), "itemPattern": patterns, "targetPath": target}
    return ("Bash@3" if step.kind == "bash" else "CmdLine@2"), {"script": str(step.value), **extra}


def unsupported(pipeline: Pipeline) -> list[Problem]:
    """The steps that cannot be stood in for, before anything runs."""
    found: list[Problem] = []
    for stage in pipeline.stages:
        for job in stage.jobs:
            if job.server:
                found.append(
                    Problem(job.place, f"The server job {job.name} has no stand-in here.", "It cannot run locally.")
                )
            for step in [] if job.server else job.steps:
                found += _not_understood(step)
    return found


def _not_understood(step: Step) -> Iterator[Problem]:
    if step.kind == "checkout" or (step.kind == "download" and step.value == "none"):
        return
    if step.kind == "download" and step.value != "current":
        yield Problem(
            step.place, f"Artifacts of '{step.value}' cannot be downloaded here.", "Only the current run's can."
        )
        return
    task, inputs = task_of(step)
    stand_in = STAND_INS.get(task.lower())
    if stand_in is None:
        yield Problem(step.value.place, f"The task {task} has no stand-in here.", "It cannot run locally.")
        return
    for name in stand_in.inputs(inputs):
        if name not in stand_in.understood:
            what = f"The stand-in of {task} does not understand the input '{name}'."
            yield Problem(step.inputs.place, what, nearest(name, stand_in.understood))
