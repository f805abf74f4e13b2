"""infra/deploy and infra/remove: the commands that they give to az, which is a recorder here.

What Azure does with them is not tested.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.infra.bicep import INFRA
from tests.sample import ROOT

FILLED = {
    "AZURE_SUBSCRIPTION_ID": "sub-1",
    "AZURE_RESOURCE_GROUP": "dev-rg",
    "AZUREML_WORKSPACE_NAME": "dev-ws",
    "TRAINING_CONNECTION": "training",
    "PRODUCTION_CONNECTION": "production",
    "READER_CONNECTION": "reader",
    "TRIAL_CONNECTION": "trial",
    "AZUREML_PRODUCTION_WORKSPACE_NAME": "prod-ws",
    "PRODUCTION_RESOURCE_GROUP": "prod-rg",
    "PRODUCTION_SUBSCRIPTION_ID": "sub-2",
    "LOCATION": "northeurope",
}
RECORDER = """#!/bin/sh
echo "$*" >> "$AZ_CALLS"
case "$*" in
  "$FAILS"*) exit 1 ;;
  "group exists"*) echo "$GROUP_EXISTS" ;;
  "keyvault list-deleted"*) echo "$DELETED_VAULTS" ;;
  "identity list"*) echo principal-1 ;;
  "role assignment list"*) echo assignment-1 ;;
  "resource list"*) echo prod-ws ;;
esac
"""


class Checkout:
    """infra/ with settings of its own, and an az that writes down its arguments."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.calls = folder / "calls"
        shutil.copytree(INFRA, folder / "infra", ignore=shutil.ignore_patterns("__pycache__"))
        (folder / "bin").mkdir()
        (folder / "environments").mkdir()
        (folder / "bin/python").symlink_to(sys.executable)
        az = folder / "bin/az"
        az.write_text(RECORDER, encoding="utf-8")
        az.chmod(0o755)
        self.fill(FILLED)

    def fill(self, given: dict[str, str]) -> None:
        """Write the three files with these values in place of those of the repository."""
        for name in ("variables.yml", "environments/production.yml", "infra/settings.yml"):
            variables: dict[str, Any] = yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))["variables"]
            filled = {key: given.get(key, value) for key, value in variables.items()}
            (self.folder / name).write_text(yaml.safe_dump({"variables": filled}), encoding="utf-8")

    def run(
        self, *command: str, exists: bool = True, fails: str = "nothing", vaults: str = "vault-1"
    ) -> tuple[int, str, list[str]]:
        """Exit code, both outputs, and what az was asked. fails: how the command of az begins that fails."""
        self.calls.write_text("", encoding="utf-8")
        path = f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
        environment = {"PATH": path, "AZ_CALLS": str(self.calls), "GROUP_EXISTS": str(exists).lower()}
        environment |= {"FAILS": fails, "DELETED_VAULTS": vaults}
        site = str(Path(yaml.__file__).parents[1])
        script = str(self.folder / command[0])
        done = subprocess.run(
            [script, *command[1:]],
            check=False,
            env={**environment, "PYTHONPATH": site},
            capture_output=True,
            text=True,
            timeout=30,
        )
        return done.returncode, done.stdout + done.stderr, self.calls.read_text(encoding="utf-8").splitlines()


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def test_a_deployment_compiles_first_then_registers_providers_in_both_subscriptions(checkout: Checkout) -> None:
    code, said, calls = checkout.run("infra/deploy")

    assert code == 0, said
    assert calls[0] == "bicep build --file infra/main.bicep --stdout"
    registered = [call for call in calls if call.startswith("provider register")]
    assert len(registered) == len(set(registered)) == 16
    assert "provider register --namespace Microsoft.ContainerInstance --subscription sub-2 --wait" in registered
    assert calls[-1] == (
        "deployment sub create --name ml-environments --subscription sub-1 --location northeurope "
        "--template-file infra/main.bicep"
    )
    assert checkout.run("infra/deploy")[2] == calls


def test_what_if_changes_nothing(checkout: Checkout) -> None:
    _, _, calls = checkout.run("infra/deploy", "--what-if")

    assert [call.split(" --")[0] for call in calls] == ["bicep build", "deployment sub what-if"]


