"""Move the champion: the only place that does."""

from __future__ import annotations

from datetime import UTC, datetime

from azure_ml.models.champion import SINCE_TAG, TAG, champions_of
from azure_ml.models.versions import find_versions
from azure_ml.workspace import Workspace

NONE = "none"


def make_champion(workspace: Workspace, model_name: str, version: int, problem: str, because: str) -> str:
    """Make a version the champion of a problem; returns the version before, or `none`.

    First the new tag is set, then the old ones go, so that there is always a champion. because: what moved it, kept
    in a property, which nobody can change.
    """
    from azureml.core import Model

    tagged = find_versions(workspace, model_name, tags={TAG: problem})
    others = [claim for claim in tagged if claim.version != version]
    previous = champions_of(others).get(problem)
    before = str(previous.version) if previous else NONE
    now = datetime.now(UTC)
    Model(workspace.sdk, name=model_name, version=version).update_tags_properties(
        add_tags={TAG: problem, SINCE_TAG: now.isoformat(timespec="microseconds")},
        add_properties={f"champion_move_{now:%Y%m%dT%H%M%S%fZ}": f"after version {before}, {because}"},
    )
    for other in others:
        other.sdk.update_tags_properties(remove_tags=[TAG, SINCE_TAG])
    return before
