"""The list of problems in variables.yml: read, changed in its line alone, and grown by `problems new`."""

from __future__ import annotations

from pathlib import Path

import pytest

from ml_service.errors import InvalidRequestError
from ml_service.output.console import Terminal
from ml_service.settings import problems
from ml_service.settings.new_problem import FOLDER, Columns
from ml_service.settings.pipeline_problems import add_name, read_names, with_names
from ml_service.settings.problems import Decided
from ml_service.settings.variables import VARIABLES_FILE, Settings
from ml_service.training import check as checking
from tests.sample import DATA, PROBLEMS

TEXT = "variables:\n  # PROBLEMS: said in a comment\n  PROBLEMS: bakery\n  OTHER: x\n"


def test_every_listed_problem_has_a_file() -> None:
    names = read_names(VARIABLES_FILE)
    assert names
    assert [name for name in names if not (FOLDER / f"{name}.yml").is_file()] == []


def test_a_name_is_added_in_its_line_alone(tmp_path: Path) -> None:
    path = tmp_path / "variables.yml"
    path.write_text(TEXT)
    assert add_name("cafe", path).endswith("so that pipelines run: bakery, cafe")
    assert path.read_text() == TEXT.replace(" bakery", " bakery cafe")
    assert read_names(path) == ["bakery", "cafe"]


def test_a_file_without_the_list_is_named() -> None:
    with pytest.raises(InvalidRequestError, match="holds 0 lines with the list"):
        with_names("variables:\n", ["bakery"])


def test_a_new_problem_is_listed_once_its_table_is_in_the_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed: list[str] = []
    monkeypatch.setattr(problems, "FOLDER", tmp_path)
    monkeypatch.setattr(problems, "add_name", listed.append)
    monkeypatch.setattr(problems, "_checked", lambda *_: None)
    columns, terminal = Columns("TransactionDate", "Quantity", ("TransactionType",), "sum"), Terminal(as_json=False)
    here, elsewhere = DATA / "daily_by_type.csv", tmp_path / "daily_by_type.csv"
    elsewhere.write_bytes(here.read_bytes())
    for name, table in (("here", here), ("elsewhere", elsewhere), ("nowhere", None)):
        problems.new(terminal, name, columns, tmp_path, table, decided=Decided(missing="zero"))
    assert listed == ["here"]


def test_check_names_a_listed_problem_that_has_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "read_names", lambda: ["paid_amount", "gone"])
    settings = Settings.model_construct(problem_file=PROBLEMS / "paid_amount.yml")
    with pytest.raises(InvalidRequestError) as caught:
        checking.check(settings, production=False)
    assert "gone.yml: does not exist, but PROBLEMS of variables.yml names it" in caught.value.found
