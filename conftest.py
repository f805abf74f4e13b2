"""Before any test module is imported: the SDK reads at import whether it may send telemetry, and no test may."""

import os

os.environ["HBI_WORKSPACE_JOB"] = "true"
