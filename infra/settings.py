"""Print the settings that the scripts of this folder need, as shell assignments: python infra/settings.py.

The values are those that main.bicep reads when it is compiled: of the files, never of the environment.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
FILES = ("variables.yml", "environments/production.yml", "infra/settings.yml")
NEEDED = (
    "AZURE_SUBSCRIPTION_ID",
    "AZURE_RESOURCE_GROUP",
    "AZUREML_WORKSPACE_NAME",
    "LOCATION",
    "TRAINING_CONNECTION",
    "READER_CONNECTION",
    "TRIAL_CONNECTION",
)
"""Without these nothing can be created."""
NEEDED_WITH_PRODUCTION = ("PRODUCTION_CONNECTION",)
IN_SCRIPTS = (
    "AZURE_SUBSCRIPTION_ID",
    "AZURE_RESOURCE_GROUP",
    "AZUREML_WORKSPACE_NAME",
    "AZUREML_PRODUCTION_WORKSPACE_NAME",
    "PRODUCTION_RESOURCE_GROUP",
    "PRODUCTION_SUBSCRIPTION_ID",
    "LOCATION",
)
"""Names that the shell scripts get; empty ones of production are those of training, as in main.bicep."""


def read(root: Path = ROOT) -> dict[str, str]:
    """Every setting of the three files, as text; empty ones of production filled from training."""
    values: dict[str, str] = {}
    for name in FILES:
        document: dict[str, Any] = yaml.safe_load((root / name).read_text(encoding="utf-8"))
        values |= {key: str(value) for key, value in document["variables"].items()}
    values["PRODUCTION_RESOURCE_GROUP"] = values["PRODUCTION_RESOURCE_GROUP"] or values["AZURE_RESOURCE_GROUP"]
    values["PRODUCTION_SUBSCRIPTION_ID"] = values["PRODUCTION_SUBSCRIPTION_ID"] or values["AZURE_SUBSCRIPTION_ID"]
    return values


def unfilled(values: dict[str, str]) -> list[str]:
    """Names of needed settings that are empty or still a placeholder."""
    needed = NEEDED + (NEEDED_WITH_PRODUCTION if values["AZUREML_PRODUCTION_WORKSPACE_NAME"] else ())
    return [name for name in needed if not values[name] or values[name].startswith("<")]


def main() -> int:
    """Print the assignments; exit code 2 where a needed setting is not filled in."""
    values = read()
    if missing := unfilled(values):
        sys.stderr.write(f"not filled in: {', '.join(missing)}\nedit {', '.join(FILES)}; nothing was changed\n")
        return 2
    sys.stdout.writelines(f"{name}={shlex.quote(values[name])}\n" for name in IN_SCRIPTS)
    return 0


if __name__ == "__main__":
    sys.exit(main())
