"""Environments, through the real client."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Unique = Callable[[str], str]


def _environment(name: str, *packages: str) -> Any:
    from azureml.core import Environment
    from azureml.core.conda_dependencies import CondaDependencies

    made = Environment(name)
    made.python.conda_dependencies = CondaDependencies.create(pip_packages=list(packages))
    return made


def test_the_same_definition_keeps_its_version(ws: Any, unique: Unique) -> None:
    from azureml.core import Environment

    name = unique("env")
    assert _environment(name, "numpy").register(ws).version == "1"
    assert _environment(name, "numpy").register(ws).version == "1"
    assert _environment(name, "pandas").register(ws).version == "2"
    assert list(Environment.get(ws, name, version="1").python.conda_dependencies.pip_packages) == ["numpy"]
    assert Environment.get(ws, name).version == "2"
    assert Environment.list(ws)[name].version == "2"


def test_a_version_never_changes(ws: Any, unique: Unique) -> None:
    name = unique("fixed")
    first = _environment(name, "numpy")
    first.version = "2024.1"
    assert first.register(ws).version == "2024.1"
    assert first.register(ws).version == "2024.1"
    other = _environment(name, "pandas")
    other.version = "2024.1"
    with pytest.raises(Exception, match="exists with another definition"):
        other.register(ws)


def test_a_label_moves(ws: Any, unique: Unique) -> None:
    from azureml.core import Environment

    name = unique("label")
    for package in ("numpy", "pandas"):
        _environment(name, package).register(ws)
    assert Environment.get(ws, name, label="latest").version == "2"
    for version in ("1", "2", "1"):
        Environment.label(ws, name, version, ["good"])
        assert Environment.get(ws, name, label="good").version == version
    with pytest.raises(Exception, match="404"):
        Environment.get(ws, name, label="bad")
    with pytest.raises(Exception, match="404"):
        Environment.label(ws, name, "7", ["good"])


def test_a_build_says_that_nothing_was_built(ws: Any, unique: Unique) -> None:
    registered = _environment(unique("build"), "numpy").register(ws)
    assert registered.get_image_details(ws)["imageExistsInRegistry"] is False
    build = registered.build(ws)
    build.wait_for_completion(show_output=False)
    assert (build.status, "builds no image" in build.get_log()) == ("Succeeded", True)
    assert registered.get_image_details(ws)["imageExistsInRegistry"] is True


def test_unknown_and_curated_names_are_told_apart(ws: Any, unique: Unique) -> None:
    from azureml.core import Environment

    with pytest.raises(Exception, match="Code: 404"):
        Environment.get(ws, unique("none"))
    with pytest.raises(Exception, match="the curated environment 'AzureML-AutoML'"):
        Environment.get(ws, "AzureML-AutoML")
    with pytest.raises(Exception, match="reserved"):
        _environment("AzureML-mine", "numpy").register(ws)


def _of_conda_file(name: str, folder: Path, wanted: str) -> Any:
    from azureml.core import Environment

    head = "name: x\nchannels: [conda-forge]\ndependencies:\n- python=3.11\n- numpy\n- pip:\n"
    (folder / "conda.yml").write_text(f"{head}  - azureml-defaults\n  - {wanted}\n")
    return Environment.from_conda_specification(name, str(folder / "conda.yml"))


def _of_pip_file(name: str, folder: Path, wanted: str) -> Any:
    from azureml.core import Environment

    (folder / "requirements.txt").write_text(f"azureml-defaults\nnumpy\n{wanted}\n")
    return Environment.from_pip_requirements(name, str(folder / "requirements.txt"))


@pytest.mark.parametrize("make", [_of_conda_file, _of_pip_file])
def test_an_environment_of_a_file_has_versions_and_runs(
    project: Any, experiment: Any, unique: Unique, make: Callable[[str, Path, str], Any]
) -> None:
    from azureml.core import Environment, ScriptRunConfig

    ws, name = project.workspace, unique("file")
    assert make(name, project.folder, "pyyaml").register(ws).version == "1"
    assert make(name, project.folder, "not-to-be-had==1.2").register(ws).version == "2"
    assert make(name, project.folder, "pyyaml").register(ws).version == "1"
    packages = {v: list(Environment.get(ws, name, v).python.conda_dependencies.pip_packages) for v in ("1", "2")}
    assert "pyyaml" in packages["1"]
    assert "not-to-be-had==1.2" in packages["2"]
    for version, told in (("1", False), ("2", True)):
        project.configuration.environment = Environment.get(ws, name, version)
        step = project.step("hello", "import yaml; print('hello')")
        run = project.finished(experiment.submit(project.pipeline(step)))
        done = project.steps_of(run)["hello"]
        assert (f"'{name}' asks for not-to-be-had==1.2; it is not installed here" in done.get_stdout_log()) is told
        assert (done.get_environment().name, done.get_environment().version) == (name, version)
    script = ScriptRunConfig(
        str(project.folder / "hello"),
        "hello.py",
        compute_target="cluster",
        environment=Environment.get(ws, name, "1"),
    )
    alone = experiment.submit(script)
    alone.wait_for_completion(show_output=False)
    assert alone.get_environment().version == "1"


def test_a_curated_name_holds_what_it_says(ws: Any) -> None:
    from azureml.core import Environment

    found = Environment.get(ws, "AzureML-sklearn-0.24-ubuntu18.04-py37-cpu")
    assert found.version == "1"
    assert set(found.python.conda_dependencies.pip_packages) == {"azureml-defaults", "scikit-learn==0.24.*"}
    assert "python=3.7" in found.python.conda_dependencies.serialize_to_string()
    assert Environment.get(ws, "AzureML-Minimal").python.conda_dependencies.pip_packages is not None
    assert found.clone("mine").register(ws).name == "mine"


def test_a_step_in_a_curated_environment_runs_with_a_warning(project: Any, experiment: Any) -> None:
    from azureml.core import Environment

    name = "AzureML-sklearn-0.24-ubuntu18.04-py37-cpu"
    project.configuration.environment = Environment.get(project.workspace, name)
    run = project.finished(experiment.submit(project.pipeline(project.step("plain", "print('ran')"))))
    step = project.steps_of(run)["plain"]
    assert f"The environment '{name}' asks for scikit-learn==0.24.*; here it is" in step.get_stdout_log()
    environment = step.get_details()["runDefinition"]["environment"]
    assert environment == {"name": name, "version": "1"}
