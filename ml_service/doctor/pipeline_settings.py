"""Check the settings of CI pipelines (PROBLEMS, agent pool, notifications).

Invalid ones stop a pipeline run or disable notifications.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ml_service.doctor.finding import Finding
from ml_service.output.webhook import fault_of
from ml_service.settings.pipeline_problems import read_names
from ml_service.settings.variables import (
    POOL_VARIABLES,
    PROBLEMS_VARIABLE,
    ROOT,
    SWITCHES,
    VARIABLES_FILE,
    pipeline_only_values,
)

_CHECK = "settings of pipelines"
_SWITCH_VALUES = ("none", "webhook")
_ADDRESS = "https://..., or http:// on this machine, without a user or password"


def check_pipeline_settings(variables_file: Path = VARIABLES_FILE) -> Iterator[Finding]:
    """Check that the problems exist, that jobs have an agent, and that NOTIFICATIONS has a valid value."""
    names = read_names(variables_file)
    unknown = [name for name in names if not (ROOT / "mlops_code/problems" / f"{name}.yml").is_file()]
    if unknown or not names:
        yield Finding(
            _CHECK,
            f"{PROBLEMS_VARIABLE} names {', '.join(unknown) + ': no such problem' if unknown else 'no problem'}",
            "space-separated file names of mlops_code/problems, without .yml",
            f"correct {PROBLEMS_VARIABLE} in variables.yml; python -m ml_service problems list shows the names",
        )
    given = pipeline_only_values(POOL_VARIABLES | SWITCHES, variables_file)
    if not POOL_VARIABLES & given.keys():
        yield Finding(
            _CHECK,
            "AGENT_POOL and AGENT_IMAGE are empty: no job can start",
            "one of them",
            "set AGENT_IMAGE (hosted agents) or AGENT_POOL (agents of your own) in variables.yml",
        )
    for name in sorted(SWITCHES):
        if given.get(name, "none") not in _SWITCH_VALUES:
            yield Finding(
                _CHECK,
                f"{name} is {given[name]}",
                " or ".join(_SWITCH_VALUES),
                f"correct {name} in variables.yml or in the environment",
            )


def check_notifications(webhook: str) -> Iterator[Finding]:
    """Check that a webhook address is valid, if one is given: otherwise verbs only print that they sent nothing."""
    if webhook and (wrong := fault_of(webhook)):
        fix = "correct the secret variable NOTIFICATION_WEBHOOK, or remove it (docs/notifications.md)"
        yield Finding("notifications", f"{wrong}: nobody would be notified", _ADDRESS, fix)
