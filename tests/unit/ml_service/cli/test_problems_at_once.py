"""`--problem a,b,c`: which problems, one process each, one summary, and no problem stops another."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import sys
import time
from pathlib import Path

import pytest

from ml_service.cli import problems_at_once
from ml_service.cli.forking import MAX_OUTPUT_BYTES, run_all
from ml_service.cli.main import main
from ml_service.cli.problems_at_once import MAX_PROBLEMS, run_each, taken_out
from ml_service.errors import InvalidRequestError
from ml_service.output.console import Terminal
from ml_service.settings.variables import DERIVED_VARIABLES
from tests.sample import SHIPPED

PROBLEMS = ["paid_amount", "product_sales", "units_by_type"]


@pytest.fixture(autouse=True)
def no_names(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in DERIVED_VARIABLES:
        monkeypatch.delenv(name, raising=False)


def problem_of_this_process() -> str:
    return Path(os.environ["PROBLEM_FILE"]).stem


def differs(words: list[str]) -> int:
    """A verb that ends well for one problem, is refused for another and is killed for the third."""
    problem = problem_of_this_process()
    if problem == "paid_amount":
        sys.stdout.write("outcome    kept, no-new-data: nothing\n")
    elif problem == "product_sales":
        sys.stderr.write("error: its table is gone\nwhat to do next:   deliver it again\n")
        return 1
    else:
        os.kill(os.getpid(), signal.SIGKILL)
    return 0


def test_one_failing_or_dying_problem_stops_no_other() -> None:
    out, err = io.StringIO(), io.StringIO()
    assert run_each(PROBLEMS, ["run"], Terminal(out=out, err=err), differs) == 1
    summary = out.getvalue().split("Summary")[1]
    for told in (
        r"kept, no-new-data",
        r"its table is gone",
        r"1 of 3 ended well; not product_sales, units_by_type",
    ):
        assert told in summary
    assert "MB" in summary
    assert "error: its table is gone" in err.getvalue()


def test_a_build_shows_all_problems_on_one_page(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TF_BUILD", "True")
    monkeypatch.setenv("AGENT_TEMPDIRECTORY", str(tmp_path))
    out = io.StringIO()
    run_each(PROBLEMS, ["run"], Terminal(out=out, err=io.StringIO()), differs)
    (page,) = tmp_path.glob("*.md")
    assert f"##vso[task.uploadsummary]{page}" in out.getvalue()
    assert page.read_text() == (
        "# Run of 3 problems\n\n| problem | result | what to do next | exit code |\n| --- | --- | --- | --- |\n"
        "| paid\\_amount | kept, no-new-data: nothing |  | 0 |\n"
        "| product\\_sales | its table is gone | deliver it again | 1 |\n"
        "| units\\_by\\_type | - |  | 1 |\n"
    )


def test_json_is_one_document() -> None:
    def verb(words: list[str]) -> int:
        sys.stdout.write(json.dumps({"file": os.environ["PROBLEM_FILE"]}))
        return 0

    out = io.StringIO()
    terminal = Terminal(as_json=True, out=out, err=io.StringIO())
    assert run_each(PROBLEMS, ["status", "--json"], terminal, verb) == 0
    found = json.loads(out.getvalue())["problems"]
    assert [item["result"]["file"] for item in found] == [f"mlops_code/problems/{name}.yml" for name in PROBLEMS]
    assert all(item["peak_megabytes"] > 0 for item in found)


def test_the_end_of_a_long_output_is_shown() -> None:
    def verb(words: list[str]) -> int:
        sys.stdout.write("x" * MAX_OUTPUT_BYTES + "\nthe end\n")
        return 0

    out = io.StringIO()
    assert run_each(PROBLEMS[:2], ["run"], Terminal(out=out, err=io.StringIO()), verb) == 0
    assert out.getvalue().count("the end") == 4, "in each output and in the summary"
    assert len(out.getvalue()) < 2.1 * MAX_OUTPUT_BYTES


def test_a_problem_that_breaks_shows_its_traceback_and_only_there() -> None:
    def verb(words: list[str]) -> int:
        if problem_of_this_process() == "paid_amount":
            raise ZeroDivisionError
        return 0

    out, err = io.StringIO(), io.StringIO()
    assert run_each(PROBLEMS[:2], ["run"], Terminal(out=out, err=err), verb) == 1
    assert err.getvalue().count("Traceback") == 1
    assert "1 of 2 ended well; not paid_amount" in out.getvalue()


def test_a_process_has_streams_and_environment_of_its_own(capfd: pytest.CaptureFixture[str]) -> None:
    """What one changes is seen neither by this process nor by the next one."""

    def work() -> int:
        sys.stdout.write(f"{sorted(os.environ)} {sys.stdin.read()}\n")
        os.environ["LEFT_BEHIND"] = "yes"
        return 7

    environments = {name: {"ONLY": name} for name in "abc"}
    ended = {one.name: one for one in run_all(environments, 1, work)}

    assert [ended[name].output for name in "abc"] == ["['ONLY'] \n"] * 3
    assert {os.waitstatus_to_exitcode(one.status) for one in ended.values()} == {7}
    assert capfd.readouterr() == ("", "")
    assert "LEFT_BEHIND" not in os.environ


def test_two_at_a_time_are_two_at_a_time(tmp_path: Path) -> None:
    """Each waits for a partner, so two work together; each counts who works, so a third never does."""
    seen, working = tmp_path / "seen", tmp_path / "working"
    seen.mkdir()
    working.mkdir()

    def work() -> int:
        me = os.environ["ME"]
        (working / me).touch()
        (seen / me).touch()
        while not (seen / str(int(me) ^ 1)).exists():
            time.sleep(0.01)  # for another process, which has no event of ours
        count = len(list(working.iterdir()))
        (working / me).unlink()
        return count

    counted = [
        os.waitstatus_to_exitcode(one.status) for one in run_all({str(n): {"ME": str(n)} for n in range(4)}, 2, work)
    ]
    assert len(counted) == 4
    assert max(counted) <= 2


def test_who_stops_listening_leaves_no_process_behind(tmp_path: Path) -> None:
    """As after Ctrl-C: those that run are waited for, and no other begins."""

    def work() -> int:
        me = tmp_path / os.environ["ME"]
        me.write_text(str(os.getpid()))
        while me.name == "b" and not (tmp_path / "a").exists():
            time.sleep(0.01)
        return 0

    begun = run_all({name: {"ME": name} for name in "abc"}, 2, work)
    next(begun)
    begun.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]
    for path in tmp_path.iterdir():
        with pytest.raises(ProcessLookupError):
            os.kill(int(path.read_text()), 0)


@SHIPPED
def test_the_option_may_stand_before_or_behind_the_verb() -> None:
    for words in (
        ["--problem", "paid_amount,product_sales", "run", "--json"],
        ["run", "--problem=paid_amount, product_sales", "--json"],
        ["run", "--problem", "paid_amount", "--json", "--problem", "product_sales"],
    ):
        assert taken_out(words) == (["paid_amount", "product_sales"], ["run", "--json"])
    assert taken_out(["problems", "new", "x"]) == ([], ["problems", "new", "x"])


@SHIPPED
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


@SHIPPED
def test_a_name_that_would_be_shared_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MODEL_NAME", "one-for-all")
    assert main(["run", "--problem", "paid_amount,product_sales"]) == 2
    assert "set for all of them: MODEL_NAME" in capsys.readouterr().err


@SHIPPED
def test_one_problem_needs_no_other_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROBLEM_FILE", "before.yml")
    assert problems_at_once.select(["run", "--problem", "units_by_type"]) == ([], ["run"])
    assert os.environ["PROBLEM_FILE"] == "mlops_code/problems/units_by_type.yml"