@pytest.mark.parametrize("command", [["infra/deploy"], ["infra/remove", "production", "prod-rg"]])
def test_placeholders_are_refused_before_az_is_asked(checkout: Checkout, command: list[str]) -> None:
    checkout.fill({**FILLED, "LOCATION": "<region>", "AZURE_RESOURCE_GROUP": ""})

    code, said, calls = checkout.run(*command)

    assert (code, calls) == (2, [])
    assert "not filled in: AZURE_RESOURCE_GROUP, LOCATION" in said


def test_production_is_removed_with_its_role_in_training_and_its_names_are_free_again(checkout: Checkout) -> None:
    code, said, calls = checkout.run("infra/remove", "production", "prod-rg")

    assert code == 0, said
    assert [call.split(" --")[0] for call in calls if "list" not in call and "exists" not in call] == [
        "role assignment delete",
        "ml workspace delete",
        "group delete",
        "keyvault purge",
    ]
    assert "group delete --name prod-rg --subscription sub-2 --yes" in calls
    assert "role assignment delete --ids assignment-1" in calls
    (listed,) = [call for call in calls if call.startswith("role assignment list")]
    assert "--subscription sub-1 --scope /subscriptions/sub-1/resourceGroups/dev-rg/" in listed
    assert not any("dev-rg" in call for call in calls if call.split()[0] not in ("role", "group"))


def test_with_training_goes_the_role_of_its_reader_in_production(checkout: Checkout) -> None:
    code, said, calls = checkout.run("infra/remove", "training", "dev-rg")

    assert code == 0, said
    (listed,) = [call for call in calls if call.startswith("role assignment list")]
    assert "--scope /subscriptions/sub-2/resourceGroups/prod-rg/" in listed
    assert listed.count("workspaces/prod-ws") == 1


def test_removing_again_finds_nothing(checkout: Checkout) -> None:
    code, said, calls = checkout.run("infra/remove", "training", "dev-rg", exists=False, vaults="")

    assert code == 0
    assert [call.split(" --")[0] for call in calls] == ["group exists", "keyvault list-deleted"]
    assert "dev-rg does not exist" in said


@pytest.mark.parametrize(
    "fails",
    [
        "group exists --name prod-rg",
        "group exists --name dev-rg",
        "identity list",
        "role assignment list",
        "role assignment delete",
        "resource list",
        "ml workspace delete",
        "group delete",
        "keyvault list-deleted",
        "keyvault purge",
    ],
)
def test_a_removal_that_stopped_in_the_middle_is_finished_by_the_next(checkout: Checkout, fails: str) -> None:
    """Also after the group is gone: its vault would keep the name, and the next deployment would fail."""
    code, _, calls = checkout.run("infra/remove", "production", "prod-rg", fails=fails)
    assert code != 0
    assert calls[-1].startswith(fails), "nothing goes on behind a failure"

    is_gone = fails.startswith("keyvault")
    code, said, calls = checkout.run("infra/remove", "production", "prod-rg", exists=not is_gone)

    assert code == 0, said
    assert calls[-1] == "keyvault purge --name vault-1 --subscription sub-2"


@pytest.mark.parametrize("fails", ["bicep build", "provider register", "deployment sub create"])
def test_a_deployment_that_stopped_in_the_middle_is_repeated_as_a_whole(checkout: Checkout, fails: str) -> None:
    _, _, whole = checkout.run("infra/deploy")
    code, _, calls = checkout.run("infra/deploy", fails=fails)
    assert code != 0
    assert calls[-1].startswith(fails)

    assert checkout.run("infra/deploy")[2] == whole


@pytest.mark.parametrize(
    ("given", "arguments", "expected"),
    [
        ({}, ["production"], "to confirm, name the resource group"),
        ({}, ["production", "dev-rg"], "to confirm, name the resource group"),
        ({}, ["everything", "dev-rg"], "usage"),
        ({"AZUREML_PRODUCTION_WORKSPACE_NAME": ""}, ["production", "prod-rg"], "there is no production environment"),
        (
            {"PRODUCTION_RESOURCE_GROUP": "dev-rg", "PRODUCTION_SUBSCRIPTION_ID": ""},
            ["training", "dev-rg"],
            "both environments are in dev-rg",
        ),
    ],
)
def test_nothing_is_removed_without_the_right_confirmation(
    checkout: Checkout, given: dict[str, str], arguments: list[str], expected: str
) -> None:
    checkout.fill({**FILLED, **given})

    code, said, calls = checkout.run("infra/remove", *arguments)

    assert (code, calls) == (2, [])
    assert expected in said
