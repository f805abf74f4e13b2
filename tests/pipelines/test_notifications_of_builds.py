"""Builds hand the address of the webhook to verbs that notify people, where variables.yml says so; to no other."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from local_azure.pipelines.check.pipeline_check import check
from local_azure.pipelines.expand.final_yaml import final_yaml
from local_azure.pipelines.expand.queue_facts import QueueFacts
from tests.pipelines.golden import BECAUSE
from tests.pipelines.house import copy_repository

NAME = "NOTIFICATION_WEBHOOK"
NOTIFYING = re.compile(r"ml_service (run|release|rollback|verify|data ingest)\b")
QUEUED: tuple[tuple[str, dict[str, str]], ...] = (
    ("release", {}),
    ("release", {"redeploy": "true"}),
    ("retrain", {}),
    ("rollback", BECAUSE),
)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository whose builds notify people."""
    tree = copy_repository(tmp_path_factory.mktemp("notifying") / "repository")
    variables = tree / "variables.yml"
    variables.write_text(variables.read_text().replace("NOTIFICATIONS: none", "NOTIFICATIONS: webhook"))
    return tree


def steps(document: Any) -> list[dict[str, Any]]:
    """Every step that runs a command of the product."""
    found = []
    for value in document.values() if isinstance(document, dict) else document if isinstance(document, list) else ():
        found += steps(value)
    if isinstance(document, dict) and "ml_service" in str((document.get("inputs") or {}).get("inlineScript", "")):
        found.append(document)
    return found


@pytest.mark.parametrize(("pipeline", "parameters"), QUEUED)
def test_every_step_that_notifies_gets_the_address_and_no_other(
    tree: Path, pipeline: str, parameters: dict[str, str]
) -> None:
    facts = QueueFacts(variables={NAME: "https://teams.example/hook"})
    expanded, faults = check(tree / f".pipelines/{pipeline}.yml", parameters, facts)

    assert [str(fault) for fault in faults] == []
    assert expanded is not None
    found = steps(yaml.safe_load(final_yaml(expanded.tree)))
    assert found
    for step in found:
        notifies = bool(NOTIFYING.search(step["inputs"]["inlineScript"]))
        assert (step.get("env", {}).get(NAME) == f"$({NAME})") == notifies, step


def test_the_local_runner_asks_for_the_address_that_no_page_gives_it(tree: Path) -> None:
    _, faults = check(tree / ".pipelines/release.yml", {})
    assert any(f"$({NAME})" in str(fault) for fault in faults)
