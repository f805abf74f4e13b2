"""Microsoft's curated environments: definitions that hold what their names say.

A name such as AzureML-sklearn-1.0-ubuntu20.04-py38-cpu tells framework, version and Python. What else the real images
hold is not known here, and no image is pulled: steps run with the packages of the server, and their logs say what
differs.
"""

from __future__ import annotations

import re

from local_azure.machine_learning.storage.store import Document

PREFIX = "azureml-"
VERSION = "1"
_PLAIN = {"minimal": (), "tutorial": ("matplotlib", "numpy", "pandas", "scikit-learn", "scipy")}
_PACKAGES = {
    "sklearn": "scikit-learn",
    "scikit-learn": "scikit-learn",
    "pytorch": "torch",
    "acpt-pytorch": "torch",
    "tensorflow": "tensorflow",
    "lightgbm": "lightgbm",
    "xgboost": "xgboost",
}
_PYTHON = re.compile(r"-py([23])\.?([0-9]{1,2})(?![0-9])")
_FRAMEWORK = re.compile(r"([a-z][a-z-]{0,30}?)-([0-9]{1,3}(?:\.[0-9]{1,3}){0,2})(?:-.*)?")


def definition(name: str) -> Document | None:
    """Return the definition of a curated name, whatever its case, or None for one that says nothing we know."""
    rest = name.lower().removeprefix(PREFIX)
    if rest == name.lower() or len(name) > 200:
        return None
    packages = _packages(rest)
    if packages is None:
        return None
    python = _PYTHON.search(rest)
    interpreter = [f"python={python[1]}.{python[2]}"] if python else []
    dependencies = [*interpreter, {"pip": ["azureml-defaults", *packages]}]
    return {
        "name": name,
        "version": VERSION,
        "docker": {"baseImage": f"mcr.microsoft.com/azureml/curated/{rest}:{VERSION}", "enabled": True},
        "python": {
            "userManagedDependencies": False,
            "interpreterPath": "python",
            "condaDependencies": {"name": "project_environment", "dependencies": dependencies},
        },
    }


def _packages(rest: str) -> list[str] | None:
    if rest in _PLAIN:
        return list(_PLAIN[rest])
    found = _FRAMEWORK.fullmatch(rest)
    if not found or found[1] not in _PACKAGES:
        return None
    exact = found[2] if found[2].count(".") == 2 else f"{found[2]}.*"
    return [f"{_PACKAGES[found[1]]}=={exact}"]


def is_unchanged(given: Document) -> bool:
    """Tell whether a definition that a client sends back is still the curated one; it adds settings of its own."""
    own = definition(str(given.get("name")))
    if own is None or given.get("version") != VERSION:
        return False
    python = given.get("python") or {}
    return bool(python.get("condaDependencies") == own["python"]["condaDependencies"])
