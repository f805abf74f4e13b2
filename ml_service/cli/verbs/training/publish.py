"""The verb `publish`."""

from __future__ import annotations

from typing import Annotated

import typer

from ml_service.cli.session import AsJson, ForAgent, session
from ml_service.cli.verbs.training.options import data_version_of

Steps = Annotated[
    str | None,
    typer.Option(
        "--steps",
        metavar="NAMES",
        help="Some of prepare,train,evaluate,register,deploy in this order, always with train and register. "
        "Without prepare, train reads the raw table; without evaluate, register applies the gate itself. "
        "Default: all; without deploy where TEST_DEPLOYMENT is agent.",
    ),
]
PublishedData = Annotated[
    str,
    typer.Option(
        "--data-version",
        metavar="NUMBER",
        help="The data version that the pipeline trains on by default; a number or newest.",
    ),
]


def publish(
    steps: Steps = None,
    data_version: PublishedData = "newest",
    for_agent: ForAgent = None,
    as_json: AsJson = False,
) -> None:
    """Publish the pipeline with the build id as version and make it the default of the pipeline endpoint.

    Publishing the same graph under the same build id again changes nothing; a different graph is a conflict (exit 4).
    Creates the compute cluster if it does not exist.
    """
    with session(as_json, for_agent, verb="publish") as call:
        number = data_version_of(data_version)
        from ml_service.training.snapshots import parse_steps

        names = None if steps is None else parse_steps(steps)
        settings = call.settings
        from ml_service.training import publish as module

        request = module.PublishRequest(steps=names, data_version=number)
        result = module.publish(call.workspace, settings, call.build, call.terminal, request)
        module.show(call.terminal, result)
        call.agent.outputs({"pipelineId": result.pipeline_id, "pipelineVersion": result.version})
        did = f"{result.name} version {result.version} is published"
        call.ends(did, "run it: python -m ml_service run", page=True)
