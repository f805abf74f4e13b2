"""What the SDK and numpy read at import, set before any test module is; and which process runs which tests."""

from __future__ import annotations

import os
from typing import Any

import pytest

pytest_plugins = ["tests.run_guard"]
# The SDK reads at import whether it may send telemetry, and no test may.
os.environ["HBI_WORKSPACE_JOB"] = "true"
# Most servers of tests run no step, and importing what steps need takes two seconds of CPU time.
os.environ["LOCAL_AZURE_PRELOAD"] = "when-needed"
# The cores are shared by test processes and what they start: idle threads of numpy would spin on them.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

# Files whose expensive session fixtures are the same: one process runs them, one after the other.
TOGETHER = {
    "story": (
        "tests/story/test_release_story.py", "tests/story/test_bad_input.py", "tests/story/test_rest.py",
        "tests/story/test_report_story.py", "tests/story/test_names_and_versions.py",
        "tests/story/test_override_story.py", "tests/story/test_doctor_story.py",
    ),
    "production": (
        "tests/story/test_release_and_rollback.py", "tests/story/test_services_changed_by_hand.py",
        "tests/story/test_trail_and_runbooks_of_production.py",
    ),
    "scoring": ("tests/story/test_live_scoring.py", "tests/story/test_scoring_page.py"),
    "services": (
        "tests/faults/test_services_that_return.py", "tests/faults/test_kill_of_services.py",
        "tests/faults/test_doors_of_services.py",
    ),
    "clients": tuple(
        f"local_azure/tests/machine_learning/processes/clients/test_{name}.py"
        for name in (
            "when_plain", "ends_as_plain", "isolation", "steps_of_pipelines", "signals_and_terminal", "sdk_is_quick",
            "same_as_plain",
        )
    ),
}  # fmt: skip
# What takes longest begins first, so that all processes end together.
LONGEST_FIRST = (
    "local_azure/tests/machine_learning/processes/clients/test_when_plain.py",
    "local_azure/tests/cli/test_command_line.py",
    "local_azure/tests/machine_learning/planes/pipelines/test_pipelines.py",
    "local_azure/tests/machine_learning/processes/clients/test_life_cycle.py",
    "local_azure/tests/machine_learning/engines/steps/test_parallel_runs.py",
    "tests/story/test_release_story.py",
    "tests/story/test_retraining_story.py",
    "tests/faults/test_doors_of_services.py",
    "tests/docs/test_readme.py",
    "tests/pipelines/test_scripted_runs.py",
    "tests/pipelines/test_real_runs.py",
    "tests/story/test_own_data.py",
    "tests/faults/test_kill_in_step.py",
    "tests/faults/test_broken_documents.py",
    "tests/upgrade/test_state_of_an_earlier_version.py",
    "tests/faults/test_strict_bodies.py",
    "tests/faults/test_no_outbound_call.py",
    "tests/faults/test_filters_and_numbers.py",
    "tests/faults/test_long_lines.py",
)
_GROUPS = {file: group for group, files in TOGETHER.items() for file in files}
_RANKS = {file: rank for rank, file in enumerate(LONGEST_FIRST)}
for _files in TOGETHER.values():  # all files of a group begin with the one that takes longest
    _RANKS |= dict.fromkeys(_files, min(_RANKS.get(_file, len(LONGEST_FIRST)) for _file in _files))
_PLACES = {file: place for files in TOGETHER.values() for place, file in enumerate(files)}


def _turn(item: pytest.Item) -> tuple[int, int]:
    """Files of a group follow each other as it lists them, in whatever order they were named or found."""
    file = item.nodeid.partition("::")[0]
    return _RANKS.get(file, len(LONGEST_FIRST)), _PLACES.get(file, 0)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort by file; the order inside a file stays. What a campaign runs is skipped elsewhere."""
    if not os.environ.get("CAMPAIGN"):
        for item in items:
            if item.get_closest_marker("campaign"):
                item.add_marker(pytest.mark.skip(reason="it takes long; CAMPAIGN=1 in the environment runs it"))
    items.sort(key=_turn)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Share out groups of files, other files one by one (`--dist loadfile`)."""
    from xdist.scheduler import LoadFileScheduling

    class Groups(LoadFileScheduling):
        """Tests of a group are one unit of work."""

        def _split_scope(self, nodeid: str) -> str:
            file: str = super()._split_scope(nodeid)
            return _GROUPS.get(file, file)

    return Groups(config, log) if config.getvalue("dist") == "loadfile" else None
