"""Another system's table with a new file and no code: from `problems new` to live answers for each of its series."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from forecasting.models.catalog import fit, forecast
from forecasting.models.model_file import StoredModel, read_model
from forecasting.models.recipe import History
from tests.story.conftest import MakeProduct
from tests.story.live import TABLES, Live
from tests.story.own_data import FIRST, write_sales
from tests.story.product import ROOT, Ended, Product, Sdk, copy_tree

COLUMNS = ("--date", "Day", "--measure", "Units", "--key", "Shop", "--key", "Item")


def fetched(workspace: Any, service: str, folder: str) -> tuple[str, str, str]:
    """Address and key of a service, and the folder that its model was downloaded to."""
    from azureml.core.webservice import Webservice

    found = Webservice(workspace, service)
    found.models[0].download(target_dir=folder, exist_ok=True)
    return str(found.scoring_uri), str(found.get_keys()[0]), folder


def live(sdk: Sdk, product: Product, folder: Path) -> tuple[Live, StoredModel]:
    """The test service of a product, and the model behind it."""
    url, key, _ = sdk(fetched, product.settings["TEST_SERVICE_NAME"], str(folder))
    (manifest,) = folder.rglob("manifest.json")
    return Live(url, key, manifest.parent), read_model(manifest.parent)


def by_series(answer: Mapping[str, Any]) -> dict[str, list[float]]:
    """The forecast of each series."""
    found: dict[str, list[float]] = {}
    for entry in answer["forecast"]:
        found.setdefault(entry["series"], []).append(entry["value"])
    return found


def columns_of(table: Path, keys: tuple[str, ...], day: str, value: str) -> dict[str, dict[str, float]]:
    """Raw values of each series by day, read without any code of ours."""
    found: dict[str, dict[str, float]] = {}
    with table.open(encoding="utf-8", newline="") as content:
        for row in csv.DictReader(content):
            found.setdefault("/".join(row[key] for key in keys), {})[row[day]] = float(row[value])
    return found


def history_of(values: Mapping[str, float], first: date, days: int) -> list[dict[str, Any]]:
    """Days of one series as a request holds them; a day without a row is zero."""
    names = [(first + timedelta(days=number)).isoformat() for number in range(days)]
    return [{"date": day, "value": values.get(day, 0.0)} for day in names]


# Sales by product: the embedded table, by settings alone.


@pytest.fixture(scope="module")
def items(make_product: MakeProduct) -> Product:
    return make_product("items").with_settings(
        PROBLEM_FILE="mlops_code/problems/product_sales.yml", DATA_FILE=TABLES["product_sales"].relative_to(ROOT)
    )


@pytest.fixture(scope="module")
def products(items: Product, sdk: Sdk, tmp_path_factory: pytest.TempPathFactory) -> tuple[Ended, Live, StoredModel]:
    return items.run("rehearse"), *live(sdk, items, tmp_path_factory.mktemp("items"))


@pytest.mark.campaign
def test_many_series_go_the_whole_way(products: tuple[Ended, Live, StoredModel]) -> None:
    ended, service, stored = products
    assert ended.found(r"^outcome +(\w+, [\w-]+):") == "accepted, first-model"
    assert len(stored.model.keys) == 22
    status, answer = service.ask({"horizon": 28})
    assert (status, answer["data_until"]) == (200, "2014-05-31")
    forecasts = by_series(answer)
    assert tuple(forecasts) == stored.model.keys
    expected = forecast(stored.model, 28)
    for row, key in enumerate(stored.model.keys):
        assert forecasts[key] == pytest.approx(expected[row].tolist(), rel=1e-9)
    assert len({tuple(values) for values in forecasts.values()}) > 15, "the products have forecasts of their own"
    for entry in answer["forecast"]:
        (low, high), (lowest, highest) = (entry["intervals"][level] for level in ("0.8", "0.95"))
        assert 0 <= lowest <= low <= entry["value"] <= high <= highest


@pytest.mark.campaign
def test_raw_history_gives_the_models_own_forecast(products: tuple[Ended, Live, StoredModel]) -> None:
    """The table's own numbers, as they stand in it: nobody scales anything, nobody remembers anything."""
    _, service, stored = products
    table = columns_of(TABLES["product_sales"], ("ProductID",), "TransactionDate", "Quantity")
    first = date(2014, 5, 31) - timedelta(days=99)
    given = {key: history_of(table[key], first, 100) for key in stored.model.keys[:5]}
    status, moved = service.ask({"horizon": 28, "history": given})
    _, known = service.ask({"horizon": 28, "series": list(given)})
    assert (status, moved["data_until"]) == (200, known["data_until"])
    for key, values in by_series(moved).items():
        assert values == pytest.approx(by_series(known)[key], rel=1e-9)


