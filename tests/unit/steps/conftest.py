"""Run a step script in this process as the compute does: by its path, with its own folder first on the path."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.sample import DATA, PROBLEMS

ROOT = Path(__file__).resolve().parents[3]
CODE = ROOT / "mlops_code"


@dataclass(frozen=True)
class Ended:
    """How a script ended and what it printed."""

    code: int
    out: str
    err: str


Step = Callable[..., Ended]


def _run(script: Path, arguments: list[str]) -> int:
    spec = importlib.util.spec_from_file_location(f"script_{script.stem}", script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their own module up
    spec.loader.exec_module(module)
    try:
        return int(module.main(arguments))
    except SystemExit as usage:
        return int(usage.code or 0)


@pytest.fixture
def step(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Step:
    """step("train", "--data", path, ...) runs mlops_code/train.py; the default problem unless one is named."""
    monkeypatch.syspath_prepend(CODE)
    monkeypatch.delenv("AZUREML_RUN_ID", raising=False)

    def run(name: str, *arguments: object) -> Ended:
        words = [str(argument) for argument in arguments]
        if "--problem" not in words and "--help" not in words:
            words = ["--problem", str(PROBLEMS / "paid_amount.yml"), *words]
        code = _run(CODE / f"{name}.py", words)
        printed = capsys.readouterr()
        return Ended(code, printed.out, printed.err)

    return run


@pytest.fixture
def derive(capsys: pytest.CaptureFixture[str]) -> Step:
    """derive(raw, "--out", path) runs data/adventureworks/derive.py."""

    def run(*arguments: object) -> Ended:
        code = _run(DATA / "derive.py", [str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return Ended(code, printed.out, printed.err)

    return run


@pytest.fixture(scope="session")
def table() -> Path:
    return DATA / "daily_by_type.csv"
