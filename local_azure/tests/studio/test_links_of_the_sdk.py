"""The unmodified SDK prints links that lead to the page of what it shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import requests

from local_azure.cli.workspace.studio_command import one_time_address
from local_azure.machine_learning.storage.state import ServerInfo


def test_a_link_of_the_sdk_leads_to_the_run(ws: Any, server: ServerInfo, unique: Callable[[str], str]) -> None:
    from azureml.core import Experiment

    name = unique("linked")
    run = Experiment(ws, name).start_logging(display_name="a run with a link", snapshot_directory=None)
    run.log("loss", 0.25)
    run.complete()
    link = run.get_portal_url()
    assert link.startswith(f"http://127.0.0.1:{server.studio_port}/studio/runs/{run.id}?wsid=")

    unknown = requests.get(link, timeout=30)
    assert unknown.status_code == 401
    assert "python -m local_azure" in unknown.text and "a run with a link" not in unknown.text

    browser = requests.Session()
    browser.get(one_time_address(server), timeout=30)
    page = browser.get(link, timeout=30)
    assert page.status_code == 200
    assert page.url.endswith(f"/runs/{run.id}")
    assert "a run with a link" in page.text and "0.25" in page.text and "Completed" in page.text
    assert name in browser.get(run.experiment.get_portal_url(), timeout=30).text
