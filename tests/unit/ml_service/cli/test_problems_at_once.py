"""`--problem a,b,c`: which problems, one process each, one summary, and no problem stops another."""

from __future__ import annotations

import io
import json
import os
import re
from pathlib import Path

import pytest

from ml_service.cli import problems_at_once
from ml_service.cli.main import main
from ml_service.cli.problems_at_once import MAX_OUTPUT_BYTES, MAX_PROBLEMS, run_each, taken_out
from ml_service.errors import InvalidRequestError
from ml_service.output.console import Terminal
from ml_service.settings.variables import DERIVED_VARIABLES

PROBLEMS = ["paid_amount", "product_sales", "units_by_type"]
VERB = """
import os, signal, sys
problem = os.environ["PROBLEM_FILE"].rpartition("/")[2]
if problem == "paid_amount.yml":
    print("outcome    kept, no-new-data: nothing")
elif problem == "product_sales.yml":
    sys.exit("error: its table is gone")
else:
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(autouse=True)
def no_names(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in DERIVED_VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def verb(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Another program in the place of the command line."""
    package = tmp_path / "ml_service"
    package.mkdir()
    (package / "__main__.py").write_text(VERB)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    return package / "__main__.py"


def test_one_failing_or_dying_problem_stops_no_other(verb: Path) -> None:
    out, err = io.StringIO(), io.StringIO()
    assert run_each(PROBLEMS, ["run"], Terminal(out=out, err=err)) == 1
    summary = out.getvalue().split("Summary")[1]
    for told in (
        r"kept, no-new-data",
        r"its table is gone",
        r"1 of 3 ended well; not product_sales, units_by_type",
    ):
        assert told in summary
    assert "MB" in summary
    assert "error: its table is gone" in err.getvalue()


def test_json_is_one_document(verb: Path) -> None:
    verb.write_text('import json, os; print(json.dumps({"file": os.environ["PROBLEM_FILE"]}))')
    out = io.StringIO()
    assert run_each(PROBLEMS, ["status", "--json"], Terminal(as_json=True, out=out, err=io.StringIO())) == 0
    found = json.loads(out.getvalue())["problems"]
    assert [item["result"]["file"] for item in found] == [f"mlops_code/problems/{name}.yml" for name in PROBLEMS]
    assert all(item["peak_megabytes"] > 0 for item in found)


def test_the_end_of_a_long_output_is_shown(verb: Path) -> None:
    verb.write_text(f"print('x' * {MAX_OUTPUT_BYTES}); print('the end')")
    out = io.StringIO()
    assert run_each(PROBLEMS[:2], ["run"], Terminal(out=out, err=io.StringIO())) == 0
    assert out.getvalue().count("the end") == 4, "in each output and in the summary"
    assert len(out.getvalue()) < 2.1 * MAX_OUTPUT_BYTES


def test_the_option_may_stand_before_or_behind_the_verb() -> None:
    for words in (
        ["--problem", "paid_amount,product_sales", "run", "--json"],
        ["run", "--problem=paid_amount, product_sales", "--json"],
        ["run", "--problem", "paid_amount", "--json", "--problem", "product_sales"],
    ):
        assert taken_out(words) == (["paid_amount", "product_sales"], ["run", "--json"])
    assert taken_out(["problems", "new", "x"]) == ([], ["problems", "new", "x"])


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("paid_amount,paid_amount", "named twice: paid_amount"),
        ("paid_amount,other", "no such problem: other"),
        ("paid_amount,", r"no such problem: \(empty\)"),
        ("../problems/paid_amount", "no such problem"),
        (",".join(f"p{number}" for number in range(MAX_PROBLEMS + 1)), f"{MAX_PROBLEMS + 1} problems"),
    ],
)
def test_names_that_are_no_problems_are_refused(given: str, found: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        taken_out(["run", "--problem", given])
    assert re.search(found, caught.value.found)
    assert caught.value.exit_code == 2


def test_a_name_that_would_be_shared_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MODEL_NAME", "one-for-all")
    assert main(["run", "--problem", "paid_amount,product_sales"]) == 2
    assert "set for all of them: MODEL_NAME" in capsys.readouterr().err


def test_one_problem_needs_no_other_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROBLEM_FILE", "before.yml")
    assert problems_at_once.select(["run", "--problem", "units_by_type"]) == ([], ["run"])
    assert os.environ["PROBLEM_FILE"] == "mlops_code/problems/units_by_type.yml"
