"""Names of runs: every token and variable of the service, the revision that counts per name, unknown tokens."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from local_azure.pipelines.check.run_names import RunNames
from local_azure.pipelines.expand.expansion import expand
from local_azure.pipelines.expand.model import Pipeline
from local_azure.pipelines.expand.queue_facts import QueueFacts

Run = Callable[..., Any]
NOW = datetime(2026, 11, 7, 9, 5, 3)
STEPS = "variables: {major: '7', both: $(major).1}\nsteps: [{bash: echo}]\n"


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("$(Build.DefinitionName)_$(Date:yy.MM.dd)$(Rev:.rr)", "local_26.11.07.01"),
        ("$(Date:yyyy.M.d)_$(Hours)$(Minutes)$(Seconds)", "2026.11.7_090503"),
        ("$(date:yyyyMMdd'T'HHmmss)", "20261107T090503"),
        ("$(SourceBranchName)-$(Build.BuildId)-$(Build.Reason)", "main-4-Manual"),
        ("$(TeamProject)_$(both).$(Rev:r)", "local_7.1.1"),
        ("$(Year:yyyy)$(DayOfYear)$(Rev:.r)", "2026311.1"),
        ("$(Year:yy).$(Month).$(DayOfMonth) build $(Rev:rrr) end", "26.11.7 build 001 end"),
        ("$(BuildDefinitionName)_$(BuildID)$(rev:.r)", "local_4.1"),
        ("", "20261107.1"),
        ("plain", "plain"),
    ],
)
def test_tokens(write: Callable[..., Any], name: str, number: str) -> None:
    file = write(f'name: "{name}"\n{STEPS}' if name else STEPS)
    facts = QueueFacts()
    names = RunNames(Pipeline(expand(file, {}, facts).tree, facts), facts)
    assert names.name(4, NOW).numbered(1) == number


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("$(Rve:r)", "'$(Rve:r)' in the run name is neither"),
        ("$(Date:yyyyQ)", "'$(Date:yyyyQ)' in the run name"),
        ("$(Date:)", "'$(Date:)' in the run name"),
        ("$(Rev:r).$(Rev:r)", "'$(Rev:r)' in the run name"),
        ("$(nothing)", "'$(nothing)' in the run name"),
        ("$[variables.major].$(Rev:r)", "$[ ] is not evaluated in the run name"),
        ("$(Build.SourceBranch)", "is not a valid build number"),
        ("x" * 256, "A build number has 1 to 255 characters"),
        ("ends.", "a trailing dot"),
    ],
)
def test_what_cannot_be_a_name_is_a_fault(faults: Callable[..., list[str]], name: str, fault: str) -> None:
    (found,) = faults(f'name: "{name}"\n{STEPS}')
    assert fault in found
    assert faults(f'name: "{"x" * 255}"\n{STEPS}') == []


def test_the_revision_counts_per_name(run: Run) -> None:
    numbers = [
        run(f"name: {name}\nsteps: [{{bash: 'echo'}}]\n").document["build_number"]
        for name in ("a.$(Rev:r)", "a.$(Rev:r)", "b$(Rev:.rr)", "a.$(Rev:r)", "$(Build.BuildId)", "b$(Rev:.rr)")
    ]
    assert numbers == ["a.1", "a.2", "b.01", "a.3", "5", "b.02"]


def test_a_run_that_was_killed_keeps_its_name(write: Callable[..., Any], tmp_path: Path) -> None:
    script = "echo started; test $(wait) = no || read line < $(gate)"
    file = write(f"name: a$(Rev:.rr)\nsteps: [{{checkout: none}}, {{bash: '{script}'}}]\n")
    gate, state = tmp_path / "gate", tmp_path / "state"
    os.mkfifo(gate)
    words = [sys.executable, "-m", "local_azure", "--state", str(state), "pipelines", "run", str(file), "--verbose"]
    words += ["-v", f"gate={gate}", "-v"]
    with subprocess.Popen([*words, "wait=yes"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert any("| started" in line for line in process.stdout)
        process.kill()
    descriptor = os.open(gate, os.O_RDWR)  # where the script has outlived its run, it ends now
    os.write(descriptor, b"go\n")
    os.close(descriptor)
    subprocess.run([*words, "wait=no"], check=True, stdout=subprocess.DEVNULL, timeout=60)
    document = json.loads((state / "pipelines" / "2" / "result.json").read_text(encoding="utf-8"))
    assert (document["build_number"], document["result"]) == ("a.02", "Succeeded")
