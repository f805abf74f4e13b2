"""The champion of a problem: the model version of the training workspace that serves users, marked by its tags.

The same marks as in mlops_code/registry.py, which moves the pointer where there is no production environment.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from azureml.core import Model

from ml_service.output.console import quiet_sdk
from ml_service.settings.workspace import OpenWorkspace

TAG, SINCE_TAG = "champion", "champion_since"


def find(workspace: OpenWorkspace, model_name: str, problem: str) -> Any | None:
    """The champion, None when no version is. Two carry the tag while it moves; the newer claim counts."""
    tagged = Model.list(workspace.sdk, name=model_name, tags=[[TAG, problem]])
    return max(tagged, key=lambda model: str(model.tags.get(SINCE_TAG, "")), default=None)


def move(workspace: OpenWorkspace, model_name: str, version: int, problem: str, because: str) -> str:
    """Make a version the champion: first the new tag, then the old ones go, so that there is always one.

    because: what moved it, kept in a property for ever. Returns the version before, or `none`.
    """
    tagged = Model.list(workspace.sdk, name=model_name, tags=[[TAG, problem]])
    others = [model for model in tagged if int(model.version) != version]
    newest = max(others, key=lambda model: str(model.tags.get(SINCE_TAG, "")), default=None)
    before = str(newest.version) if newest else "none"
    now = datetime.now(UTC)
    with quiet_sdk():
        Model(workspace.sdk, name=model_name, version=version).update_tags_properties(
            add_tags={TAG: problem, SINCE_TAG: now.isoformat(timespec="microseconds")},
            add_properties={f"champion_move_{now:%Y%m%dT%H%M%S%fZ}": f"after version {before}, {because}"},
        )
        for other in others:
            other.update_tags_properties(remove_tags=[TAG, SINCE_TAG])
    return before
