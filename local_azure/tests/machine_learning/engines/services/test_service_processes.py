"""Processes behind web services: what they see, how they die and come back, also with the server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
from service_fixtures import *  # type: ignore[import-not-found]  # noqa: F403 - the fixtures
from service_fixtures import PROBE, SCORE, Deploy, score

from local_azure.cli import lifecycle
from local_azure.cli.client_environment import client_variables, ensure_config_file
from local_azure.machine_learning.processes.forking import STOP_SECONDS
from local_azure.machine_learning.storage.state import StateFolder

# The client advertises its successor at every deployment.
pytestmark = pytest.mark.filterwarnings("ignore:azureml.core.model:FutureWarning")


def test_the_process_sees_what_a_container_would(deploy: Deploy, monkeypatch: pytest.MonkeyPatch) -> None:
    service = deploy()
    service.wait_for_deployment()
    seen = service.run(json.dumps({}))["environment"]
    assert seen["GREETING"] == "hello"
    assert seen["SERVICE_NAME"] == service.name
    assert seen["AZUREML_ENTRY_SCRIPT"] == "scoring/probe.py"
    assert seen["AZUREML_SOURCE_DIRECTORY"] == "scoring"
    assert Path(seen["HOME"]).is_relative_to(Path(seen["AML_APP_ROOT"]).parent)
    assert not [name for name in seen if name.lower().endswith("_proxy") or name.startswith("LOCAL_AZURE")]
    assert "AML_APP_INSIGHTS_ENABLED" not in seen, "it would send telemetry"


def test_run_is_never_entered_twice_at_a_time(deploy: Deploy) -> None:
    service = deploy()
    service.wait_for_deployment()
    key = service.get_keys()[0]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: score(service, {"seconds": 0.05}, key).json(), range(8)))
    assert {answer["most"] for answer in answers} == {1}


def test_the_log_never_shows_a_key(deploy: Deploy) -> None:
    service = deploy()
    service.wait_for_deployment()
    key = service.get_keys()[0]
    service.run(json.dumps({"say": f"the key is {key}!"}))
    log = service.get_logs()
    assert "the key is <key>!" in log
    assert key not in log


def test_a_service_that_dies_is_started_again(deploy: Deploy) -> None:
    service = deploy()
    service.wait_for_deployment()
    key = service.get_keys()[0]
    before = score(service, {}, key).json()["pid"]
    with pytest.raises(requests.ConnectionError):
        score(service, {"die": True, "seconds": 5}, key)
    assert score(service, {}, key).json()["pid"] != before
    service.update_deployment_state()
    assert service.state == "Healthy"


def test_a_service_that_keeps_dying_has_failed(deploy: Deploy, sources: Path) -> None:
    code = PROBE.replace('print("probe is up")', 'assert not os.path.exists(os.environ["HOME"] + "/died"), "no more"')
    (sources / "scoring" / "mortal.py").write_text(code, encoding="utf-8")
    service = deploy("mortal.py")
    service.wait_for_deployment()
    with pytest.raises(requests.ConnectionError):
        score(service, {"die": True, "seconds": 5}, service.get_keys()[0])
    with pytest.raises(requests.ConnectionError):  # waits in the queue of the socket, which closes at the end
        requests.get(service.scoring_uri, timeout=20)
    while service.state != "Failed":
        service.update_deployment_state()
    assert service.state == "Failed"
    assert service.error["code"] == "AciDeploymentFailed"
    assert "no more" in service.error["details"][0]["message"]
    assert "no more" in service.get_logs()


REMOTE = """
import json, sys
from azureml.core import Environment, Model, Workspace
from azureml.core.model import InferenceConfig
from azureml.core.webservice import AciWebservice

ws = Workspace.from_config()
model = Model.register(ws, "weights.txt", "weights")
inference = InferenceConfig(entry_script="score.py", source_directory="scoring", environment=Environment("serving"))
service = Model.deploy(ws, "lasting", [model], inference, AciWebservice.deploy_configuration(auth_enabled=True))
service.wait_for_deployment()
print("RESULT" + json.dumps({"address": service.scoring_uri, "key": service.get_keys()[0]}))
"""


def _ask(facts: dict[str, str]) -> object:
    headers = {"Authorization": f"Bearer {facts['key']}"}
    return requests.post(facts["address"], json={"data": [1]}, headers=headers, timeout=20).json()


@pytest.mark.campaign
def test_services_come_back_with_the_server(tmp_path: Path, sources: Path) -> None:
    slow = sources / "slow"
    wait = f'    import time\n    time.sleep(60 if os.path.exists("{slow}") else 0)\n'
    code = SCORE.replace('os.environ["GREETING"]', '"none"').replace("def init():\n", "def init():\n" + wait)
    (sources / "scoring" / "lasting.py").write_text(code, encoding="utf-8")
    state = StateFolder(tmp_path / "state")
    info = lifecycle.start(state)
    try:
        ensure_config_file(sources)
        done = subprocess.run(
            [sys.executable, "-c", REMOTE.replace("score.py", "lasting.py")],
            env={**os.environ, **client_variables(state, info, os.environ)},
            cwd=sources,
            capture_output=True,
            text=True,
            check=False,
        )
        assert "RESULT" in done.stdout, done.stderr
        facts = json.loads(done.stdout.partition("RESULT")[2])
        assert _ask(facts) == {"forecast": [21.0]}
        lifecycle.stop(state)
        with pytest.raises(requests.ConnectionError):
            _ask(facts)
        info = lifecycle.start(state)
        assert _ask(facts) == {"forecast": [21.0]}, "same address, same key, right after the start"
        os.kill(info.pid, signal.SIGKILL)
        lifecycle._wait_until_gone(info.pid, 5)
        lifecycle.start(state)
        assert _ask(facts) == {"forecast": [21.0]}
        lifecycle.stop(state)
        slow.touch()
        lifecycle.start(state)
        started = time.monotonic()
        lifecycle.stop(state)
        assert time.monotonic() - started < STOP_SECONDS, "a starting service has no grace period"
    finally:
        lifecycle.stop(state)
