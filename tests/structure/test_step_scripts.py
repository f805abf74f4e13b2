"""What a step script may import: the standard library, `forecasting`, `azure_ml` and the modules beside it."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

CODE = Path(__file__).resolve().parents[2] / "mlops_code"
SCRIPTS = sorted(path.name for path in CODE.glob("*.py"))
ALLOWED = {"forecasting", "azure_ml"} | {Path(name).stem for name in SCRIPTS}
# score.py is not a step: the server runs it, its requests are flask's, and orjson writes its answers.
SCORING = {"azureml_inference_server_http", "flask", "orjson"}


def imported(source: str) -> set[str]:
    """Top-level names of all imports of a module, also inside functions."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "a script has no package to be relative to"
            names.add(str(node.module).partition(".")[0])
    return names


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_imports_nothing_else(script: str) -> None:
    allowed = ALLOWED | (SCORING if script == "score.py" else set())
    assert imported((CODE / script).read_text()) - sys.stdlib_module_names <= allowed


def test_a_foreign_import_would_be_seen() -> None:
    assert imported("def f():\n    import azureml.core\n    from requests import get\n") == {"azureml", "requests"}
