"""infra/azure_devops.py against the API that local_azure serves: applied twice, removed with a confirmation."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.azure_devops import main
from local_azure.pipelines.run.builds.server import serving
from ml_service.cli.main import main as ml_service
from ml_service.settings.variables import CONNECTION_VARIABLES
from tests.unit.ml_service.conftest import VARIABLES


@pytest.fixture(autouse=True)
def _organization(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty organization, and settings that lead there."""
    ids = {name.replace("CONNECTION", "CLIENT_ID"): f"client of {name}" for name in CONNECTION_VARIABLES}
    names = {name: name.lower().replace("_", "-") for name in CONNECTION_VARIABLES}
    given = {**VARIABLES, **ids, **names, "TENANT_ID": "t", "AZUREML_PRODUCTION_WORKSPACE_NAME": "prod-ws"}
    with serving(tmp_path) as served:
        told = {name.upper().replace(".", "_"): value for name, value in served.variables.items()}
        for name, value in {**given, **told, "SYSTEM_ACCESSTOKEN": served.token}.items():
            monkeypatch.setenv(name, value)
        yield


def test_the_second_time_nothing_is_changed_and_verify_agrees(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert ml_service(["controls", "verify"]) == 3
    assert main(["apply"]) == 0
    assert "created environment production" in capsys.readouterr().out

    assert main(["apply"]) == 0
    assert capsys.readouterr().out.strip() == "nothing was changed"
    assert ml_service(["controls", "verify", "--out", str(tmp_path / "evidence/controls.json")]) == 0
    assert '"drifts": []' in (tmp_path / "evidence/controls.json").read_text(encoding="utf-8")


def test_what_is_removed_must_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["apply"]) == 0
    assert main(["remove", "another"]) == 2
    assert ml_service(["controls", "verify"]) == 0

    assert main(["remove", "local"]) == 0
    assert "removed environment production" in capsys.readouterr().out
    assert ml_service(["controls", "verify"]) == 3


def test_a_connection_that_is_not_named_is_reported(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("READER_CONNECTION", "<service connection>")

    assert main(["apply"]) == 2
    assert "not filled in: READER_CONNECTION" in capsys.readouterr().err
