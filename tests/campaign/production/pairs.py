"""Two verbs that want to change the same production at once, some of them stopped for longer than their lease."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from azure_ml.storage import leases
from ml_service.production import ledger
from tests.campaign.figures import Figures, counted, slowest
from tests.campaign.production.shop import Shop
from tests.campaign.production.verbs import Ending, Verb

# What is previous differs mostly in its scoring script; `return` moves version, champion and endpoint as well.
MOVES = {
    "release": "release --model-version 2",
    "rollback": "rollback --to previous --reason worse",
    "return": "rollback --to 1 --reason worse",
    "redeploy": "release --model-version champion",
}
STOPPED_SECONDS = (leases.SECONDS + 1.0, leases.SECONDS + 6.0)
"""How long a holder is stopped: by then another verb has its lease, and is at work or has just ended."""
STOPPED_AT = (0.3, 0.9)
"""When a holder is stopped, as parts of the time that an undisturbed verb takes: most of it the lease is held."""
ONE_AFTER_THE_OTHER, ONE_REFUSED = "one after the other", "one changed it, the other was refused"
REFUSED = 4
CHECK_FAILED = 3


@dataclass(frozen=True)
class Pair:
    """How two verbs ended that were begun at nearly the same time."""

    endings: tuple[Ending, Ending]
    was_stopped: frozenset[str] = frozenset()
    """Builds of verbs that were stopped."""


def faults_of(pair: Pair, rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """What of a pair is against the guarantee. rows: all deployments as `history` tells them, the newest first."""
    first, second = pair.endings
    rows = list(rows)
    faults = [*_faults(pair, first, second, rows), *_faults(pair, second, first, rows)]
    if first.code == second.code == REFUSED:
        faults.append(f"both were refused: {first.line}; {second.line}")
    changed = [row for row in rows if row["build_id"] in (first.build, second.build)]
    if [row["state"] for row in changed] == [ledger.SUCCEEDED] * 2 and changed[0]["from"] != changed[1]["deployment"]:
        faults.append(f"deployment {changed[0]['deployment']} does not follow {changed[1]['deployment']}")
    return faults


def _faults(pair: Pair, mine: Ending, other: Ending, rows: list[Mapping[str, Any]]) -> list[str]:
    states = [row["state"] for row in rows if row["build_id"] == mine.build]
    if mine.code == 0:
        is_kept = states in ([], [ledger.SUCCEEDED]) and (states != [] or _did_nothing(mine))
        return [] if is_kept else [f"{mine.line}, and its deployments are {states}"]
    if mine.code == CHECK_FAILED and "was itself rolled back; nothing was changed" in mine.said and not states:
        return []
    if mine.code != REFUSED:
        return [mine.line]
    faults = []
    if f"build {other.build}," not in mine.said.rpartition("error: ")[2]:
        faults.append(f"does not name the winner, build {other.build}: {mine.line}")
    if states and not (mine.build in pair.was_stopped and states == [ledger.ABANDONED]):
        faults.append(f"was refused, and its deployments are {states}: {mine.line}")
    return faults


def _did_nothing(ending: Ending) -> bool:
    """Whether a verb says that nothing was to be done."""
    document = ending.document
    return bool(document["already"]) if "already" in document else not document["deployment"]


@dataclass
class Pairs:
    """Races pairs and keeps count."""

    shop: Shop
    chance: random.Random
    figures: Figures
    usual_seconds: float = 0.0
    """How long an undisturbed verb takes on this machine."""
    kinds: Counter[str] = field(default_factory=Counter)
    moves: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    stopped: Counter[str] = field(default_factory=Counter)

    def race(self, number: int, *, stopping: bool) -> None:
        """Race one pair and judge it. stopping: the first verb is stopped for longer than its lease."""
        begun = time.monotonic()
        names = self.chance.choices(list(MOVES), k=2)
        pair = self._stopped_pair(number, names) if stopping else self._pair(number, names)
        try:
            self.shop.look()
        except AssertionError as error:
            told = "; ".join(ending.line for ending in pair.endings)
            self.figures.broke(f"pair {number} ({' and '.join(names)}): {error} after {told}")
            return
        for fault in faults_of(pair, self.shop.releases):
            self.figures.broke(f"pair {number} ({' and '.join(names)}): {fault}")
        self._count(pair, names, begun)

    def _count(self, pair: Pair, names: list[str], begun: float) -> None:
        codes = [ending.code for ending in pair.endings]
        kind = ONE_REFUSED if REFUSED in codes else ONE_AFTER_THE_OTHER
        self.kinds[kind] += 1
        self.moves[" and ".join(sorted(names))] += 1
        self.seconds.append(time.monotonic() - begun)
        for build in pair.was_stopped:
            states = [row["state"] for row in self.shop.releases if row["build_id"] == build]
            code = next(ending.code for ending in pair.endings if ending.build == build)
            self.stopped[f"exit {code}, {states[0] if states else 'no'} deployment"] += 1

    def _begin(self, number: int, place: int, name: str) -> Verb:
        product = self.chance.choice((self.shop.product, self.shop.other))
        return Verb(product, MOVES[name], f"pair{number}-{place}", self.shop.folder)

    def _pair(self, number: int, names: list[str]) -> Pair:
        first = self._begin(number, 1, names[0])
        # Half of them begin at nearly the same moment, half while the first is at work or has ended.
        time.sleep(self.chance.choice((0.0, self.chance.uniform(0, self.usual_seconds))))
        second = self._begin(number, 2, names[1])
        return Pair((first.wait(), second.wait()))

    def _stopped_pair(self, number: int, names: list[str]) -> Pair:
        first = self._begin(number, 1, names[0])
        time.sleep(self.chance.uniform(*STOPPED_AT) * self.usual_seconds)
        stopped = frozenset([first.build]) if first.stop() else frozenset()
        since = time.monotonic()
        second = self._begin(number, 2, names[1])
        try:
            time.sleep(max(0.0, since + self.chance.uniform(*STOPPED_SECONDS) - time.monotonic()))
        finally:
            first.go_on()
        return Pair((first.wait(), second.wait()), stopped)


def report_pairs(parts: Sequence[Pairs], figures: Figures) -> None:
    """How the pairs of all shops ended."""
    kinds = sum((part.kinds for part in parts), Counter[str]())
    stopped = sum((part.stopped for part in parts), Counter[str]())
    figures.add("pairs", f"{kinds.total()}: {counted(kinds)}")
    figures.add("pairs by verbs", counted(sum((part.moves for part in parts), Counter[str]())))
    figures.add("stopped for longer than the lease", f"{stopped.total()}: {counted(stopped)}")
    figures.add("seconds of a pair", slowest(seconds for part in parts for seconds in part.seconds))
