"""The scoring script inside Microsoft's own server, in a process of its own."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from ml_service.training.snapshots import STEP_FILES

CODE = Path(__file__).resolve().parents[3] / "mlops_code"
SCORING = STEP_FILES["deploy"].scoring
MODEL = Path("azureml-models/paid-amount/4/model")
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


def lay_out(app: Path) -> Path:
    """An application folder with the scoring code, as the service lays it out; returns the folder of its model."""
    for name in SCORING:
        target = app / "scoring" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(CODE / name, target)
    return app / MODEL


def serve(app: Path, requests: list[dict[str, Any]]) -> subprocess.CompletedProcess[str]:
    variables = {
        "AML_APP_ROOT": str(app),
        "AZUREML_ENTRY_SCRIPT": "scoring/score.py",
        "AZUREML_SOURCE_DIRECTORY": "scoring",
        "AZUREML_MODEL_DIR": str((app / MODEL).parent),
    }
    return subprocess.run(
        [sys.executable, "-c", CLIENT],
        cwd=app, env=variables, input=json.dumps(requests), capture_output=True, text=True, check=False,
    )  # fmt: skip
