"""What no comparison of an export settles, in sentences for its first page: each is a fact of this export."""

from __future__ import annotations

from collections.abc import Iterator

from ml_service.audit.completeness.of_builds import compared_builds
from ml_service.audit.completeness.population import Population
from ml_service.audit.events import kinds
from ml_service.audit.export.acceptances import run_of
from ml_service.audit.timeline.intervals import Served, deployments_of
from ml_service.settings.build import is_local, is_uncommitted

_REHEARSAL = "local rehearsal"
"""Tag of a workspace of local_azure."""
_BUILDS = "tag of build"
_MOST_CITED = 12


def is_rehearsal(population: Population) -> bool:
    """Whether the workspace says of itself that it is no real one."""
    return _REHEARSAL in population.training


def sentences(population: Population) -> list[str]:
    """At most ten sentences."""
    found = [_REHEARSED] if is_rehearsal(population) else []
    more = [*_names(population), *_uncommitted(population), *_unapproved(population)]
    return [*found, _UNRECORDED, _end(population), _anchors(population), *more, _BY_HAND, _PERSONS]


_REHEARSED = (
    "This is a local rehearsal, not real production: workspaces, builds and services are of local_azure on one "
    "machine, whose owner can change all of them, and its names prove nothing about persons; the name local "
    "rehearsal says that nobody gave one."
)
_UNRECORDED = (
    "Facts that nobody recorded are absent: what left neither an entry nor a run, a model, a data version, a service "
    "or a build is not here, and its absence cannot be noticed."
)
_PERSONS = (
    "Different names are taken for different persons, and equal names for the same one; who used an account is not "
    "known."
)


_BY_HAND = (
    "Of several changes of a service by hand only the last one has a time: what served between them is not known."
)


def _uncommitted(population: Population) -> Iterator[str]:
    """Entries whose commit is not the code that ran."""
    if count := sum(is_uncommitted(entry.commit) for entry in population.chain.entries):
        named = "1 entry names" if count == 1 else f"{count} entries name"
        yield f"{named} a commit with uncommitted changes (-dirty): the commit is not the code that ran."


def _unapproved(population: Population) -> Iterator[str]:
    """Deployments of a command outside of a pipeline, which had no stage that a person approves."""
    entries = population.chain.entries
    local = [one for one in deployments_of(entries) if is_unapproved(one)]
    if not local:
        return
    overridden = {entry.subject for entry in entries if entry.event == kinds.OVERRIDE_GRANTED}
    cited = ", ".join(f"e{one.opened.sequence}" for one in local[:_MOST_CITED])
    more = f" and {len(local) - _MOST_CITED} more" if len(local) > _MOST_CITED else ""
    released = [f"e{one.opened.sequence}" for one in local if run_of(one.record) in overridden]
    also = f" An override was deployed so: {', '.join(released[:_MOST_CITED])}." if released else ""
    yield f"A command outside of a pipeline deployed, and no approval is recorded: {cited}{more}.{also}"


def is_unapproved(one: Served) -> bool:
    """Whether a command outside of a pipeline made a deployment, so that no approval is recorded."""
    return is_local(one.opened.build_id) and not one.record.get("approver", "") and one.approval is None


def _end(population: Population) -> str:
    """Which entries at the end could have been removed unnoticed."""
    last = len(population.chain.entries)
    noted = max((one.sequence for one in population.anchors), default=0)
    if noted >= last:
        return "The last entry is noted outside of the ledger; if entries after it were removed, no gap shows it."
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
