"""When each model version served, what replaced it, and which acceptances no deployment followed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from ml_service.audit.completeness.population import Live
from ml_service.audit.timeline.intervals import Interval
from ml_service.production.candidates.candidate import State
from ml_service.production.candidates.events import move_of
from ml_service.production.chain import deployments
from ml_service.production.chain.entry import Entry
from ml_service.production.ledger import SUCCEEDED


@dataclass(frozen=True)
class Serving:
    """When one version served, the oldest time first. followed: the interval after the last time, if it ended."""

    times: tuple[Interval, ...]
    followed: Interval | None

    @property
    def live(self) -> bool:
        """Whether it serves at the end of the ledger."""
        return not self.times[-1].end


def servings(found: Sequence[Interval]) -> dict[str, Serving]:
    """When each version served, by `name:version`. found: all of time."""
    places: dict[str, list[int]] = {}
    for place, one in enumerate(found):
        if one.served:
            places.setdefault(one.served.opened.after, []).append(place)
    return {model: _serving(found, own) for model, own in places.items()}


def _serving(found: Sequence[Interval], places: Sequence[int]) -> Serving:
    """The serving of one version, which has the intervals at these places."""
    return Serving(tuple(found[place] for place in places), _after(found, places[-1]))


def _after(found: Sequence[Interval], place: int) -> Interval | None:
    """What became true after an interval; deployments in progress are skipped if anything is known after them."""
    rest = found[place + 1 :]
    return next((one for one in rest if one.served or not one.possible), rest[-1] if rest else None)


def may_serve(found: Sequence[Interval], live: Live | None, served: Iterable[str]) -> set[str]:
    """The versions of which it is unknown whether they serve now: after a change by hand, all that ever served."""
    last = found[-1]
    if last.status != "unknown":
        return set()
    possible = {one.opened.after for one in last.possible}
    by_hand = live is not None and live.check == "changed"
    return possible | set(served) if by_hand or not possible else possible


@dataclass(frozen=True)
class Unreleased:
    """An acceptance that no successful deployment followed. last: the last entry about the candidate since."""

    accepted: Entry
    last: Entry


def unreleased(entries: Iterable[Entry], served: Collection[str]) -> list[Unreleased]:
    """Acceptances that no deployment followed before the next acceptance of the same version, the oldest first.

    served: versions that have served; the last acceptance of another one is told with the version itself.
    """
    pending: dict[str, Unreleased] = {}
    found: list[Unreleased] = []
    for entry in entries:
        move = move_of(entry)
        if move is not None and move.state is State.ACCEPTED:
            found += [pending[entry.after]] if entry.after in pending else []
            pending[entry.after] = Unreleased(entry, entry)
        elif move is not None and entry.after in pending:
            pending[entry.after] = replace(pending[entry.after], last=entry)
        elif deployments.state_of(entry) == SUCCEEDED:
            pending.pop(entry.after, None)
    return sorted(
        [*found, *(one for model, one in pending.items() if model in served)], key=lambda one: one.accepted.sequence
    )
