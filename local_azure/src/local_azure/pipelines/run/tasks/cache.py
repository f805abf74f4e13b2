"""Cache@2: caches nothing."""

from local_azure.pipelines.run.step_context import Inputs, StepContext
from local_azure.pipelines.run.tasks.emulation import TaskEmulation


def _cache_nothing(context: StepContext, _: Inputs) -> bool:
    context.log.say("Task stub: nothing is cached between local runs.")
    return True


CACHE = TaskEmulation("Cache@2", _cache_nothing, ("key", "path", "restoreKeys", "cacheHitVar"))
