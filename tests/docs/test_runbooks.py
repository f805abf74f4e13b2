"""The commands of the runbooks exist with the options that they are typed with; every runbook is listed.

The retraining story types those of data, drift and red retraining; here each is parsed, which needs no server.
"""

from __future__ import annotations

import re
import shlex
from itertools import pairwise
from pathlib import Path

import pytest

from ml_service.cli.main import main

FOLDER = Path(__file__).resolve().parents[2] / "docs/runbooks"
PAGES = sorted(FOLDER.glob("*.md"))
MORE = [FOLDER.parent / "audit.md"]
PREFIX = ["python", "-m", "ml_service"]


def commands() -> list[list[str]]:
    """The words behind `python -m ml_service` of each command, each once."""
    blocks = [
        block
        for page in (*PAGES, *MORE)
        for block in re.findall(r"```sh\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    ]
    lines = {line.strip() for block in blocks for line in block.splitlines() if line.strip()}
    words = [shlex.split(line) for line in sorted(lines)]
    assert [line for line in words if line[:3] != PREFIX] == []
    return [line[3:] for line in words]


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_a_command_is_understood(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    values = {"NUMBER": "7", "TEXT": "a reason", "RUN_ID": "run-1"}
    assert main([values.get(word, word) for word in words]) == 2
    said = capsys.readouterr().err
    assert "settings are not usable" in said, "its words are right; what it lacks is a workspace"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_row_of_a_table_belongs_to_it(page: Path) -> None:
    """A row with another indentation ends the table and is shown as text."""
    lines = page.read_text(encoding="utf-8").splitlines()
    rows = [line for line in lines if line.lstrip().startswith("|")]
    torn = [
        line
        for above, line in pairwise(lines)
        if {above, line} <= set(rows) and above.partition("|")[0] != line.partition("|")[0]
    ]
    assert torn == []


def test_every_runbook_is_listed_in_the_readme() -> None:
    readme = (FOLDER.parents[1] / "README.md").read_text(encoding="utf-8")
    assert [page.name for page in PAGES if f"docs/runbooks/{page.name}" not in readme] == []
