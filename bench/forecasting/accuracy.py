"""How well do the candidates forecast that `problems new` writes, against AutoETS of statsforecast as a reference?

    uv venv --python python3.11 .bench/reference
    uv pip sync --python .bench/reference/bin/python --require-hashes bench/requirements/reference.txt
    python -m bench.forecasting.accuracy --reference .bench/reference/bin/python

Reads the families of the gate simulation, or a file of your own (`--data`: a day a row, a series a column). *Now* are
the candidates of a problem file that is new today, with the holidays of the country; *plain* are the same without
holidays and without a look at the year before. Of each, training chooses one before the first origin, and that is
refitted at all origins, which are spread evenly over the last year, or the last third of a shorter history. *A year*
is what `problems check` says of the whole table. Without --reference only our recipes are compared; --theta adds
AutoTheta.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from bench.forecasting.gate_data import table_of, tables, wide
from forecasting.calendars import DAILY
from forecasting.data.future import HOLIDAYS_AHEAD, holidays_of
from forecasting.data.series import Panel
from forecasting.evaluation.backtest import Windows, actuals_of, backtest, history_of
from forecasting.evaluation.metrics import by_series
from forecasting.evaluation.patterns import patterns_in
from forecasting.evaluation.selection import choose, recipes_of
from forecasting.known import Known
from forecasting.models.recipe import YEAR, Array, History, Recipe
from forecasting.problem.sections import Training
from ml_service.settings.new_problem import Columns, Dates, text_of

SEASON, HORIZON = 7, 28
ONE_YEAR = 364
FIRST_CHOICE = 238  # days of history that training needs to choose
COUNTRIES = {
    "series500": "US", "online retail": "GB", "footfall": "NZ", "grocery": "US", "flights": "US", "pages": "",
}  # fmt: skip


@dataclass(frozen=True)
class Family:
    """Some series of a family, evenly drawn, and the origins that are forecast."""

    name: str
    panel: Panel
    windows: Windows

    @property
    def start(self) -> int:
        """Days of history at the first origin, which the choice may see."""
        return self.windows.origins[0]


def family_of(name: str, values: Array, last: date, *, series: int, origins: int) -> Family:
    """Draw the series and spread the origins."""
    chosen = np.unique(np.linspace(0, len(values) - 1, series).astype(int))
    days = values.shape[1]
    start = max(days - HORIZON - ONE_YEAR, 2 * days // 3, FIRST_CHOICE)
    places = tuple(int(origin) for origin in np.linspace(start, days - HORIZON, origins))
    first = last - timedelta(days=days - 1)
    return Family(name, Panel(first, values[chosen], tuple(map(str, chosen))), Windows(places, HORIZON))


def with_holidays(panel: Panel, country: str) -> Panel:
    """The panel, with the holidays of a country where one is named."""
    if not country:
        return panel
    holidays = holidays_of(country, panel.first - timedelta(days=1), panel.last + HOLIDAYS_AHEAD)
    return replace(panel, known=Known((), np.zeros((*panel.values.shape, 0)), panel.days, holidays))


def training_of(days: int, country: str = "") -> Training:
    """What a new problem file of many series with so many days of history says about training; judged by MASE.

    country: whose holidays it knows.
    """
    columns = Columns("Day", "Units", ("Item",), "sum", holidays=country)
    text = text_of("bench", columns, None, Dates(DAILY, days))
    return Training.model_validate(yaml.safe_load(text)["training"]).model_copy(update={"metric": "mase"})


def mase(forecasts: Array, history: History, windows: Windows) -> float:
    """Mean MASE of the series that vary before the first origin."""
    actuals = actuals_of(history, windows)
    usable = actuals.usable
    return float(by_series(forecasts[usable], actuals.rows(usable), "mase").mean())


def measured(family: Family, panel: Panel, training: Training) -> tuple[Recipe, dict[str, float]]:
    """The recipe that training chooses before the first origin, and the MASE of every candidate after it."""
    history, windows = history_of(panel, training, 0.0), family.windows
    chosen = choose(panel.until(family.start), training, 0.0).recipe
    made = backtest(history, [*recipes_of(training), chosen], windows)
    return chosen, {label: mase(forecasts, history, windows) for label, forecasts in made.items()}


def references(python: Path | None, family: Family, models: Sequence[str]) -> dict[str, float]:
    """MASE of statsforecast's models, by name."""
    if python is None:
        return {}
    history = History(family.panel.values, family.panel.last, SEASON, HORIZON)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        np.save(folder / "values.npy", history.values)
        task = {"season": SEASON, "horizon": HORIZON, "origins": list(family.windows.origins), "models": list(models)}
        (folder / "task.json").write_text(json.dumps(task))
        script = Path(__file__).with_name("reference.py")
        subprocess.run([str(python), "-W", "ignore", str(script), str(folder)], check=True)
        made = {name: np.maximum(np.load(folder / f"{name}.npy", allow_pickle=False), 0) for name in models}
    return {name: mase(forecasts, history, family.windows) for name, forecasts in made.items()}


def row(family: Family, country: str, others: Mapping[str, float]) -> str:
    """One row of the table; the MASE of each candidate goes to stderr."""
    year = YEAR in patterns_in(family.panel, SEASON)
    plain, before = measured(family, family.panel, training_of(0))
    now, after = measured(family, with_holidays(family.panel, country), training_of(family.start, country))
    for label, value in {**before, **after, **others}.items():
        sys.stderr.write(f"{family.name}: {label} {value:.3f}\n")
    ours, earlier = after[now.label], before[plain.label]
    cells = [
        family.name, str(len(family.panel.keys)), str(family.start), "yes" if year else "no",
        f"`{plain.label}` {earlier:.3f}", f"`{now.label}` **{ours:.3f}**", f"{ours / earlier:.2f}",
        f"{min(after.values()):.3f}",
        *(f"{value:.3f} ({'kept' if ours <= value else 'missed'})" for value in others.values()),
    ]  # fmt: skip
    return f"| {' | '.join(cells)} |"


def main() -> int:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=Path("../shared/data"), help="folder of the two retail files")
    parser.add_argument("--packages", type=Path, default=Path("build/gate_packages"), help="folder of the others")
    parser.add_argument("--family", choices=COUNTRIES, nargs="+", default=list(COUNTRIES), help="only these")
    parser.add_argument("--data", type=Path, help="judge this family alone: day a row, series a column")
    parser.add_argument("--holidays", default="", metavar="COUNTRY", help="of --data")
    parser.add_argument("--series", type=int, default=40, help="so many of each, drawn evenly (default 40)")
    parser.add_argument("--origins", type=int, default=5, help="forecast origins (default 5)")
    parser.add_argument("--reference", type=Path, help="Python of the environment that has statsforecast")
    parser.add_argument("--theta", action="store_true", help="AutoTheta beside AutoETS")
    given = parser.parse_args()
    found = [table_of(given.data.name, wide(given.data), "mase", alone=False)] if given.data else []
    models = ["AutoETS", *(["AutoTheta"] if given.theta else [])] if given.reference else []
    columns = ["family", "series", "days", "a year", "plain", "now", "now / plain", "best of now", *models]
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}", flush=True)
    shipped = (table for table in tables(given.shared, given.packages) if table.name in given.family)
    for table in found or shipped:
        last = pd.Timestamp(table.last).date()
        family = family_of(table.name, table.values, last, series=given.series, origins=given.origins)
        country = given.holidays if given.data else COUNTRIES[table.name]
        print(row(family, country, references(given.reference, family, models)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
