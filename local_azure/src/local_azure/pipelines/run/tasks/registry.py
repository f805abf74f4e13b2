"""The registry of task emulations. To add a task, write a TaskEmulation in a module beside this and list it here."""

from local_azure.pipelines.run.tasks.artifacts import DOWNLOAD_PIPELINE_ARTIFACT, PUBLISH_PIPELINE_ARTIFACT
from local_azure.pipelines.run.tasks.cache import CACHE
from local_azure.pipelines.run.tasks.emulation import TaskEmulation
from local_azure.pipelines.run.tasks.published_results import PUBLISH_CODE_COVERAGE_RESULTS, PUBLISH_TEST_RESULTS
from local_azure.pipelines.run.tasks.python_version import USE_PYTHON_VERSION
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