@pytest.mark.campaign
def test_a_product_that_the_model_does_not_know_needs_its_history(
    products: tuple[Ended, Live, StoredModel],
) -> None:
    _, service, stored = products
    for request in ({"horizon": 3, "series": ["1"]}, {"horizon": 3, "series": [stored.model.keys[0], "1"]}):
        status, answer = service.ask(request)
        assert (status, answer["error"]["field"]) == (422, "series")
        assert f"such as {stored.model.keys[0]}, or of others with their history" in answer["error"]["expected"]
    status, answer = service.ask({"horizon": 3, "history": {"1": history_of({}, FIRST, 60)}})
    assert (status, [entry["series"] for entry in answer["forecast"]]) == (200, ["1"] * 3)


def forecasts_of_a_pipeline(workspace: Any, endpoint: str, experiment: str, out: str) -> str:
    """Start the pipeline behind an endpoint and download the table that its step has kept with the run."""
    from azureml.pipeline.core import PipelineEndpoint

    run = PipelineEndpoint.get(workspace, name=endpoint).submit(experiment, pipeline_parameters={"horizon": 7})
    status = str(run.wait_for_completion(show_output=False))
    run.download_file("forecast.csv", out)
    return status


@pytest.mark.campaign
def test_all_series_are_forecast_to_a_table(
    products: tuple[Ended, Live, StoredModel], items: Product, sdk: Sdk, tmp_path: Path
) -> None:
    """From the champion, from the service, and by the published pipeline: the same numbers."""
    paths = [tmp_path / f"{source}.csv" for source in ("champion", "service", "pipeline")]
    items.run("forecast", "--out", paths[0], "--horizon", 7)
    items.run("forecast", "--out", paths[1], "--horizon", 7, "--service", "test")
    published = items.run("forecast", "--publish", "--json").document
    words = (published["endpoint"], items.settings["EXPERIMENT_NAME"], str(paths[2]))
    assert sdk(forecasts_of_a_pipeline, *words) == "Finished"
    tables = [columns_of(path, ("series",), "date", "forecast") for path in paths]
    assert tables[0] == tables[1] == tables[2]
    assert tuple(tables[0]) == products[2].model.keys
    assert {len(days) for days in tables[0].values()} == {7}


# A bakery: its own columns, its own file.


@dataclass(frozen=True)
class Bakery:
    """What was typed, what came of it, and where it lives."""

    written: Ended
    rehearsed: Ended
    service: Live
    stored: StoredModel
    table: Path
    tree: Path


@pytest.fixture(scope="module")
def bakery(make_product: MakeProduct, sdk: Sdk, tmp_path_factory: pytest.TempPathFactory) -> Bakery:
    folder = tmp_path_factory.mktemp("bakery")
    table, tree = write_sales(folder / "sales.csv"), copy_tree(folder / "tree")
    product = make_product("bakery").from_tree(tree)
    written = product.run("problems", "new", "bakery", *COLUMNS, "--data", table)
    product = product.with_settings(PROBLEM_FILE="mlops_code/problems/bakery.yml", DATA_FILE=table)
    rehearsed = product.run("rehearse")
    return Bakery(written, rehearsed, *live(sdk, product, folder / "model"), table, tree)


