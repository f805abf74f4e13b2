"""What a step's environment asks for and does not get: steps run with the packages of the server's interpreter."""

from __future__ import annotations

import platform
import re
from collections.abc import Iterator
from importlib import metadata
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

# Packages that hold nothing themselves; what they stand for is what counts.
_STANDS_FOR = {"azureml-defaults": "azureml-core", "azureml-sdk": "azureml-core"}
# Names under which conda has what Python calls otherwise.
_CONDA_NAMES = {
    "pytorch": "torch",
    "py-xgboost": "xgboost",
    "tensorflow-gpu": "tensorflow",
    "opencv": "opencv-python",
}
_CONDA = re.compile(r"(?:[\w-]+::)?(?P<name>[\w.-]+)\s*(?P<version>[=<>!~,\d][^\s\[]*)?.*")


def _conda_requirement(text: str) -> tuple[str, str]:
    """(name, specifier) of a conda dependency: "numpy=1.2" means any 1.2, "numpy==1.2" that one."""
    found = _CONDA.fullmatch(text.strip())
    if not found:
        return text, ""
    version = found["version"] or ""
    if re.match(r"=[^=]", version):
        exact = version[1:].partition("=")[0].rstrip(".*")
        version = f"=={exact}.*"
    return _CONDA_NAMES.get(found["name"].lower(), found["name"]), version


def _requirements(dependencies: list[Any]) -> Iterator[tuple[str, str]]:
    for dependency in dependencies:
        if isinstance(dependency, str):
            yield _conda_requirement(dependency)
            continue
        for text in dependency.get("pip") or []:
            try:
                wanted = Requirement(text.partition(" --")[0])  # options of the line, as --hash, follow the package
            except InvalidRequirement:  # an option, an address or a file: nothing to compare with
                continue
            if wanted.marker is None or wanted.marker.evaluate():
                yield wanted.name, str(wanted.specifier)


def _installed(name: str) -> str | None:
    if name == "python":
        return platform.python_version()
    try:
        return metadata.version(_STANDS_FOR.get(name, name))
    except metadata.PackageNotFoundError:
        return None


def differences(environment: dict[str, Any]) -> list[str]:
    """A sentence for each package that is missing here or has another version; none for a user-managed one."""
    python = environment.get("python") or {}
    if python.get("userManagedDependencies"):
        return []
    found = []
    named = f"'{environment['name']}'" if environment.get("name") else "of this step"
    for name, specifier in _requirements((python.get("condaDependencies") or {}).get("dependencies") or []):
        here = _installed(canonicalize_name(name))
        asked = f"The environment {named} asks for {name}{specifier}"
        if here is None:
            found.append(f"{asked}; it is not installed here.")
        elif not (_fits(here, specifier) or canonicalize_name(name) in _STANDS_FOR or _is_patch(name, specifier)):
            found.append(f"{asked}; here it is {here}.")
    return found


def _is_patch(name: str, specifier: str) -> bool:
    """Tell whether only the patch release of Python is another one, with which the same packages run."""
    series = ".".join(platform.python_version_tuple()[:2])
    return name == "python" and specifier.startswith(f"=={series}.")


def _fits(version: str, specifier: str) -> bool:
    try:
        return SpecifierSet(specifier).contains(version, prereleases=True)
    except InvalidSpecifier:
        return True
