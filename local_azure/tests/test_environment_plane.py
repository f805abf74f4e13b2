"""Environments, through the real client."""

from __future__ import annotations

from collections.abc import Callable
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
    with pytest.raises(Exception, match="curated environments"):
        Environment.get(ws, "AzureML-Minimal")
    with pytest.raises(Exception, match="reserved"):
        _environment("AzureML-mine", "numpy").register(ws)
