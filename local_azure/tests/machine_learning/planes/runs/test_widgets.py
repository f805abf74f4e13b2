"""The real azureml-widgets shows runs of this server. It is beside the environment: requirements/widgets.in."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import requests

from local_azure.cli.workspace.studio_command import one_time_address
from local_azure.machine_learning.storage.state import ServerInfo

WIDGETS = Path(__file__).parents[5] / ".venv-widgets"
PROGRAM = """
import json, os, sys, threading
from IPython.core.displaypub import CapturingDisplayPublisher
from IPython.core.interactiveshell import InteractiveShell

KIND = "application/aml.mini.widget.v1"
shown = threading.Event()

class Publisher(CapturingDisplayPublisher):
    def publish(self, data, *arguments, **settings):
        content = json.loads(data.get(KIND, "{}"))
        if not isinstance(content, dict):
            if "observe" not in content:  # what every widget says outside a notebook
                print("error", content, file=sys.stderr)
                shown.set()
        elif content.get("loading") is False:
            print(json.dumps(content))
            shown.set()

shell = InteractiveShell.instance()
shell.display_pub = Publisher(shell=shell)

from azureml.core import Run, Workspace
from azureml.widgets import RunDetails

ws = Workspace.get(os.environ["AZUREML_WORKSPACE_NAME"], subscription_id=os.environ["AZURE_SUBSCRIPTION_ID"],
                   resource_group=os.environ["AZURE_RESOURCE_GROUP"])
for run_id in sys.argv[1:]:
    shown.clear()
    threading.Thread(target=RunDetails(Run.get(ws, run_id)).show, daemon=True).start()  # it asks again for ever
    shown.wait(60)
sys.stdout.flush()
os._exit(0)
"""
STEP = """
from azureml.core import Run
run = Run.get_context()
run.log("loss", 0.5)
run.log("loss", 0.25)
run.child_run("inner").complete()
print("hello from the step")
"""


@pytest.mark.skipif(
    not (WIDGETS / ".installed").exists(), reason="azureml-widgets is not installed: make .venv-widgets/.installed"
)
def test_the_widget_shows_a_pipeline_run_and_its_step_and_links_to_them(
    project: Any, experiment: Any, server: ServerInfo
) -> None:
    run = project.finished(experiment.submit(project.pipeline(project.step("one", STEP))))
    step = project.steps_of(run)["one"]
    pipeline, single = _shown(project.folder, run.id, step.id)
    assert (pipeline["status"], [child["name"] for child in pipeline["child_runs"]]) == ("Completed", ["one"])
    nodes = pipeline["graph"]["module_nodes"].values()
    assert [(node["name"], node["status"], node["run_id"]) for node in nodes] == [("one", "Finished", step.id)]
    assert (single["status"], len(single["child_runs"])) == ("Completed", 1)
    assert [(metric["name"], metric["series"]) for metric in single["run_metrics"]] == [
        ("loss", [{"data": [0.5, 0.25]}])
    ]
    assert "hello from the step" in single["run_logs"]
    assert "user_logs/std_log.txt" in single["run_properties"]["log_files"]
    browser = requests.Session()
    browser.get(one_time_address(server), timeout=30)
    for widget, run_id in ((pipeline, run.id), (single, step.id)):
        link = widget["workbench_run_details_uri"]
        assert link.startswith(server.studio_url) and requests.get(link, timeout=30).status_code == 401
        page = browser.get(link, timeout=30)
        assert page.url.endswith(f"/runs/{run_id}") and "Completed" in page.text and run_id in page.text


def _shown(folder: Path, *run_ids: str) -> list[dict[str, Any]]:
    """What the widget of each run shows once it has loaded."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *run_ids],
        env={**os.environ, "PYTHONPATH": str(WIDGETS)},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=150,
        check=True,
    )
    found = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"status"')]
    assert len(found) == len(run_ids), done.stderr
    return found
