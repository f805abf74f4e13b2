"""Settings of the build scripts: `variables.yml` and `environments/production.yml`, overridden by the environment.

Read once, in one place, and passed down. Everything that is wrong is reported at once, because a newcomer who
fills in eight names should not need eight attempts. This is the only module that reads the environment.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from azure_ml.sign_in import Offered
from forecasting.problem.problem_file import Problem
from forecasting.problem.yaml_text import UNREADABLE, read_yaml
from ml_service.errors import InvalidRequestError
from ml_service.settings.names import names_of, settings_of

ROOT = Path(__file__).resolve().parents[2]
VARIABLES_FILE = ROOT / "variables.yml"
PRODUCTION_FILE = ROOT / "environments" / "production.yml"

AGENT_VARIABLES = frozenset(
    {
        "BUILD_BUILDID",
        "BUILD_SOURCEVERSION",
        "BUILD_REASON",
        "BUILD_REQUESTEDFOR",
        "TF_BUILD",
        "AGENT_TEMPDIRECTORY",
        "SYSTEM_COLLECTIONURI",
        "SYSTEM_TEAMPROJECT",
        "SYSTEM_DEFINITIONID",
        "NOTIFICATION_WEBHOOK",
        "SYSTEM_STAGENAME",
        "GITHUB_OUTPUT",
        "GITHUB_STEP_SUMMARY",
        "GITHUB_API_URL",
        "GITHUB_REPOSITORY",
        "GITHUB_TOKEN",
        *(name.upper() for name in Offered.model_fields),
    }
)
"""Names that the build agent or the machine sets; they are optional and are never set in variables.yml."""

PRODUCTION_VARIABLES = frozenset(
    {
        "AZUREML_PRODUCTION_WORKSPACE_NAME",
        "PRODUCTION_SERVICE_NAME",
        "PRODUCTION_RESOURCE_GROUP",
        "PRODUCTION_SUBSCRIPTION_ID",
    }
)
"""May be empty: no workspace, no production; group and subscription are those of the training workspace then."""

CONNECTION_VARIABLES = frozenset(
    {"TRAINING_CONNECTION", "PRODUCTION_CONNECTION", "READER_CONNECTION", "TRIAL_CONNECTION"}
)
"""Names in variables.yml that sign the steps of .pipelines/ in; here only their controls are compared."""
POOL_VARIABLES = frozenset({"AGENT_POOL", "AGENT_IMAGE"})
"""Names in variables.yml that only .pipelines/ reads: where its jobs run."""
INFRA_FILE = ROOT / "infra" / "settings.yml"

SWITCHES = frozenset({"NOTIFICATIONS"})
"""Names in variables.yml that only .pipelines/ reads: optional work of its builds."""

PROBLEMS_VARIABLE = "PROBLEMS"
"""Name in variables.yml of the problems that .pipelines/ and .github/ run, space-separated."""

DERIVED_VARIABLES = frozenset({"DATA_FILE", *names_of("")})
"""Names that are derived from the problem file; optional in variables.yml or environments/production.yml."""

_MISSING = "Field required"  # as pydantic says it
_SERVICE_NAME = r"^[a-z][a-z0-9-]{2,31}$"  # azureml/_model_management/_util.py
_ASSET_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,254}$"  # same file; data sets follow the same rule
_EXPERIMENT_NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,254}$"
_COMPUTE_NAME = r"^[A-Za-z][A-Za-z0-9-]{1,22}[A-Za-z0-9]$"


class AgentSettings(BaseSettings, Offered):
    """Settings that the build agent provides about this build; all are optional."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    build_buildid: str = ""
    build_sourceversion: str = ""
    build_reason: str = ""
    build_requestedfor: str = ""
    tf_build: str = ""
    agent_tempdirectory: str = ""
    system_collectionuri: str = ""
    system_teamproject: str = ""
    system_definitionid: str = ""
    notification_webhook: SecretStr = SecretStr("")
    system_stagename: str = ""
    github_output: str = ""
    github_step_summary: str = ""
    github_api_url: str = ""
    github_repository: str = ""
    github_token: SecretStr = SecretStr("")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - pydantic-settings passes them by name
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment first, then what `load` read from the file; no .env file, no secrets folder."""
        return env_settings, init_settings

    @field_validator("*", mode="before")
    @classmethod
    def _no_blanks_or_placeholders(cls, value: object, info: Any) -> object:
        """Refuse what was never filled in; `$(NAME)` is how Azure Pipelines hands over an undefined variable."""
        if not isinstance(value, str):
            return value
        text = value.strip()
        unfilled = (text.startswith("<") and text.endswith(">")) or text.startswith("$(")
        if info.field_name.upper() in AGENT_VARIABLES:
            return "" if unfilled else text
        if not text and info.field_name.upper() in PRODUCTION_VARIABLES:
            return ""
        if not text:
            raise ValueError("is empty")
        if unfilled:
            raise ValueError(f"is still the placeholder {text}")
        return text


class Settings(AgentSettings):
    """One frozen object with every setting; field names are the variable names in lower case."""

    azure_subscription_id: str = Field(examples=["11111111-2222-3333-4444-555555555555"])
    azure_resource_group: str = Field(examples=["mlops-dev-rg"])
    azureml_workspace_name: str = Field(examples=["mlops-dev-ws"])
    compute_name: str = Field(examples=["train-cluster"], pattern=_COMPUTE_NAME)
    compute_vm_size: str = Field(examples=["STANDARD_DS2_V2"])
    compute_max_nodes: int = Field(examples=["2"], ge=1, le=100)
    pipeline_name: str = Field(examples=["paid-amount-training"])
    pipeline_endpoint_name: str = Field(examples=["paid-amount-training-endpoint"])
    experiment_name: str = Field(examples=["paid-amount"], pattern=_EXPERIMENT_NAME)
    model_name: str = Field(examples=["paid-amount"], pattern=_ASSET_NAME)
    dataset_name: str = Field(examples=["paid-amount-transactions"], pattern=_ASSET_NAME)
    data_file: Path = Field(examples=["data/bakery/sales.csv"])
    problem_file: Path = Field(examples=["mlops_code/problems/bakery.yml"])
    test_deployment: Literal["agent", "step"] = Field(default="agent", examples=["agent"])
    test_service_name: str = Field(examples=["paid-amount-test"], pattern=_SERVICE_NAME)
    production_service_name: str = Field(default="", examples=["paid-amount"], pattern=f"^$|{_SERVICE_NAME}")
    azureml_production_workspace_name: str = Field(default="", examples=["mlops-prod-ws"])
    production_resource_group: str = Field(default="", examples=["mlops-prod-rg"])
    production_subscription_id: str = Field(default="", examples=["11111111-2222-3333-4444-555555555555"])

    @property
    def has_production(self) -> bool:
        """Whether a production workspace is configured; then `release` makes the champion, not the deploy step."""
        return bool(self.azureml_production_workspace_name)

    @field_validator("data_file", "problem_file", mode="after")
    @classmethod
    def _from_root(cls, value: Path) -> Path:
        """Relative paths are meant from the repository, wherever the command was typed."""
        return value if value.is_absolute() else ROOT / value


def load(variables_file: Path = VARIABLES_FILE, production_file: Path = PRODUCTION_FILE) -> Settings:
    """Read the settings of both files and the environment.

    Raises: InvalidRequestError with one line for each name that is missing, empty, a placeholder or invalid;
    or without HOME.
    """
    _demand_home()
    production = {name: value for name, value in _read_variables(production_file).items() if value}
    values = {**_read_variables(variables_file), **production}
    values = {**_derived(values), **values}
    try:
        given: dict[str, Any] = {name.lower(): value for name, value in values.items()}
        return Settings(**given)
    except ValidationError as error:
        mistakes = {str(item["loc"][0]).upper(): item["msg"] for item in error.errors()}
        if "PROBLEM_FILE" in mistakes:  # then what follows from it is not missing by itself
            mistakes = {key: why for key, why in mistakes.items() if key not in DERIVED_VARIABLES or why != _MISSING}
        problems = [
            _describe(name, why, production_file if name in production else variables_file)
            for name, why in mistakes.items()
        ]
        count = "1 setting is" if len(problems) == 1 else f"{len(problems)} settings are"
        raise InvalidRequestError(
            f"{count} not usable",
            found="\n".join(problems),
            todo=f"edit {shown(variables_file)}, or set environment variables of the same names (they win);\n"
            "without an Azure subscription, `make run` rehearses everything on this machine, and a verb runs with\n"
            "python -m local_azure exec -- python -m ml_service VERB",
        ) from None


def choose_problem(problem_file: str) -> None:
    """Let the rest of this process work on another problem."""
    os.environ["PROBLEM_FILE"] = problem_file  # noqa: TID251 - this is the one reader


def environment_for(
    problem_file: str, variables_file: Path = VARIABLES_FILE, production_file: Path = PRODUCTION_FILE
) -> dict[str, str]:
    """The environment of a process that works on a problem beside others.

    Raises: InvalidRequestError where a name is set that must differ between problems.
    """
    environment = dict(os.environ)  # noqa: TID251 - this is the one reader
    production = {name for name, value in _read_variables(production_file).items() if value}
    shared = sorted(DERIVED_VARIABLES & {*environment, *_read_variables(variables_file), *production})
    if shared:
        raise InvalidRequestError(
            "several problems would have the same names",
            found=f"set for all of them: {', '.join(shared)}",
            todo="remove them from the environment and the files: the names are then derived from each problem",
        )
    return {**environment, "PROBLEM_FILE": problem_file}


def _derived(values: Mapping[str, str]) -> dict[str, str]:
    """The settings that follow from the problem file, where any of them is given nowhere else."""
    given = {name.upper(): value for name, value in {**values, **os.environ}.items()}  # noqa: TID251 - the one reader
    problem_file = given.get("PROBLEM_FILE", "").strip()
    if not problem_file or problem_file.startswith(("<", "$(")) or given.keys() >= DERIVED_VARIABLES:
        return {}
    return settings_of(Problem(ROOT / problem_file))


def pipeline_only_values(names: Collection[str], *files: Path) -> dict[str, str]:
    """Read values that `Settings` does not hold, from the environment and these files; omits unset placeholders."""
    given: dict[str, str] = {}
    for path in files or (VARIABLES_FILE, INFRA_FILE):
        given |= _read_variables(path)
    given |= {name: value for name, value in os.environ.items() if name in names}  # noqa: TID251 - the one reader
    found = {name: given.get(name, "").strip() for name in names}
    return {name: value for name, value in found.items() if value and not value.startswith(("<", "$("))}


def _demand_home() -> None:
    """Raises: InvalidRequestError without a home folder: the SDK derives paths from it as soon as it is imported."""
    # azureml/_base_sdk_common/common.py; on Windows it asks elsewhere.
    if sys.platform != "win32" and not os.environ.get("HOME"):  # noqa: TID251 - this is the one reader
        raise InvalidRequestError(
            "the environment variable HOME is not set",
            expected="a folder that this user may write to: the Azure ML SDK keeps its files there",
            todo="export HOME=FOLDER, then repeat the command",
        )


def demand_production(settings: Settings) -> None:
    """Raises: InvalidRequestError when no production workspace is configured."""
    given = {
        "AZUREML_PRODUCTION_WORKSPACE_NAME": settings.azureml_production_workspace_name,
        "PRODUCTION_SERVICE_NAME": settings.production_service_name,
    }
    if empty := [name for name, value in given.items() if not value]:
        raise InvalidRequestError(
            "no production workspace is configured",
            found=f"empty: {', '.join(empty)}",
            todo="edit environments/production.yml, or set environment variables of these names; without a\n"
            "production workspace there is no release: the test service's own check makes a model the champion;\n"
            "on this machine: export AZUREML_PRODUCTION_WORKSPACE_NAME=local-production",
        )


def _read_variables(path: Path) -> dict[str, str]:
    """The mapping under `variables:`; values as text, as Azure Pipelines would hand them over."""
    if not path.is_file():
        return {}
    try:
        document = read_yaml(path)
    except UNREADABLE as error:
        raise InvalidRequestError(
            f"{shown(path)} is not readable as YAML", found=str(error), todo="correct the line"
        ) from None
    variables = document.get("variables") if isinstance(document, dict) else None
    if not isinstance(variables, dict):
        raise InvalidRequestError(
            f"{shown(path)} has no variables",
            expected="a mapping `variables:` with one `NAME: value` per line",
            todo="restore the file from version control and fill in your values",
        )
    return {str(name): "" if value is None else str(value) for name, value in variables.items()}


def _describe(name: str, message: str, path: Path) -> str:
    """One line: the variable, what is wrong with it, where the value came from, an example."""
    info: FieldInfo = Settings.model_fields[name.lower()]
    example = info.examples[0] if info.examples else ""
    in_environment = any(key.upper() == name for key in os.environ)  # noqa: TID251 - this is the one reader
    if message == _MISSING:
        what = "is missing"
    else:
        origin = "the environment" if in_environment else shown(path)
        what = f"{message.removeprefix('Value error, ')} (from {origin})"
        if not message.startswith("Value error"):
            what = f"is invalid: {what}"
    return f"{name} {what}, for example {example}"


def shown(path: Path) -> str:
    """A path as a user of the repository would type it."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)
