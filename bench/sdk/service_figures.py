"""Measure steps, reruns and an unimplemented call with plain Azure ML SDK v1 code. Last line: one JSON object.

Server-side seconds come from the run history's own start and end times.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import time
from typing import Any

from azureml.core import Workspace
from azureml.pipeline.core import PipelineDraft
from client import five_steps, submit  # type: ignore[import-not-found]  # a script beside this one

ROUNDS = 3


def server_seconds(run: Any) -> float:
    """Return the duration of a run by the server's clock."""
    details = run.get_details()
    start, end = (dt.datetime.fromisoformat(details[key]) for key in ("startTimeUtc", "endTimeUtc"))
    return (end - start).total_seconds()


def refusal(workspace: Any) -> dict[str, Any]:
    """Measure how long an unimplemented call takes to fail, and return the SDK's message with it."""
    started = time.perf_counter()
    try:
        PipelineDraft.list(workspace)
    except Exception as error:
        return {"seconds": time.perf_counter() - started, "text": str(error)}
    raise SystemExit("The server answered a call that should be unimplemented.")


def main() -> int:
    """Measure and print."""
    workspace = Workspace.get(
        os.environ["AZUREML_WORKSPACE_NAME"],
        subscription_id=os.environ["AZURE_SUBSCRIPTION_ID"],
        resource_group=os.environ["AZURE_RESOURCE_GROUP"],
    )
    answer: dict[str, Any] = {"logging": [], "silent": [], "client": [], "again": []}
    for number in range(ROUNDS + 1):  # the first one warms up
        for kind in ("logging", "silent"):
            pipeline = five_steps(workspace, f"{kind}_step", first_number=10 * number)
            run, seconds = submit(workspace, pipeline, poll=True)
            again, _ = submit(workspace, pipeline, poll=True)
            if number:
                answer[kind].append(server_seconds(run))
            if number and kind == "logging":
                answer["client"].append(seconds)
                answer["again"].append(server_seconds(again))
    print("\n" + json.dumps({**answer, "refusal": refusal(workspace)}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
