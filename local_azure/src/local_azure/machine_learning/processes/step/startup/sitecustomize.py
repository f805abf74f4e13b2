"""Read by every Python that a command of a step starts: at its end, what it logged is handed to the server."""

import concurrent.futures.thread  # noqa: F401 - its own hook must be there first: the last one registered runs first
import threading

from local_azure.machine_learning.processes.step.script import flush_metrics

# Not atexit: when that comes, the SDK can start no thread any more to send what is left.
threading._register_atexit(flush_metrics)  # type: ignore[attr-defined]
