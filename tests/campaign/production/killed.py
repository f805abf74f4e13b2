"""Verbs that are killed at a random moment and repeated once."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from tests.campaign.figures import Figures, counted, slowest
from tests.campaign.production.shop import Shop
from tests.campaign.production.verbs import Ending, Verb
from tests.story.production import Agreed, break_lease

MOVES = {"rollback": "rollback --to 1 --reason worse", "release": "release --model-version 2"}
"""In turn: each undoes what the one before has done."""
WAITS_FOR_LEASE_EVERY = 8
MOST_MISSES = 3
"""How many verbs may end before their kill, for each that is killed."""


def free_lease(workspace: Any, problem: str) -> None:
    """End the lease of a killed process, where it held one: most repeats do not wait until it expires."""
    from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError

    with suppress(ResourceExistsError, ResourceNotFoundError):
        break_lease(workspace, problem)


@dataclass
class Killed:
    """Kills verbs and keeps count."""

    shop: Shop
    chance: random.Random
    figures: Figures
    expected: dict[str, Agreed] = field(default_factory=dict)
    """What everybody agrees on after the undisturbed verb; id of the deployment aside."""
    durations: dict[str, float] = field(default_factory=dict)
    url: str = ""
    """Address of the service."""
    kills: Counter[str] = field(default_factory=Counter)
    missed: int = 0
    phases: Counter[str] = field(default_factory=Counter)
    repeats: list[float] = field(default_factory=list)
    _begun: int = 0

    def measure(self) -> None:
        """Run each verb undisturbed: how long it takes and what it leaves."""
        self.url = str(self._run("release").document["url"])
        for name in MOVES:
            self.durations[name] = self._run(name).seconds
            self.expected[name] = self.shop.look()

    def kill_each(self, times: int) -> None:
        """Kill every verb that often; one that has been is run undisturbed, to give the other its turn."""
        while any(self.kills[name] < times for name in MOVES):
            if self.missed > times * len(MOVES) * MOST_MISSES:
                self.figures.broke(f"the campaign itself: {self.missed} verbs ended before their kill")
                return
            for name in MOVES:
                if self.kills[name] < times:
                    self._kill(name)
                else:
                    self._run(name)

    def _kill(self, name: str) -> None:
        verb = self._begin(name)
        if verb.ends_within(self.chance.uniform(0, self.durations[name])) or not verb.kill():
            self._ended_before(name, verb.wait())
            return
        verb.wait()
        self.kills[name] += 1
        if self.kills.total() % WAITS_FOR_LEASE_EVERY:
            self.shop.sdk(free_lease, self.shop.name.replace("-", "_"))
        again = self._run(name)
        self.repeats.append(again.seconds)
        self.phases[_phase(again)] += 1
        self._compare(f"{verb.build} ({name}), killed and repeated", name)

    def _ended_before(self, name: str, ending: Ending) -> None:
        self.missed += 1
        self.durations[name] = ending.seconds  # the machine is quicker than it was: kill the next one earlier
        if ending.code != 0:
            self.figures.broke(ending.line)
            self._run(name)

    def _compare(self, what: str, name: str) -> None:
        try:
            found, expected = self.shop.look(), self.expected[name]
        except AssertionError as error:
            self.figures.broke(f"{what}: {error}")
            return
        if {**vars(found), "deployment": ""} != {**vars(expected), "deployment": ""}:
            self.figures.broke(f"{what}: left {found}, undisturbed {expected}")

    def _begin(self, name: str) -> Verb:
        self._begun += 1
        return Verb(self.shop.product, MOVES[name], f"kill{self._begun}", self.shop.folder)

    def _run(self, name: str) -> Ending:
        ending = self._begin(name).wait()
        if ending.code != 0:
            self.figures.broke(ending.line)
        return ending


def report_kills(parts: Sequence[Killed], figures: Figures) -> None:
    """How many verbs of all shops were killed, and when."""
    kills = sum((part.kills for part in parts), Counter[str]())
    figures.add("kills", f"{kills.total()}: {counted(kills)}")
    figures.add("killed when", counted(sum((part.phases for part in parts), Counter[str]())))
    figures.add("ended before their kill", sum(part.missed for part in parts))
    for name in MOVES:
        undisturbed = slowest(part.durations[name] for part in parts if name in part.durations)
        figures.add(f"undisturbed {name}", undisturbed)
    figures.add("seconds of a repeated verb", slowest(seconds for part in parts for seconds in part.repeats))


def _phase(again: Ending) -> str:
    """How far the killed verb had come, by what the repeated one met."""
    if "closing as abandoned" in again.said:
        return "its record was open"
    did_nothing = again.document.get("already") or not again.document.get("deployment")
    return "its deployment had ended" if did_nothing else "nothing was recorded yet"
