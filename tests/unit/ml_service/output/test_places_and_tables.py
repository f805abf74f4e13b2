"""What a user's machine is at fault for ends as a sentence; what is printed into a file is whole."""

from __future__ import annotations

import errno
import io
from pathlib import Path

import pytest

from ml_service.cli.main import main
from ml_service.errors import InvalidRequestError
from ml_service.output.console import Terminal
from ml_service.output.failures import explain
from ml_service.settings.names import own_settings
from ml_service.settings.variables import load
from ml_service.training.smoke import Smoked
from ml_service.training.smoke import show as show_smoke
from tests.unit.ml_service.conftest import MakeSettings, WriteVariables


def test_without_home_the_settings_say_so(
    write_variables: WriteVariables, variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_variables(variables)
    monkeypatch.delenv("HOME")
    with pytest.raises(InvalidRequestError, match="HOME is not set") as refused:
        load(path)
    assert "export HOME=FOLDER" in refused.value.todo


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.ENOSPC, errno.ENOTDIR])
def test_a_place_that_cannot_be_written_is_a_sentence(number: int) -> None:
    known = explain(OSError(number, "no", "out/history"))
    assert isinstance(known, InvalidRequestError)
    assert "out/history cannot be read or written: no" in str(known)
    assert "to do" in str(known)


def test_a_missing_file_of_ours_stays_a_fault_of_ours() -> None:
    assert explain(FileNotFoundError(errno.ENOENT, "no such file", "x")) is None


def test_problems_new_below_a_file_says_which_path(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from ml_service.settings import problems

    (tmp_path / "file").write_text("")
    columns = problems.Columns("Day", "Units", (), "sum")
    with pytest.raises(NotADirectoryError) as raised:
        problems.new(Terminal(), "x", columns, folder=tmp_path / "file" / "below")
    assert "below/x.yml cannot be read or written" in str(explain(raised.value))
    assert main(["problems", "new"]) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_a_table_in_a_file_is_never_cut() -> None:
    out = io.StringIO()
    columns = [f"a long heading {number}" for number in range(12)]
    Terminal(out=out).table(columns, [["0.123456789"] * 12], right=columns)
    assert out.getvalue().count("0.123456789") == 12
    assert "…" not in out.getvalue()
    assert max(map(len, out.getvalue().splitlines())) < 300, "a table is as wide as it must be"


def test_many_series_are_named_and_counted() -> None:
    out = io.StringIO()
    names = tuple(name for name in ("North/bread", "South/bread") for _ in range(2))
    days = ("2014-06-01", "2014-06-02") * 2
    show_smoke(Terminal(out=out), Smoked("svc", "u", "m:1", "0" * 64, days, (1.0, 2.0, 100.0, 50.0), names, 12))
    said = out.getvalue()
    assert "(2 days of each of 2 series)" in said
    assert "2 of the model's 12 series were asked for" in said
    lines = [line.split() for line in said.splitlines() if "bread" in line]
    assert [line[0] for line in lines] == list(names)
    assert [len(line[-1]) for line in lines] == [15, 30, 30, 15], "each series has a scale of its own"


@pytest.mark.parametrize("problem", ["energy", "a", "x" * 64, "paid_amount_of_all_shops_in_the_north"])
def test_names_for_a_problem_of_ones_own_are_legal(problem: str, make_settings: MakeSettings) -> None:
    found = own_settings(problem, "mlops_code/problems/x.yml", "sales.csv")
    settings = make_settings(found)
    assert settings.production_service_name != settings.test_service_name
    assert len(set(found.values())) >= len(found) - 2, "model, experiment and production service share a name"
