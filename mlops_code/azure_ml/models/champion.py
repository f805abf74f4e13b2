"""Who is champion: the model version that serves users, marked by its tags.

The tag `champion` holds the name of the problem. While champion_move.py moves it, two versions carry it for a
moment: the newest claim wins.
"""

from __future__ import annotations

from collections.abc import Iterable

from azure_ml.models.versions import ModelVersion, find_versions
from azure_ml.workspace import Workspace

TAG, SINCE_TAG = "champion", "champion_since"


def champions_of(versions: Iterable[ModelVersion]) -> dict[str, ModelVersion]:
    """The champion of each problem that one of these versions claims to be champion of; the newest claim wins."""
    claims = [version for version in versions if TAG in version.tags]
    claims.sort(key=lambda version: (version.tags.get(SINCE_TAG, ""), version.version))
    return {version.tags[TAG]: version for version in claims}


def find_champion(workspace: Workspace, model_name: str | None, problem: str) -> ModelVersion | None:
    """The champion of a problem; None when no version is. model_name: None to look at every model."""
    return champions_of(find_versions(workspace, model_name, tags={TAG: problem})).get(problem)
