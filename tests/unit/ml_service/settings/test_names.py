"""The names of a problem follow from its file, by one rule; a setting of the same name wins."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from forecasting.errors import UsageError
from ml_service.errors import InvalidRequestError
from ml_service.settings.names import names_of, own_settings
from ml_service.settings.new_problem import FOLDER
from ml_service.settings.variables import DERIVED_VARIABLES, ROOT, Settings, load
from tests.sample import DATA, PROBLEMS, SHIPPED

WriteVariables = Callable[[dict[str, str]], Path]
MakeSettings = Callable[[dict[str, str]], Settings]
BY_TYPE = ("paid-amount-transactions", str((DATA / "daily_by_type.csv").relative_to(ROOT)))
TABLES = {
    "paid_amount": BY_TYPE,
    "units_by_type": BY_TYPE,
    "product_sales": ("product-sales", str((DATA / "daily_sales_by_product.csv").relative_to(ROOT))),
}


def bare(variables: dict[str, str], **values: str) -> dict[str, str]:
    """Variables without any name that follows from the problem file."""
    return {name: value for name, value in {**variables, **values}.items() if name not in DERIVED_VARIABLES}


def names_in(settings: Settings) -> dict[str, object]:
    """Every setting that follows from the problem file."""
    return {name.lower(): getattr(settings, name.lower()) for name in DERIVED_VARIABLES}


@SHIPPED
def test_every_shipped_problem_has_its_case() -> None:
    assert {path.stem for path in FOLDER.glob("*.yml")} >= TABLES.keys()


@pytest.mark.parametrize("problem", TABLES)
def test_the_settings_of_a_shipped_problem(
    problem: str, variables: dict[str, str], write_variables: WriteVariables
) -> None:
    found = load(write_variables(bare(variables, PROBLEM_FILE=str((PROBLEMS / f"{problem}.yml").relative_to(ROOT)))))

    stem, (dataset, file) = problem.replace("_", "-"), TABLES[problem]
    assert names_in(found) == {
        "pipeline_name": f"{stem}-training",
        "pipeline_endpoint_name": f"{stem}-training-endpoint",
        "experiment_name": stem,
        "model_name": stem,
        "dataset_name": dataset,
        "data_file": ROOT / file,
        "test_service_name": f"{stem}-test",
        "production_service_name": stem,
    }


def test_a_setting_wins_over_the_rule(
    variables: dict[str, str], write_variables: WriteVariables, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODEL_NAME", "mine")
    monkeypatch.setenv("PRODUCTION_SERVICE_NAME", "served")
    found = load(write_variables({**bare(variables), "DATA_FILE": "other.csv"}))

    assert (found.model_name, found.production_service_name, found.data_file) == (
        "mine",
        "served",
        ROOT / "other.csv",
    )
    assert (found.experiment_name, found.dataset_name) == ("paid-amount", "paid-amount-transactions")


def test_a_problem_without_a_table_has_a_data_set_of_its_own(
    variables: dict[str, str], write_variables: WriteVariables, tmp_path: Path
) -> None:
    path, text = tmp_path / "energy.yml", (PROBLEMS / "product_sales.yml").read_text()
    path.write_text(text.partition("table:")[0] + text[text.index("source:") :].replace("product_sales", "energy"))
    found = load(write_variables({**bare(variables), "PROBLEM_FILE": str(path), "DATA_FILE": "energy.csv"}))

    assert found.dataset_name == names_of("energy")["DATASET_NAME"] == "energy-data"


def test_a_problem_without_a_table_needs_one(
    variables: dict[str, str], write_variables: WriteVariables, tmp_path: Path
) -> None:
    path, text = tmp_path / "energy.yml", (PROBLEMS / "product_sales.yml").read_text()
    path.write_text(text.partition("table:")[0] + text[text.index("source:") :])
    with pytest.raises(InvalidRequestError) as caught:
        load(write_variables(bare(variables, PROBLEM_FILE=str(path))))
    assert caught.value.found.startswith("DATA_FILE is missing, for example data/")


def test_a_problem_file_that_is_not_there_is_named(
    variables: dict[str, str], write_variables: WriteVariables
) -> None:
    with pytest.raises(UsageError, match=r"absent\.yml: no such problem file"):
        load(write_variables(bare(variables, PROBLEM_FILE="absent.yml")))


def test_a_problem_file_that_is_no_mapping_is_named(
    variables: dict[str, str], write_variables: WriteVariables, tmp_path: Path
) -> None:
    (tmp_path / "list.yml").write_text("- a\n")
    with pytest.raises(UsageError, match=r"list\.yml has no sections"):
        load(write_variables(bare(variables, PROBLEM_FILE=str(tmp_path / "list.yml"))))


@pytest.mark.parametrize("problem", ["energy", "a", "x" * 64, "paid_amount_of_all_shops_in_the_north"])
def test_names_for_a_problem_of_ones_own_are_legal(problem: str, make_settings: MakeSettings) -> None:
    found = own_settings(problem, "mlops_code/problems/x.yml", "sales.csv")
    settings = make_settings(found)
    assert settings.production_service_name != settings.test_service_name
    assert len(set(found.values())) >= len(found) - 2, "model, experiment and production service share a name"
