"""Who is killed next, and how: every process of the server, and the verbs that talk to it."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tests.campaign.processes import children, folder_of, kill
from tests.campaign.server import CampaignServer
from tests.campaign.verbs import Verbs

# A service that ends by itself so often within a minute has failed (docs/architecture.md): that is not an accident.
MOST_CRASHES, CRASH_SECONDS = 3, 65.0
WAIT_SECONDS, PAUSE_SECONDS = 5.0, 0.05  # for a process of the kind that is to be killed
SHARES = {
    "server": 20,
    "starting server": 5,
    "parent of steps": 12,
    "parent of services": 10,
    "step": 20,
    "service": 15,
    "verb": 18,
}


class Victims:
    """Kills one process at a time; `killed` counts by kind, `seconds` is what killing took, with the next start."""

    def __init__(self, server: CampaignServer, verbs: Verbs, chance: random.Random) -> None:
        self.killed: Counter[str] = Counter()
        self.seconds: dict[str, list[float]] = {}
        self._server = server
        self._verbs = verbs
        self._chance = chance
        self._crashes: dict[str, list[float]] = {}
        self._ways: dict[str, Callable[[], bool]] = {
            "server": self._kill_server,
            "starting server": self._kill_starting_server,
            "parent of steps": lambda: self._kill_parent(self._server.machine.state.work),
            "parent of services": lambda: self._kill_parent(self._server.machine.state.services),
            "step": self._kill_step,
            "service": self._kill_service,
            "verb": verbs.kill,
        }

    def kill_one(self) -> None:
        """Kill a process of some kind, or of another kind when there is none for some time."""
        kinds = list(SHARES)
        while kinds:
            kind = self._chance.choices(kinds, [SHARES[kind] for kind in kinds])[0]
            begun = time.monotonic()
            if self._killed_within(kind, WAIT_SECONDS):
                self.killed[kind] += 1
                self.seconds.setdefault(kind, []).append(time.monotonic() - begun)
                return
            kinds.remove(kind)

    def _killed_within(self, kind: str, seconds: float) -> bool:
        """After a start nothing else runs for a while: without waiting, mostly servers would be killed."""
        deadline = time.monotonic() + seconds
        while not self._ways[kind]():
            if time.monotonic() > deadline:
                return False
            time.sleep(PAUSE_SECONDS)
        return True

    def _kill_server(self) -> bool:
        self._server.kill()
        self._begin_anew()
        return True

    def _kill_starting_server(self) -> bool:
        self._server.kill()
        self._server.start_to_be_killed(self._chance.uniform(0, 1.5))
        self._begin_anew()
        return True

    def _begin_anew(self) -> None:
        time.sleep(self._chance.uniform(0, 0.3))
        self._server.up()
        self._crashes.clear()

    def _below(self, folder: Path, pid: int) -> bool:
        found = folder_of(pid)
        return found is not None and found.is_relative_to(folder)

    def _kill_parent(self, folder: Path) -> bool:
        parent = self._server.child_with(lambda pid: self._below(folder, pid))
        return parent is not None and self._harm(parent)

    def _harm(self, pid: int) -> bool:
        self._server.last_harm = time.monotonic()
        return kill(pid)

    def _kill_step(self) -> bool:
        steps = self._forked(self._server.machine.state.work)
        return bool(steps) and self._harm(self._chance.choice(steps))

    def _kill_service(self) -> bool:
        arbiters = self._forked(self._server.machine.state.services)
        self._chance.shuffle(arbiters)
        for arbiter in arbiters:
            folder = folder_of(arbiter)
            if folder is not None and self._may_crash(folder.parent.name):
                return self._harm(self._chance.choice([arbiter, *children(arbiter)]))
        return False

    def _forked(self, folder: Path) -> list[int]:
        """The processes that the parent of steps or of services has started."""
        parent = self._server.child_with(lambda pid: self._below(folder, pid))
        return [pid for pid in children(parent) if self._below(folder, pid)] if parent else []

    def _may_crash(self, name: str) -> bool:
        now = time.monotonic()
        recent = [moment for moment in self._crashes.get(name, []) if now - moment < CRASH_SECONDS]
        if len(recent) >= MOST_CRASHES:
            return False
        self._crashes[name] = [*recent, now]
        return True