def test_a_new_file_is_enough(bakery: Bakery) -> None:
    assert bakery.written.found(r"^data +(.*)$") == "1920 rows give 6 series, 2024-01-01 to 2024-11-15"
    assert bakery.written.found(r"^gate +8 origins, (\S+) to") == "2024-08-31"
    assert bakery.rehearsed.found(r"^outcome +(\w+, [\w-]+):") == "accepted, first-model"
    for path in (bakery.tree / "mlops_code").rglob("*.py"):
        assert path.read_bytes() == (ROOT / path.relative_to(bakery.tree)).read_bytes(), "no code was written"


def test_a_fitted_model_of_raw_numbers_is_served_with_its_preprocessing(bakery: Bakery) -> None:
    """Ridge on scaled features: what it needs of the data it makes itself, from numbers as the table has them."""
    assert bakery.stored.model.recipe.label == "ridge_direct(alpha=1, scaled=1)"
    table = columns_of(bakery.table, ("Shop", "Item"), "Day", "Units")
    given = {key: history_of(values, FIRST + timedelta(days=200), 120) for key, values in table.items()}
    status, moved = bakery.service.ask({"horizon": 28, "history": given})
    _, known = bakery.service.ask({"horizon": 28})
    assert status == 200
    for key, values in by_series(moved).items():
        assert values == pytest.approx(by_series(known)[key], rel=1e-9)


def test_the_forecast_is_what_a_fit_on_the_raw_table_says(bakery: Bakery) -> None:
    table = columns_of(bakery.table, ("Shop", "Item"), "Day", "Units")
    keys = bakery.stored.model.keys
    raw = np.array([list(table[key].values()) for key in keys])
    by_hand = fit(bakery.stored.model.recipe, History(raw, date(2024, 11, 15), 7, 28), keys)
    _, answer = bakery.service.ask({"horizon": 28})
    for key, values in zip(keys, forecast(by_hand, 28), strict=True):
        assert by_series(answer)[key] == pytest.approx(values.tolist(), rel=1e-9)
    levels = [np.mean(by_series(answer)[f"Nord/{item}"]) for item in ("bread", "coffee", "milk")]
    assert levels[0] < levels[1] / 5 < levels[2] / 25, "one model, and every series in its own unit"


def test_history_moves_one_series_and_no_other(bakery: Bakery) -> None:
    """Twice the sales of 120 days are twice the forecast, in the same shop and in no other."""
    key = "Süd/coffee"
    table = columns_of(bakery.table, ("Shop", "Item"), "Day", "Units")
    days = history_of(table[key], FIRST + timedelta(days=200), 120)
    double = [{"date": entry["date"], "value": 2 * entry["value"]} for entry in days]
    _, known = bakery.service.ask({"horizon": 28, "series": [key]})
    status, moved = bakery.service.ask({"horizon": 28, "history": {key: double}})
    assert (status, list(by_series(moved))) == (200, [key])
    assert by_series(moved)[key] == pytest.approx([2 * value for value in by_series(known)[key]], rel=1e-6)
    assert moved["forecast"][0]["date"] == "2024-11-16"


def test_a_table_without_the_column_leaves_no_file(bakery: Bakery, make_product: MakeProduct) -> None:
    product = make_product("wrong").from_tree(bakery.tree)
    said = product.run(
        "problems", "new", "wrong", "--date", "Date", "--measure", "Units", "--data", bakery.table, code=3
    )
    assert "column Date: missing; expected a column of this name; the header is Shop, Item, Day, Units" in said.err
    assert not (bakery.tree / "mlops_code/problems/wrong.yml").exists()
    listed = product.run("problems", "list", "--json").document["problems"]
    assert "bakery" in {problem["name"] for problem in listed}


def test_a_table_that_is_too_short_says_how_many_days_are_needed(
    bakery: Bakery, make_product: MakeProduct, tmp_path: Path
) -> None:
    short = write_sales(tmp_path / "short.csv", 150)
    words = ("problems", "check", bakery.tree / "mlops_code/problems/bakery.yml", "--data", short)
    said = make_product("short").run(*words, code=3).err
    assert "The series has 150 days from 2024-01-01 to 2024-05-29" in said
    assert "Deliver more days or ask for fewer origins" in said
    assert json.loads(make_product("long").run(*words[:-1], bakery.table, "--json").out)["data"]["days"] == 320
