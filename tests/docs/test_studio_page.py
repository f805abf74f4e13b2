"""docs/studio.md: its commands parse, and it names the documents that the studio shows."""

from __future__ import annotations

import re
import shlex

from click.testing import CliRunner

from local_azure.cli.main import main
from tests.docs.test_readme import ROOT

PAGE = (ROOT / "docs" / "studio.md").read_text(encoding="utf-8")


def test_every_command_is_one() -> None:
    blocks = re.findall(r"^```sh\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    lines = [line for block in blocks for line in block.splitlines()]
    lines += re.findall(r"`(pipelines run[^`]*)`", PAGE)
    assert len(lines) > 2
    for line in lines:
        words = shlex.split(line.removeprefix("python -m local_azure "))
        assert CliRunner().invoke(main, [*words, "--help"]).exit_code == 0, line


def test_documents_of_a_project_have_a_schema() -> None:
    for name in re.findall(r"\]\((\w+\.schema\.json)\)", PAGE):
        assert (ROOT / "docs" / name).is_file()
