"""The command line: exit codes, messages, and that mistakes cost no import of the SDK."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from ml_service.cli.main import main

VERBS = [
    *(["data", "upload"], ["publish"], ["run"], ["smoke"], ["status"], ["rehearse"]),
    *(["check"], ["release", "--model-version", "1"], ["verify"], ["audit", "retain"]),
    *(["audit", "verify"], ["audit", "log", "--model", "1"], ["audit", "export", "--out", "x.zip"]),
    ["audit", "at", "--date", "2026-01-01"],
    *(["rollback", "--to", "previous", "--reason", "worse"], ["smoke", "--deploy", "champion"]),
    ["propose", "release", "--model-version", "1", "--evidence", "nowhere"],
    ["propose", "rollback", "--to", "1", "--reason", "worse", "--evidence", "nowhere"],
    ["history", "--out", "nowhere"],
    ["try"],
    ["controls", "verify"],
]

PROBE = """
import json, sys
from ml_service.cli.main import main
code = main(json.loads(sys.argv[1]))
loaded = {name.partition(".")[0] for name in sys.modules}
heavy = sorted(loaded & {"azureml", "azure", "pandas", "pandera", "requests"})
print("probe", code, heavy, file=sys.stderr)
"""


@pytest.mark.parametrize("verb", [[], ["doctor"], ["retain"], *VERBS])
def test_help_teaches(verb: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*verb, "--help"]) == 0

    assert "Usage: python -m ml_service" in capsys.readouterr().out


def test_help_documents_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--help"])

    text = capsys.readouterr().out
    for code in ("0 ", "1 ", "2 ", "3 ", "4 ", "124 ", "130 "):
        assert f"\n    {code}" in text


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["nonsense"], ["publish", "--steps", "train,nonsense"], ["run", "--reason", "boredom"], ["status"]],
)
def test_help_and_mistakes_import_no_heavy_library(arguments: list[str]) -> None:
    answer = subprocess.run(
        [sys.executable, "-c", PROBE, json.dumps(arguments)], capture_output=True, text=True, timeout=60, check=False
    )

    code = 0 if arguments == ["--help"] else 2
    assert answer.stderr.splitlines()[-1] == f"probe {code} []"


def test_help_loads_nothing_that_a_verb_needs() -> None:
    probe = "import sys; from ml_service.cli.main import main; main(['--help']); print(*sorted(sys.modules))"
    answer = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, timeout=60, check=True)

    loaded = {name.partition(".")[0] for name in answer.stdout.splitlines()[-1].split()}
    assert loaded & {"pydantic", "jinja2", "yaml", "numpy", "pandas", "azureml"} == set()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nonsense"], "No such command"),
        (["run", "--timeout", "soon"], "--timeout"),
        (["run", "--timeout", "0"], "--timeout"),
        (["run", "--data-version", "0"], "--data-version"),
        (["smoke", "--horizon", "0"], "--horizon"),
        (["publish", "--steps", "register,train"], "wrong order: register,train"),
        (["run", "--unpublished", "--steps", "train"], "missing: register"),
        (["run", "--steps", "train,register"], "--steps needs --unpublished"),
        (["run", "--reason", "boredom"], "one of manual, schedule, data"),
        (["run", "--pipeline-id", ""], "the id of a published pipeline, or default"),
        (["run", "--pipeline-id", "x", "--follow", "y"], "--pipeline-id and --follow exclude each other"),
        (["run", "--data-version", "old"], "a number from 1, or newest"),
        (["release"], "neither --model-version nor --run"),
        (["release", "--model-version", ""], "no run has accepted a model"),
        (["release", "--model-version", "1; rm"], "a number from 1, or champion"),
        (["release", "--model-version", "1", "--run", "x"], "both --model-version and --run"),
        (["release", "--model-version", "champion", "--override-reason", "tariff"], "has no effect on a release"),
        (["release", "--model-version", "1", "--decision", ""], "--decision (empty) is not a decision"),
        (["release", "--model-version", "1", "--decision", "0" * 63], "the SHA-256 on the approval card"),
        (["release", "--model-version", "1", "--take-over"], "--take-over and --reason belong together"),
        (["release", "--model-version", "1", "--take-over-reason", "$(x)"], "--take-over-reason cannot be recorded"),
        (["rollback"], "--to"),
        (["rollback", "--to", "1", "--take-over"], "a rollback needs a reason"),
        (["rollback", "--to", "1", "--reason", "none"], "a rollback needs a reason"),
        (["propose", "rollback", "--to", "1", "--evidence", "x", "--reason", " "], "a rollback needs a reason"),
        (["propose", "release", "--model-version", "x", "--evidence", "x"], "a number from 1, or champion"),
        (["propose", "release", "--model-version", "1"], "--evidence"),
        (["smoke", "--deploy", "latest"], "a number from 1, or champion"),
        (["release", "--pending", "--run", "x"], "both --run and --pending"),
        (["run", "--pending", "--data-version", "2"], "--pending and --data-version exclude each other"),
        (
            ["run", "--pending", "--override-by", "Ada", "--override-reason", "tariff"],
            "--override-by and --pending exclude each other",
        ),
        (["release", "--pending", "--reason", "$(x)"], "--reason cannot be recorded"),
        (["candidates", "withdraw", "--model-version", "1"], "--reason"),
        (["candidates", "withdraw", "--model-version", "0", "--reason", "x"], "--model-version"),
        (["rollback", "--to", "1", "--take-over", "--reason", "$(x)"], "--reason cannot be recorded"),
        (["rollback", "--to", "yesterday"], "a number from 1, or previous or before-this-build"),
        (["history"], "--out"),
        (["audit", "export"], "--out"),
        (["audit", "at", "--date", "yesterday"], "a day such as 2026-03-03"),
        (["audit", "at", "--date", "9999-01-01"], "is in the future"),
        (["audit", "verify", "--anchor", "0" * 64], "--anchor is the hash of an export"),
        (["audit", "verify", "nothing.zip"], "neither a folder nor a readable ZIP file"),
    ],
)
def test_usage_errors_end_with_2_and_say_what_is_wrong(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2

    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.out == ""
    if "Usage:" not in captured.err:  # typer's own messages name the option; all others say what is live
        assert "live now:          unchanged" in captured.err


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_reports_placeholders_before_it_does_anything(
    verb: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(verb) == 2

    message = capsys.readouterr().err
    assert message.startswith("\nlive now:          unchanged; this command opened no workspace\n")
    assert "\nwhat happened:     error: 3 settings are not usable\n" in message
    assert message.count("is still the placeholder") == 3


def test_doctor_reports_settings_that_are_not_filled_in_as_a_finding(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AZURE_RESOURCE_GROUP", "<resource group>")

    assert main(["doctor", "--json"]) == 3

    (finding,) = json.loads(capsys.readouterr().out)["findings"]
    assert finding["check"] == "settings"
    assert "AZURE_RESOURCE_GROUP is still the placeholder" in finding["found"]
    assert "variables.yml" in finding["fix"]


def test_doctor_reports_a_problem_file_that_is_not_there_as_a_finding(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PROBLEM_FILE", "mlops_code/problems/none.yml")

    assert main(["doctor", "--json"]) == 3

    (finding,) = json.loads(capsys.readouterr().out)["findings"]
    assert "none.yml: no such problem file" in finding["found"]


BUG = """
import runpy, sys
from ml_service.cli import main
def broken(): raise RuntimeError("a log says ##vso[task.setvariable variable=outcome]accepted")
main.main = broken
sys.argv = ["ml_service"]
runpy.run_module("ml_service", run_name="__main__")
"""


def test_the_traceback_of_a_bug_commands_no_build_agent() -> None:
    ended = subprocess.run([sys.executable, "-c", BUG], capture_output=True, text=True, timeout=60, check=False)

    assert ended.returncode == 1
    assert "RuntimeError" in ended.stderr
    assert "##vso[" not in ended.stderr
