"""Move the champion: the only place that does."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from azure_ml.models.champion import SINCE_TAG, TAG, champions_of, find_champion
from azure_ml.models.versions import ModelVersion, find_versions
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
        add_tags={TAG: problem, SINCE_TAG: later_than_all(now, others)},
        add_properties=_moved(f"after version {before}, {because}", now),
    )
    for other in others:
        other.sdk.update_tags_properties(remove_tags=[TAG, SINCE_TAG])
    return before


def _moved(how: str, now: datetime | None = None) -> dict[str, str]:
    """A property of a version that tells a move; its name is the moment, so that none is written twice."""
    return {f"champion_move_{now or datetime.now(UTC):%Y%m%dT%H%M%S%fZ}": how}


def return_champion(
    workspace: Workspace, model_name: str, version: int, before: str, *, problem: str, because: str
) -> bool:
    """Undo `make_champion` of a version: what was champion before is again, or nobody where before is `none`.

    Returns False and changes nothing where that version is not the champion.
    """
    champion = find_champion(workspace, model_name, problem)
    if champion is None or champion.version != version or before == str(version):
        return False
    if before == NONE:
        withdrawn = _moved(f"withdrawn, {because}")
        champion.sdk.update_tags_properties(remove_tags=[TAG, SINCE_TAG], add_properties=withdrawn)
    else:
        make_champion(workspace, model_name, int(before), problem, because)
    return True


def later_than_all(now: datetime, others: Iterable[ModelVersion]) -> str:
    """Return a time for a new claim that is later than every other claim, even if the clock was set back."""
    for claim in others:
        try:
            claimed = datetime.fromisoformat(claim.tags.get(SINCE_TAG, "")) + timedelta(microseconds=1)
        except (ValueError, OverflowError):
            continue  # no moment that make_champion wrote
        if claimed.tzinfo is not None:
            now = max(now, claimed.astimezone(UTC))
    return now.isoformat(timespec="microseconds")
