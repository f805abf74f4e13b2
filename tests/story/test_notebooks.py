"""The notebooks run from their first cell to their last, with the kernel that `local_azure kernel install` makes."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.story.product import ROOT

NOTEBOOKS = ("train_register_deploy", "data_preparation_steps")
TOGETHER = [
    ("train_register_deploy", "data_preparation_steps.ja"),
    ("train_register_deploy.ja",),
]
"""Run on one server, where a second run of data_preparation_steps would reuse its steps; its code is the same."""
SECONDS = 180


def cells(name: str, kind: str) -> list[dict[str, Any]]:
    """Cells of one kind."""
    document = json.loads((ROOT / "notebooks" / f"{name}.ipynb").read_text(encoding="utf-8"))
    return [cell for cell in document["cells"] if cell["cell_type"] == kind]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """What the notebooks need of the repository, so that nothing is written into it."""
    project = tmp_path / "project"
    ignored = shutil.ignore_patterns("build", "__pycache__", ".ipynb_checkpoints")
    for name in ("notebooks", "mlops_code", "data"):
        shutil.copytree(ROOT / name, project / name, ignore=ignored)
    (project / "pyproject.toml").touch()
    return project


@pytest.mark.campaign
@pytest.mark.parametrize("names", TOGETHER, ids=" and ".join)
def test_notebooks_run_with_the_installed_kernel(
    environment: Mapping[str, str], project: Path, names: tuple[str, ...]
) -> None:
    prefix = project.parent / "prefix"
    install = [sys.executable, "-m", "local_azure", "kernel", "install", "--prefix", str(prefix)]
    subprocess.run(install, env=dict(environment), check=True, capture_output=True)
    own = {name: value for name, value in environment.items() if not name.startswith(("AZUREML", "ARM_", "MSI_"))}
    own |= {"JUPYTER_PATH": str(prefix / "share/jupyter"), "JUPYTER_RUNTIME_DIR": str(project.parent / "runtime")}
    execute = [str(Path(sys.executable).with_name("jupyter-execute")), "--kernel_name=local_azure"]
    running = {
        name: subprocess.Popen(
            [*execute, f"{name}.ipynb"],
            cwd=project / "notebooks", env=own, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )
        for name in names
    }  # fmt: skip
    said = {name: process.communicate(timeout=SECONDS)[0] for name, process in running.items()}
    for name, process in running.items():
        assert process.returncode == 0, f"{name}: {said[name][-3000:]}"


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_the_japanese_notebook_has_the_same_code(name: str) -> None:
    assert [cell["source"] for cell in cells(name, "code")] == [
        cell["source"] for cell in cells(f"{name}.ja", "code")
    ]
    assert len(cells(name, "markdown")) == len(cells(f"{name}.ja", "markdown"))


@pytest.mark.parametrize("name", [*NOTEBOOKS, *(f"{name}.ja" for name in NOTEBOOKS)])
def test_no_output_is_committed(name: str) -> None:
    assert not [cell for cell in cells(name, "code") if cell["outputs"] or cell["execution_count"] is not None]


def test_the_workshop_has_eleven_tasks_in_order() -> None:
    headings = "\n".join(cell["source"][0] for cell in cells("train_register_deploy", "markdown"))
    assert re.findall(r"^## (\d+)\. ", headings, re.MULTILINE) == [str(number) for number in range(1, 12)]


LOCAL = '{"subscription_id": "00000000-0000-0000-0000-000000000001"}'
OWN = '{"subscription_id": "11111111-2222-3333-4444-555555555555"}'


@pytest.mark.parametrize(
    ("config", "cloud", "said"),
    [
        ("", "", "there is no config.json that names a workspace"),
        (LOCAL, "", "but this kernel was not started by local_azure"),
        (LOCAL, "LocalAzure", ""),
        (OWN, "", ""),
    ],
)
def test_a_kernel_that_would_sign_in_to_the_real_azure_stops_at_once(
    tmp_path: Path, config: str, cloud: str, said: str
) -> None:
    if config:
        (tmp_path / ".azureml").mkdir()
        (tmp_path / ".azureml/config.json").write_text(config)
    kept = {name: value for name, value in os.environ.items() if name != "AZUREML_CURRENT_CLOUD"}
    done = subprocess.run(
        [sys.executable, "-c", "import kernel_check; kernel_check.demand()"],
        cwd=tmp_path, env={**kept, "PYTHONPATH": str(ROOT / "notebooks"), "AZUREML_CURRENT_CLOUD": cloud},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, said in done.stderr) == (1 if said else 0, True), done.stderr
    assert ("local_azure kernel install" in done.stderr) == bool(said)


def test_a_python_without_the_sdk_is_named(tmp_path: Path) -> None:
    code = f"import sys; sys.path.insert(0, {str(ROOT / 'notebooks')!r}); import kernel_check; kernel_check.demand()"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert "has no Azure ML SDK" in done.stderr


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_the_first_cell_looks_at_the_kernel(name: str) -> None:
    assert "kernel_check.demand()" in "".join(cells(name, "code")[0]["source"])
