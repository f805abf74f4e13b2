"""One call of the command line: what others print is dropped, and the process ends with the verb's exit code."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from ml_service.cli.session import session
from ml_service.errors import CheckFailedError
from tests.unit.ml_service.conftest import MakeSettings


def test_what_the_sdk_prints_does_not_reach_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit), session(as_json=False) as call:
        print("Submitted PipelineRun")  # noqa: T201
        call.terminal.say("run        run-1")

    assert capsys.readouterr().out.startswith("run        run-1\n\nlive now: ")


def test_the_exit_code_is_that_of_the_verb_or_of_its_failure(capsys: pytest.CaptureFixture[str]) -> None:
    codes = []
    for failure in (None, CheckFailedError("no"), KeyboardInterrupt()):
        with pytest.raises(typer.Exit) as ended, session(as_json=False) as call:
            call.exit_code = 3 if failure is None else 0
            if failure is not None:
                raise failure
        codes.append(ended.value.exit_code)

    assert codes == [3, 3, 130]
    assert capsys.readouterr().err.count("what happened:     error: no\n") == 1


def test_a_failure_has_a_page_where_an_agent_listens(make_settings: MakeSettings, tmp_path: Path) -> None:
    with pytest.raises(typer.Exit), session(False, verb="release") as call:
        call.settings = make_settings({"TF_BUILD": "True", "AGENT_TEMPDIRECTORY": str(tmp_path)})
        raise CheckFailedError("no")

    (page,) = tmp_path.glob("release-*.md")
    assert page.read_text().startswith("# Release failed\n\n|   |   |\n| --- | --- |\n| **live now** | as before")


def test_a_mistake_of_ours_stays_a_traceback() -> None:
    with pytest.raises(KeyError), session(as_json=False):
        raise KeyError("bug")
