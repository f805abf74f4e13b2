"""`data upload` refuses a bad table with exit 3, also where no workspace can be opened to record that."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

from azure_ml.errors import AzureMlError
from ml_service.cli.main import main
from ml_service.errors import FaultError
from ml_service.settings import workspaces
from ml_service.settings.variables import Settings
from ml_service.training import data
from tests.sample import DATA, PROBLEMS

NOT_RECORDED = "this is not recorded in the ledger, because the workspace cannot be opened"
TABLE = DATA / "daily_by_type.csv"
MakeSettings = Callable[[dict[str, str]], Settings]


def _lines() -> list[str]:
    return TABLE.read_text().splitlines()


BAD_TABLES = {
    "empty": ("", "empty"),
    "no column": ("\n".join(line.rpartition(",")[0] for line in _lines()), "Amount: missing"),
    "negative": ("\n".join([*_lines()[:4], _lines()[4].rpartition(",")[0] + ",-5", *_lines()[5:]]), "negative"),
    "duplicate": ("\n".join([*_lines()[:3], _lines()[2], *_lines()[3:]]), "2013-07-31"),
    "nan": ("\n".join([*_lines()[:4], _lines()[4].rpartition(",")[0] + ",NaN", *_lines()[5:]]), "line 5"),
    "gap": ("\n".join(line for line in _lines() if not line.startswith("2013-10-10")), "2013-10-10"),
}


@pytest.mark.parametrize("name", BAD_TABLES)
def test_a_table_that_breaks_the_contract_is_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text, expected = BAD_TABLES[name]
    path = tmp_path / "table.csv"
    path.write_text(text)
    monkeypatch.setenv("PROBLEM_FILE", str(PROBLEMS / "paid_amount.yml"))
    for variable in ("AZURE_SUBSCRIPTION_ID", "AZURE_RESOURCE_GROUP", "AZUREML_WORKSPACE_NAME"):
        monkeypatch.setenv(variable, "unit")
    opened: list[Settings] = []

    def unreachable(settings: Settings) -> NoReturn:
        opened.append(settings)
        raise AzureMlError("nobody is signed in")

    monkeypatch.setattr(workspaces, "open_training", unreachable)

    assert main(["data", "upload", "--json", "--file", str(path)]) == 3

    captured = capsys.readouterr()
    assert captured.out == ""
    assert "violates the data contract" in captured.err
    assert expected in captured.err
    told = [captured.err.index(text) for text in ("what to do next:", "opening workspace", NOT_RECORDED)]
    assert told == sorted(told), "the refusal is told before anybody waits for the workspace"
    assert len(opened) == 1


@pytest.mark.parametrize("agent", ["", "True"])
def test_a_refusal_is_told_first_at_a_terminal_and_recorded_first_in_a_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], agent: str
) -> None:
    (tmp_path / "table.csv").write_text("")
    monkeypatch.setenv("PROBLEM_FILE", str(PROBLEMS / "paid_amount.yml"))
    monkeypatch.setenv("AGENT_TEMPDIRECTORY", str(tmp_path))
    monkeypatch.setenv("TF_BUILD", agent)
    for variable in ("AZURE_SUBSCRIPTION_ID", "AZURE_RESOURCE_GROUP", "AZUREML_WORKSPACE_NAME"):
        monkeypatch.setenv(variable, "unit")
    told: list[bool] = []

    def interrupted(_: Settings) -> NoReturn:
        told.append("what happened:" in capsys.readouterr().err)
        raise KeyboardInterrupt if not agent else AzureMlError("nobody is signed in")

    monkeypatch.setattr(workspaces, "open_training", interrupted)

    assert main(["data", "upload", "--file", str(tmp_path / "table.csv")]) == 3
    assert told[0] is not bool(agent)
    said = capsys.readouterr().err
    assert ("because the workspace cannot be opened" if agent else "because you interrupted that") in said


def test_the_embedded_table_keeps_the_contract(make_settings: MakeSettings) -> None:
    checked = data.check_file(make_settings({}))

    assert (checked.rows, checked.first_date, checked.last_date) == (889, "2013-07-31", "2014-05-31")


def test_a_file_that_changes_after_the_check_is_not_uploaded(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    copies = tmp_path / "copies"
    copies.mkdir()
    shutil.copyfile(TABLE, path)

    with pytest.raises(FaultError, match="changed while it was being read"):
        data._copy(path, "0" * 64, copies)


def test_a_missing_file_is_a_usage_error(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("PROBLEM_FILE", str(PROBLEMS / "paid_amount.yml"))
    for variable in ("AZURE_SUBSCRIPTION_ID", "AZURE_RESOURCE_GROUP", "AZUREML_WORKSPACE_NAME"):
        monkeypatch.setenv(variable, "unit")

    assert main(["data", "upload", "--file", "/nonexistent/table.csv"]) == 2
    assert "does not exist" in capsys.readouterr().err
