"""The verb `smoke`."""

from __future__ import annotations

from typing import Annotated

import typer

from ml_service.cli.session import AsJson, demand_version, session


def smoke(
    horizon: Annotated[int, typer.Option("--horizon", min=1, help="Steps to forecast, such as days or weeks.")] = 28,
    deploy: Annotated[
        str | None,
        typer.Option(
            "--deploy",
            metavar="VERSION",
            help="First deploy this model version, or champion, to the test service, with the scoring script and the "
            "environment of this working tree.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Request forecasts from the test service and compare them with those of the registered model.

    Requests several horizons and one forecast after a newer history; failed calls are retried. Exits with 3 for a
    wrong number, a refused call or a model file with another hash; with 1 for a service that is missing or unhealthy,
    whose log is shown; and with 4 if the names in the settings belong to another problem.
    """
    with session(as_json, verb="smoke") as call:
        demand_version("--deploy", deploy, "champion")
        settings = call.settings
        from ml_service.training import ownership
        from ml_service.training import smoke as module

        if deploy is None:
            ownership.demand_readable(call.workspace, settings)
            smoked = module.smoke(call.workspace, settings.test_service_name, horizon)
        else:
            problem, note = ownership.demand_ours(call.workspace, settings).problem, call.terminal.err
            smoked = module.deploy_for_test(call.workspace, settings, problem, deploy, horizon=horizon, announce=note)
        module.show(call.terminal, smoked)
        call.ends(f"the test service gives the same forecasts as {smoked.model}")
