"""The verb `forecast`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ml_service.cli.session import AsJson, Session, demand_version, session
from ml_service.errors import InvalidRequestError

if TYPE_CHECKING:
    from ml_service.forecasts.table import Source


def forecast(
    *,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Table to write: .csv or .parquet.", dir_okay=False)
    ] = None,
    horizon: Annotated[
        int | None, typer.Option("--horizon", min=1, help="Steps ahead; default: the horizon of the model.")
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option("--model", metavar="FOLDER", help="A model written by train.py; needs no Azure."),
    ] = None,
    evaluation: Annotated[
        Path | None,
        typer.Option(
            "--evaluation",
            metavar="FOLDER",
            help="With --model: the folder written by evaluate.py; the model that its decision accepts forecasts.",
        ),
    ] = None,
    model_version: Annotated[
        str | None, typer.Option("--model-version", metavar="NUMBER", help="A registered version; default: champion.")
    ] = None,
    service: Annotated[
        Literal["test", "production"] | None, typer.Option("--service", help="Use this web service instead.")
    ] = None,
    publish: Annotated[
        bool,
        typer.Option("--publish", help="Publish a pipeline that writes this table with the current champion."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write the forecasts of all series with their intervals to one table, or publish a pipeline that does.

    The columns are series, date, forecast and lower and upper bounds. Exits with 2 if the model does not exist or
    needs values of columns that are known in advance, and with 3 if the model file is not the registered one or the
    decision in --evaluation does not accept it.

    Without --evaluation, --model forecasts with what training has chosen, which may not be what the gate accepts.
    """
    with session(as_json, verb="forecast") as call:
        demand_version("--model-version", model_version, "champion")
        chosen = [name for name, value in (("--model", model), ("--model-version", model_version),
                                           ("--service", service), ("--publish", publish)) if value]  # fmt: skip
        if len(chosen) > 1:
            raise InvalidRequestError(f"{' and '.join(chosen)} exclude each other", todo="keep one of them")
        if evaluation and not model:
            raise InvalidRequestError("--evaluation needs --model", todo="name the folder written by train.py")
        if publish:
            _publish(call)
            return
        if out is None:
            raise InvalidRequestError("--out is missing", expected="a file .csv or .parquet", todo="name it")
        from forecasting.serving.bulk import demand_writable
        from ml_service.forecasts import table

        demand_writable(out)
        if model is not None:
            source = table.of_file(model, horizon, evaluation)
        else:
            source = _source(call, model_version, service, horizon)
        written = table.write(source, out, horizon)
        table.show(call.terminal, written)
        call.ends(f"{written.rows} forecasts were written to {written.file}")


def _source(call: Session, version: str | None, service: str | None, horizon: int | None) -> Source:
    """Return the source of the forecasts in a workspace."""
    from ml_service.forecasts import table

    settings = call.settings
    if service == "production":
        return table.of_service(call.production, settings.production_service_name, horizon)
    if service == "test":
        return table.of_service(call.workspace, settings.test_service_name, horizon)
    from ml_service.training import ownership

    ownership.demand_readable(call.workspace, settings)
    return table.of_version(call.workspace, settings, version or "champion", horizon)


def _publish(call: Session) -> None:
    from ml_service.forecasts import batch

    published = batch.publish_batch(call.workspace, call.settings, call.build, call.terminal)
    batch.show(call.terminal, published)
    call.ends(f"{published.name} version {published.version} is published", "start it with a POST to its endpoint")
