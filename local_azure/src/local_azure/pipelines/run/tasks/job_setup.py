"""Cache@2, which caches nothing, and UsePythonVersion@0: the Python that runs local_azure, in a folder of the job."""

import sys
from pathlib import Path

from local_azure.pipelines.run.step_context import Inputs, StepContext, TaskEmulation, TaskError


def _cache_nothing(context: StepContext, _: Inputs) -> bool:
    context.log.say("Task stub: nothing is cached between local runs.")
    return True


CACHE = TaskEmulation("Cache@2", _cache_nothing, ("key", "path", "restoreKeys", "cacheHitVar"))


def _use_python(context: StepContext, inputs: Inputs) -> bool:
    running = ".".join(map(str, sys.version_info[:3]))
    wanted = inputs.get("versionSpec", "3.x").rstrip("x*").rstrip(".")
    if not f"{running}.".startswith(f"{wanted}."):
        raise TaskError(f"UsePythonVersion requests {wanted}, but local_azure provides only {running}.")
    context.prepend_path(Path(sys.executable).parent)
    context.prepend_path(context.folders.private_python())
    return True


USE_PYTHON_VERSION = TaskEmulation("UsePythonVersion@0", _use_python, ("versionSpec", "addToPath", "architecture"))
