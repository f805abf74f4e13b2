"""PublishPipelineArtifact@1 and DownloadPipelineArtifact@2: artifacts are folders of the run."""

from local_azure.pipelines.run.builds.progress import ARTIFACT
from local_azure.pipelines.run.step_context import Inputs, StepContext, TaskEmulation, TaskError


def _publish(context: StepContext, inputs: Inputs) -> bool:
    name = inputs.get("artifact") or "drop"
    # Whose it is comes first: an artifact of nobody would be evidence of every approval.
    context.record.progress.found(ARTIFACT, context.log.label, {"name": name})
    context.record.artifacts.publish(name, context.folders.sources / inputs.get("targetPath", ""))
    context.log.say(f"Published '{name}'.")
    return True


def _download(context: StepContext, inputs: Inputs) -> bool:
    if inputs.get("buildType", "current") != "current":
        raise TaskError("Only artifacts of the current run can be downloaded here.")
    artifacts = context.record.artifacts
    target = context.folders.sources / (inputs.get("targetPath") or context.folders.root)
    patterns = [pattern.strip() for pattern in inputs.get("itemPattern", "").split("\n") if pattern.strip()]
    name = inputs.get("artifactName")
    # One artifact goes into the target itself, all of them into a folder each.
    targets = {name: target} if name else {each: target / each for each in artifacts.names()}
    for artifact, folder in targets.items():
        count = artifacts.download(artifact, folder, patterns)
        context.log.say(f"Downloaded {count} file{'s' if count != 1 else ''} of '{artifact}'.")
    return True


PUBLISH_PIPELINE_ARTIFACT = TaskEmulation(
    "PublishPipelineArtifact@1", _publish, ("targetPath", "artifact", "parallel", "parallelCount")
)
DOWNLOAD_PIPELINE_ARTIFACT = TaskEmulation(
    "DownloadPipelineArtifact@2", _download, ("buildType", "artifactName", "itemPattern", "targetPath")
)
