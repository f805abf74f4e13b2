"""A service of ours on local_azure without a pipeline: plain SDK code registers a folder and deploys score.py."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
from collections.abc import Mapping
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from forecasting.json_text import strict_json
from tests.story.product import ROOT

CODE = ROOT / "mlops_code"
TABLES = {
    "paid_amount": ROOT / "data/adventureworks/daily_by_type.csv",
    "product_sales": ROOT / "data/adventureworks/daily_sales_by_product.csv",
}
ENVIRONMENT = CODE / "environments/scoring.yml"


@dataclass(frozen=True)
class Live:
    """Where a service is and what opens it."""

    url: str
    key: str
    model: Path

    def send(
        self, method: str, body: bytes | str, headers: Mapping[str, str], path: str | None = None
    ) -> tuple[int, dict[str, Any], Mapping[str, str]]:
        """Status, JSON without NaN and headers of an answer to exactly these bytes; path: instead of /score."""
        place = urlsplit(self.url)
        connection = http.client.HTTPConnection(str(place.hostname), place.port, timeout=60)
        sent = body.encode() if isinstance(body, str) else body
        connection.request(method, path or place.path, sent, {"Authorization": f"Bearer {self.key}", **headers})
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer.status, strict_json(content), dict(answer.getheaders())

    def ask(self, document: Mapping[str, Any], **headers: str) -> tuple[int, dict[str, Any]]:
        """Status and JSON of an answer to a document."""
        sent = {"Content-Type": "application/json", **headers}
        status, answer, _ = self.send("POST", json.dumps(document), sent)
        return status, answer


def train(problem: str, candidate: Path) -> Path:
    """Train on an embedded table by the step script; returns the candidate's folder."""
    words = ["--problem", CODE / f"problems/{problem}.yml", "--data", TABLES[problem], "--candidate", candidate]
    subprocess.run([sys.executable, CODE / "train.py", *map(str, words)], check=True, capture_output=True)
    return candidate


def deploy(workspace: Any, name: str, model: str, scoring: str) -> tuple[str, str, str, str]:
    """Register a folder as it is, deploy score.py for it; state, address, key and log of the service."""
    from azureml.core import Environment, Model
    from azureml.core.model import InferenceConfig
    from azureml.core.webservice import AciWebservice
    from azureml.exceptions import WebserviceException

    with chdir(Path(model).parent):  # the SDK registers only what lies below the working directory
        registered = Model.register(workspace, model_path=model, model_name=name)
    environment = Environment.from_conda_specification(f"{name}-scoring", str(ENVIRONMENT))
    inference = InferenceConfig(entry_script="score.py", source_directory=scoring, environment=environment)
    settings = AciWebservice.deploy_configuration(cpu_cores=0.5, memory_gb=1, auth_enabled=True)
    service = Model.deploy(workspace, name, [registered], inference, settings)
    try:
        service.wait_for_deployment(show_output=False)
    except WebserviceException:
        return str(service.state), "", "", str(service.get_logs())
    return str(service.state), str(service.scoring_uri), str(service.get_keys()[0]), ""
