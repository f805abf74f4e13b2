"""A check of a file gives each parameter without a default a sample value, which nobody has queued."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from local_azure.cli.main import main
from local_azure.pipelines.expand.expansion import sample_parameters

PIPELINE = """
parameters:
- name: why
  type: string
- name: Count
  type: number
- name: size
  type: string
  values: [small, large]
- name: told
  type: string
  default: yes
jobs:
- job: one
  steps:
  - bash: echo ${{ parameters.size }} ${{ parameters.Count }}
"""


def written(folder: Path, text: str) -> Path:
    (folder / ".git").mkdir()
    (folder / "p.yml").write_text(text)
    return folder / "p.yml"


def test_each_type_has_a_sample_and_a_default_stays(tmp_path: Path) -> None:
    assert sample_parameters(written(tmp_path, PIPELINE)) == {"why": "VALUE", "Count": "1", "size": "small"}


def test_a_file_whose_parameters_have_no_default_is_checked(tmp_path: Path) -> None:
    file = str(written(tmp_path, PIPELINE))
    checked = CliRunner().invoke(main, ["pipelines", "check", file, "-p", "count=2"])
    assert (checked.exit_code, checked.output) == (0, f"{file}: no faults.\n")
    refused = CliRunner().invoke(main, ["pipelines", "check", file, "-p", "size=huge"])
    assert refused.exit_code == 3
    assert "'huge' is not one of its values" in refused.output
    queued = CliRunner().invoke(main, ["pipelines", "expand", file])
    assert queued.exit_code == 3
    assert "The parameter 'why' of p.yml needs a value" in queued.output


def test_a_file_that_cannot_be_read_has_no_samples(tmp_path: Path) -> None:
    assert sample_parameters(written(tmp_path, "parameters: [")) == {}
