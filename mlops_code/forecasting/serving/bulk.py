"""Forecasts of all series of a model as a table: asked for in parts that one answer may hold, written as they come.

The columns are `series`, `date`, `forecast` and, of a model with intervals, `lower_80`, `upper_80` and so on.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from forecasting.errors import UsageError
from forecasting.models.recipe import FittedModel
from forecasting.serving.forecaster import MAX_POINTS, Forecaster
from forecasting.serving.questions import QuestionError

ENDINGS = (".csv", ".parquet")
Answer = Mapping[str, Any]
Row = tuple[str | float, ...]


def demand_writable(out: Path) -> None:
    """Raises: UsageError for a file of another kind."""
    if out.suffix.lower() not in ENDINGS:
        raise UsageError(f"{out}: expected a name that ends with {' or '.join(ENDINGS)}.")


def answers_of(model: FittedModel, horizon: int) -> Iterator[Answer]:
    """What the web service would answer, in parts. Raises: UsageError where the model needs more than a horizon."""
    forecaster = Forecaster(model)

    def ask(request: Mapping[str, Any]) -> Answer:
        try:
            return forecaster.answer(forecaster.read(request))
        except QuestionError as wrong:
            raise UsageError(f"The model cannot forecast that: {wrong}.") from None

    return asked_in_parts(ask, model, horizon)


def asked_in_parts(ask: Callable[[Mapping[str, Any]], Answer], model: FittedModel, horizon: int) -> Iterator[Answer]:
    """The answers of `ask` for all series of a model, some series at a time."""
    at_once = max(1, MAX_POINTS // max(horizon, 1))
    for start in range(0, len(model.keys), at_once):
        yield ask({"horizon": horizon, "series": list(model.keys[start : start + at_once])})


def write_forecast(out: Path, answers: Iterable[Answer], model: FittedModel) -> int:
    """Write a table and return its number of rows; the file appears when it is complete.

    Raises: UsageError (another kind of file), what `answers` raises.
    """
    demand_writable(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    levels = [f"{level:g}" for level in model.intervals.levels] if model.intervals else []
    columns = ["series", "date", "forecast", *_bounds(levels)]
    parts = (_rows(answer, model.keys[0], levels) for answer in answers)
    unfinished = out.with_name(f".{out.name}.part")
    try:
        write = _write_csv if out.suffix.lower() == ".csv" else _write_parquet
        count = write(unfinished, columns, parts)
        unfinished.replace(out)
    finally:
        unfinished.unlink(missing_ok=True)
    return count


def _bounds(levels: Sequence[str]) -> Iterator[str]:
    for level in levels:
        percent = f"{float(level) * 100:g}"
        yield from (f"lower_{percent}", f"upper_{percent}")


def _rows(answer: Answer, only: str, levels: Sequence[str]) -> list[Row]:
    """The entries of an answer. only: the series of a model with one, which its answers do not name."""
    rows = []
    for entry in answer["forecast"]:
        row: list[str | float] = [entry.get("series", only), entry["date"], float(entry["value"])]
        for level in levels:
            row += map(float, entry["intervals"][level])
        rows.append(tuple(row))
    return rows


def _write_csv(path: Path, columns: Sequence[str], parts: Iterable[list[Row]]) -> int:
    count = 0
    with path.open("w", encoding="utf-8", newline="") as content:
        lines = csv.writer(content, lineterminator="\n")
        lines.writerow(columns)
        for rows in parts:
            lines.writerows(rows)
            count += len(rows)
    return count


def _write_parquet(path: Path, columns: Sequence[str], parts: Iterable[list[Row]]) -> int:
    import pyarrow  # type: ignore[import-untyped]
    from pyarrow import parquet

    kinds = [pyarrow.string(), pyarrow.string(), *([pyarrow.float64()] * (len(columns) - 2))]
    schema = pyarrow.schema(list(zip(columns, kinds, strict=True)))
    count = 0
    with parquet.ParquetWriter(path, schema) as writer:
        for rows in parts:
            writer.write_table(
                pyarrow.Table.from_arrays([pyarrow.array(c) for c in zip(*rows, strict=True)], schema=schema)
            )
            count += len(rows)
    return count
