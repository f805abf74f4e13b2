"""What no comparison of an export settles, in sentences for its first page: each is a fact of this export."""

from __future__ import annotations

from collections.abc import Iterator

from ml_service.audit.completeness.of_builds import compared_builds
from ml_service.audit.completeness.population import Population

_REHEARSAL = "local rehearsal"
"""Tag of a workspace of local_azure."""
_BUILDS = "tag of build"


def is_rehearsal(population: Population) -> bool:
    """Whether the workspace says of itself that it is no real one."""
    return _REHEARSAL in population.training


def sentences(population: Population) -> list[str]:
    """At most seven sentences."""
    found = [_REHEARSED] if is_rehearsal(population) else []
    return [*found, _UNRECORDED, _end(population), _anchors(population), *_names(population), _PERSONS]


_REHEARSED = (
    "This is a local rehearsal, not real production: workspaces, builds and services are of local_azure on one "
    "machine, whose owner can change all of them, and its names prove nothing about persons; the name local "
    "rehearsal says that nobody gave one."
)
_UNRECORDED = (
    "Facts that nobody recorded are absent: what left neither an entry nor a run, a model, a data version, a service "
    "or a build cannot be missed."
)
_PERSONS = (
    "Different names are taken for different persons, and equal names for the same one; who used an account is not "
    "known."
)


def _end(population: Population) -> str:
    """Which entries at the end could have been removed unnoticed."""
    last = len(population.chain.entries)
    noted = max((one.sequence for one in population.anchors), default=0)
    if noted >= last:
        return (
            "The last entry is noted outside of the ledger; entries after it that were removed would not be missed."
        )
    first = f"Entries e{noted + 1} to e{last} come" if last > noted + 1 else f"Entry e{last} comes"
    return (
        f"{first} after the last anchor, so nothing outside of the ledger confirms the end of the chain; "
        "note the hash of this export elsewhere for later."
    )


def _anchors(population: Population) -> str:
    """Which anchors were compared."""
    tags = sum(one.place.startswith(_BUILDS) for one in population.anchors)
    properties = len(population.anchors) - tags
    asked = f", build tags {tags}" if population.builds is not None else ""
    unasked = "" if population.builds is not None else "build tags, "
    return (
        f"Anchors that were compared: properties of deployment runs {properties}{asked}. Not compared: {unasked}"
        "log lines and summaries of builds, hashes of earlier exports, signed tags and copies elsewhere."
    )


def _names(population: Population) -> Iterator[str]:
    """Names that nobody confirmed."""
    if population.builds is None:
        yield (
            "Azure DevOps was not asked: names, comments and times of approvals, and who requested a build, are as "
            "the commands wrote them."
        )
        return
    named = {entry.build_id for entry in population.chain.entries if entry.build_id}
    if count := len(named - set(compared_builds(population.builds))):
        yield (
            f"Azure DevOps did not confirm {count} of {len(named)} builds that wrote entries: names and comments "
            "in them are as the commands wrote them."
        )
