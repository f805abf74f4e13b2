"""Settings that only .pipelines/ reads: a mistake in them stops a run at its beginning, or leaves something out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ml_service.doctor.finding import Finding
from ml_service.output.webhook import fault_of
from ml_service.settings.pipeline_problems import read_names
from ml_service.settings.variables import LIST_VARIABLE, POOL_VARIABLES, ROOT, SWITCHES, VARIABLES_FILE, other_values

_CHECK = "settings of pipelines"
_SWITCHED = ("none", "webhook")
_ADDRESS = "https://..., or http:// on this machine, without a user or password"


def check_pipeline_settings(variables_file: Path = VARIABLES_FILE) -> Iterator[Finding]:
    """Whether the problems exist, there is something to run jobs on, and switches have one of their values."""
    names = read_names(variables_file)
    unknown = [name for name in names if not (ROOT / "mlops_code/problems" / f"{name}.yml").is_file()]
    if unknown or not names:
        yield Finding(
            _CHECK,
            f"{LIST_VARIABLE} names {', '.join(unknown) + ': no such problem' if unknown else 'no problem'}",
            "names of files of mlops_code/problems, with one space between two",
            f"correct {LIST_VARIABLE} in variables.yml; python -m ml_service problems list shows the names",
        )
    given = other_values(POOL_VARIABLES | SWITCHES, variables_file)
    if not POOL_VARIABLES & given.keys():
        yield Finding(
            _CHECK,
            "AGENT_POOL and AGENT_IMAGE are empty: no job can start",
            "one of them",
            "set AGENT_IMAGE (hosted agents) or AGENT_POOL (agents of your own) in variables.yml",
        )
    for name in sorted(SWITCHES):
        if given.get(name, "none") not in _SWITCHED:
            yield Finding(
                _CHECK, f"{name} is {given[name]}", " or ".join(_SWITCHED), f"correct {name} in variables.yml"
            )


def check_notifications(webhook: str) -> Iterator[Finding]:
    """Whether notifications can be sent to an address, if one is given: a verb only prints that it sent nothing."""
    if webhook and (wrong := fault_of(webhook)):
        fix = "correct the secret variable NOTIFICATION_WEBHOOK, or remove it (docs/notifications.md)"
        yield Finding("notifications", f"{wrong}: nobody would be notified", _ADDRESS, fix)
