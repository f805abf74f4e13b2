"""The scoring script inside Microsoft's own server: a forecast for a good request, a plain error for any other."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from azure_ml.digests import folder_sha256
from tests.unit.steps.service_app import JSON, lay_out, post, serve

GOOD = post('{"horizon": 3}', headers={"x-request-id": "call-1"})
REFUSED: list[tuple[dict[str, Any], int, str]] = [
    ({"method": "GET"}, 405, "use POST"),
    (post('{"horizon": 3}', headers={"Transfer-Encoding": "chunked"}), 411, "Content-Length"),
    (post('{"horizon": 3' + " " * 2**20 + "}"), 413, "1048576"),
    (post('{"horizon": 3}', content_type="text/plain"), 415, JSON),
    (post('{"horizon": '), 400, "expected a JSON object"),
    (post("[3]"), 400, "not a JSON object"),
    (post('{"horizon": 1, "horizon": 2}'), 400, "occurs twice"),
    (post('{"horizon": NaN}'), 400, "NaN is not a finite number"),
    (post('{"horizon": ' + "[" * 3000 + "}"), 400, "expected a JSON object"),
    (post("{}"), 422, "horizon: expected a whole number"),
    (post('{"horizon": 0}'), 422, "1 to 366"),
    (post('{"horizon": 367}'), 422, "1 to 366"),
    (post('{"horizon": true}'), 422, "whole number"),
    (post('{"horizon": 3.0}'), 422, "whole number"),
    (post('{"horizon": "3"}'), 422, "whole number"),
    (post('{"horizon": -3}'), 422, "whole number"),
    (post('{"horizon": 3, "model": "../x"}'), 422, "unknown field model"),
]


@pytest.fixture
def app(tmp_path: Path, step: Callable[..., Any], table: Path) -> Path:
    """An application folder as the service lays it out: scoring folder and mounted model."""
    model = lay_out(tmp_path / "app")
    assert step("train", "--data", table, "--candidate", model).code == 0
    return tmp_path / "app"


def test_the_service_answers_and_refuses(app: Path) -> None:
    ended = serve(app, [GOOD, *(request for request, _, _ in REFUSED), GOOD])
    assert ended.returncode == 0, ended.stderr
    first, *refused, last = json.loads((app / "answers.json").read_text())
    status, body, request_id = first
    assert (status, request_id, body["request_id"]) == (200, "call-1", "call-1")
    assert [entry["date"] for entry in body["forecast"]] == ["2014-06-01", "2014-06-02", "2014-06-03"]
    assert body["forecast"][0]["value"] == pytest.approx(215.1449550735386)
    manifest = json.loads((app / "azureml-models/paid-amount/4/model/manifest.json").read_text())
    assert body["model"] == {
        "name": "paid-amount",
        "version": "4",
        "sha256": manifest["model_sha256"],
        "recipe": "same_weekday_mean(weeks=8)",
        "cutoff": "2014-05-31",
        "scoring_sha256": folder_sha256(app / "scoring", without="__pycache__"),
    }
    assert last[:2] == first[:2]
    for (request, code, part), (status, body, _) in zip(REFUSED, refused, strict=True):
        assert (status, part in body["error"]["message"]) == (code, True), (request, status, body)
        assert body["error"]["request_id"]
    assert json.loads((app / "imported.json").read_text()) == []


def test_a_changed_model_stops_the_service_before_it_is_opened(app: Path) -> None:
    model = app / "azureml-models/paid-amount/4/model/model.json"
    model.write_text(model.read_text().replace('"season": 7', '"season": 6'))
    ended = serve(app, [])
    assert ended.returncode == 3
    assert "It was not opened" in ended.stderr + ended.stdout
