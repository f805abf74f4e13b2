"""The commands of docs/azure.md are understood with their options; each refusal of local_azure is explained there."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from infra.azure_devops import main as azure_devops
from local_azure.cli.main import execute, up
from local_azure.machine_learning.domain.access.denials import RULES
from ml_service.cli.main import main
from tests.docs.newcomer import Newcomer

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/azure.md").read_text(encoding="utf-8")
PYTHON = ["python", "-m"]


def commands() -> list[list[str]]:
    """The words behind `python -m` of each line of a block; assignments are left out."""
    blocks = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    typed = [line.removeprefix("AZURE_TESTS=yes ") for block in blocks for line in block.splitlines()]
    lines = [shlex.split(line) for line in typed if not line.startswith("export ")]
    assert [line for line in lines if line[:2] != PYTHON] == []
    return [line[2:] for line in lines]


def _understood(words: list[str]) -> bool:
    """Whether a program understands its words; what it lacks is a workspace or an organization."""
    program, *rest = words
    if program == "local_azure":
        verb, *options = rest
        command = {"exec": execute, "up": up}[verb]
        inner = list(command.make_context(verb, options).params.get("command", ()))
        return not inner or (inner[:2] == PYTHON and _understood(inner[2:]))
    if program == "pytest":
        return (ROOT / rest[0] / "conftest.py").is_file()
    if program == "infra.azure_devops":
        return azure_devops(rest) == 2
    return program == "ml_service" and main([word.replace("NUMBER", "7") for word in rest]) in (2, 3)


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_a_command_of_the_page_is_understood(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert _understood(words)
    assert "No such" not in capsys.readouterr().err


ACTIVATED = ". .venv/bin/activate"


def rehearsal() -> tuple[list[str], list[str]]:
    """The assignments of the section *Rehearse it*, and the commands after them."""
    found = re.search(r"^## Rehearse it$.*?```sh\n(.*?)```", PAGE, re.DOTALL | re.MULTILINE)
    assert found
    lines = found[1].splitlines()
    return [line for line in lines if line.startswith("export ")], [line for line in lines if "local_azure" in line]


@pytest.mark.campaign
@pytest.mark.timeout(600)
def test_the_rehearsal_runs_as_the_page_has_it(newcomer: Newcomer) -> None:
    exports, lines = rehearsal()
    for line in lines:
        refused = " || [ $? = 3 ]" if "--deny" in line else ""
        ended = newcomer.types([ACTIVATED, *exports, f"{line}{refused}"])
        if refused:
            assert "--role 'Azure Container Instances Contributor Role'" in ended.out


RELEASE = "python -m local_azure pipelines run .pipelines/release.yml --warm --verbose --approve production"
PRODUCTION = "AZUREML_PRODUCTION_WORKSPACE_NAME=local-production"


def refusals() -> dict[str, list[str]]:
    """By the name of a rule what a step says then, as the page has it."""
    table = PAGE.partition("## When the first run stops")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (.+?) \| .+ \| `([a-z-]+)(?:=[A-Z]+)?` \|$", table, re.MULTILINE)
    return {rule: re.findall(r"`([^`]+)`", said) for said, rule in rows}


@pytest.mark.campaign
@pytest.mark.timeout(3600)
def test_each_stop_of_a_first_release_is_explained_by_the_page_and_by_doctor(newcomer: Newcomer) -> None:
    """Somebody new tries a release under each refusal, then asks `doctor`; at the end nothing is refused."""
    walker = replace(newcomer, seconds=1200)  # of one release, which usually takes 20; a machine may be busy
    told = refusals()
    assert told.keys() == RULES.keys()
    unexplained = []
    for rule in sorted(told, key=lambda rule: rule != "create-compute"):  # as long as there is no cluster
        value = "=0" if rule == "token-after" else ""
        up = f"python -m local_azure up --deny {rule}{value}"
        stopped = walker.types([ACTIVATED, up, f"{RELEASE} --azure {PRODUCTION} || [ $? = 1 ]"])
        doctor = "python -m local_azure exec -- python -m ml_service doctor || [ $? = 3 ]"
        ended = walker.types([ACTIVATED, f"export {PRODUCTION}", doctor])
        said = stopped.out + stopped.err
        if not any(phrase in said for phrase in told[rule]) or "  fix  " not in ended.out:
            unexplained.append((rule, said[-1500:], ended.out))
    assert unexplained == []

    walker.types([ACTIVATED, "python -m local_azure up", f"{RELEASE} --azure {PRODUCTION}"])


def test_each_refusal_that_can_be_rehearsed_is_explained() -> None:
    assert [name for name in RULES if f"`{name}`" not in PAGE and f"`{name}=" not in PAGE] == []


def test_each_finding_names_tests_that_exist_or_says_why_there_is_none() -> None:
    findings = PAGE.partition("## The findings of the review")[2]
    rows = re.findall(r"^\| F(\d+) .*\| ([^|]+) \|$", findings, re.MULTILINE)
    assert [number for number, _ in rows] == [str(number) for number in range(1, 25)]

    named = {number: re.findall(r"`(tests/[\w/.]+)::(\w+)`", tests) for number, tests in rows}
    assert [number for number, tests in rows if not named[number] and not tests.startswith("none")] == []
    missing = [
        f"F{number}: {file}::{test}"
        for number, found in named.items()
        for file, test in found
        if f"\ndef {test}(" not in (ROOT / file).read_text(encoding="utf-8")
    ]
    assert missing == []
