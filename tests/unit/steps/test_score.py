"""The scoring script inside Microsoft's own server: a forecast for a good request, a plain error for any other."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from azure_ml.digests import folder_sha256
from ml_service.training.snapshots import STEP_FILES

CODE = Path(__file__).resolve().parents[3] / "mlops_code"
SCORING = STEP_FILES["deploy"].scoring
CLIENT = """
import json, sys
from azureml_inference_server_http.server.entry import app
client = app.test_client()
app.azml_blueprint.setup() if not hasattr(app.azml_blueprint, "swagger") else None
answers = []
for request in json.load(sys.stdin):
    answer = client.open("/score", **request)
    answers.append([answer.status_code, answer.get_json(), answer.headers.get("x-request-id")])
with open("answers.json", "w") as out:
    json.dump(answers, out)
with open("imported.json", "w") as out:
    json.dump([name for name in ("pandas", "sklearn", "pandera", "azureml.core") if name in sys.modules], out)
"""
JSON = "application/json"


def post(data: str, **more: Any) -> dict[str, Any]:
    return {"method": "POST", "data": data, "content_type": JSON, **more}


GOOD = post('{"horizon": 3}', headers={"x-request-id": "call-1"})
REFUSED: list[tuple[dict[str, Any], int, str]] = [
    ({"method": "GET"}, 405, "use POST"),
    (post('{"horizon": 3}', headers={"Transfer-Encoding": "chunked"}), 411, "Content-Length"),
    (post('{"horizon": 3' + " " * 2**20 + "}"), 413, "1048576"),
    (post('{"horizon": 3}', content_type="text/plain"), 415, JSON),
    (post('{"horizon": '), 400, "expected a JSON object"),
    (post("[3]"), 400, "not a JSON object"),
    (post('{"horizon": 1, "horizon": 2}'), 400, "a key occurs twice"),
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
Serve = Callable[[list[dict[str, Any]]], "subprocess.CompletedProcess[str]"]


@pytest.fixture
def app(tmp_path: Path, step: Callable[..., Any], table: Path) -> Path:
    """An application folder as the service lays it out: scoring folder and mounted model."""
    for name in SCORING:
        target = tmp_path / "app/scoring" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(CODE / name, target)
    model = tmp_path / "app/azureml-models/paid-amount/4/model"
    assert step("train", "--data", table, "--candidate", model).code == 0
    return tmp_path / "app"


def serve(app: Path, requests: list[dict[str, Any]]) -> subprocess.CompletedProcess[str]:
    variables = {
        "AML_APP_ROOT": str(app),
        "AZUREML_ENTRY_SCRIPT": "scoring/score.py",
        "AZUREML_SOURCE_DIRECTORY": "scoring",
        "AZUREML_MODEL_DIR": str(app / "azureml-models/paid-amount/4"),
    }
    return subprocess.run(
        [sys.executable, "-c", CLIENT],
        cwd=app, env=variables, input=json.dumps(requests), capture_output=True, text=True, check=False,
    )  # fmt: skip


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
