"""The verb `try`."""

from __future__ import annotations

from ml_service.cli.session import AsJson, ForAgent, session
from ml_service.cli.verbs.training.ended import summarize
from ml_service.cli.verbs.training.options import DataVersion, Evidence, Timeout, data_version_of


def try_recipe(
    data_version: DataVersion = "newest",
    timeout: Timeout = 120.0,
    evidence: Evidence = None,
    for_agent: ForAgent = None,
    as_json: AsJson = False,
) -> None:
    """Train with the recipes of this working tree and compare the result with the champion; change nothing else.

    Nothing is published, registered or deployed, so it can be used on a branch: the run consists of the steps
    prepare, train and evaluate, in a separate experiment. Exits with 0 if the gate would accept the model or keep the
    champion, otherwise like run.
    """
    with session(as_json, for_agent, verb="try") as call:
        number = data_version_of(data_version)
        from ml_service.training.runs import ending
        from ml_service.training.runs.run import run
        from ml_service.training.runs.submitting import TRIED_STEPS, RunRequest, of_tries

        request = RunRequest(
            reason="code", timeout_minutes=timeout, data_version=number, unpublished_steps=TRIED_STEPS
        )
        settings = of_tries(call.settings)
        result = run(call.workspace, settings, call.build, call.terminal, request)
        ending.show(call.terminal, result)
        call.exit_code, call.ending = result.exit_code, ending.ending_of_try(result)
        summarize(call, settings, result, evidence)
