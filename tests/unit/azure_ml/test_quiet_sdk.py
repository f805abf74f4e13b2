"""What the SDK prints is caught."""

from __future__ import annotations

import pytest

from azure_ml.workspace import quiet_sdk


def test_what_the_sdk_prints_does_not_reach_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    with quiet_sdk() as chatter:
        print("Submitted PipelineRun")  # noqa: T201

    assert capsys.readouterr().out == ""
    assert chatter.getvalue() == "Submitted PipelineRun\n"
