"""The production campaign: verbs that change production are raced, stopped and killed, while a caller asks.

    python -m tests.campaign.production.campaign [--short] [--pairs 50] [--kills 40] [--seed N] [--keep FOLDER]

Guaranteed, and measured: of two verbs that want to change production at once, either one runs after the other, or one
changes it and the other is refused and names the first; a verb that was killed and is repeated once leaves what the
undisturbed one leaves; service, champion, ledger and endpoint agree each time. Exit code 1 when one of
these guarantees is violated.
"""

from __future__ import annotations

import argparse
import random
import secrets
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import closing
from functools import partial
from pathlib import Path

from local_azure.cli import lifecycle
from local_azure.cli.client_environment import client_variables
from local_azure.machine_learning.storage.state import StateFolder
from tests.campaign.figures import Figures
from tests.campaign.guard import run_guarded
from tests.campaign.production.callers import Caller, report_callers
from tests.campaign.production.killed import Killed, report_kills
from tests.campaign.production.pairs import Pairs, report_pairs
from tests.campaign.production.shop import Shop, stocked
from tests.preloading import preloaded
from tests.story.product import Sdk, clean_environment
from tests.story.production import serving

PAIRS, KILLS = 50, 40
SHORT_PAIRS, SHORT_KILLS = 6, 3
STOPPED_EVERY = 5
PROGRESS_EVERY = 10
SHOPS = 3
"""Work at the same time: verbs wait for each other, for leases and for the server."""


class Challenge:
    """Races pairs and kills verbs in one shop, whose service a caller asks meanwhile."""

    def __init__(self, shop: Shop, figures: Figures, chance: random.Random) -> None:
        self.shop = shop
        self.killing = Killed(shop, chance, figures)
        self.racing = Pairs(shop, chance, figures)
        self.callers: list[Caller] = []
        self._figures = figures

    def run(self, pairs: Iterable[int], kills: int, stopped_every: int = STOPPED_EVERY) -> None:
        """Kill each verb so often, then race the pairs with these numbers.

        In this order, because pairs change with which scoring script a version has last served.
        """
        self.killing.measure()
        keys = self.shop.sdk(serving, self.shop.name)["keys"]
        caller = Caller(self.killing.url, keys[0])
        self.callers.append(caller)
        try:
            self.killing.kill_each(kills)
            kills, violated = self.killing.kills.total(), len(self._figures.broken)
            _say(f"{self.shop.name}: {kills} kills, {violated} violated guarantees")
            self.racing.usual_seconds = max(self.killing.durations.values())
            for number in pairs:
                self.racing.race(number, stopping=number % stopped_every == 0)
                if number % PROGRESS_EVERY == 0:
                    _say(f"pair {number}, {len(self._figures.broken)} violated guarantees")
        finally:
            caller.stop()
        if self.shop.sdk(serving, self.shop.name)["keys"] != keys:
            self._figures.broke("the service has other keys than at first")


def report(challenges: Sequence[Challenge], figures: Figures) -> None:
    """The figures of all shops together."""
    report_pairs([one.racing for one in challenges], figures)
    report_kills([one.killing for one in challenges], figures)
    report_callers([caller for one in challenges for caller in one.callers], figures)


def run(folder: Path, figures: Figures, seed: int, pairs: int, kills: int) -> None:
    """Run the campaign on a server of its own: several shops at the same time, because verbs wait much of theirs."""
    begun = time.monotonic()
    (folder / "home").mkdir()
    state, clean = StateFolder(folder / "state"), clean_environment(folder / "home")
    info = lifecycle.start(state)
    try:
        environment = preloaded(state, clean | client_variables(state, info, clean))
        challenges: list[Challenge] = []

        def challenge(number: int) -> None:
            name = f"shop{number}"
            (folder / name).mkdir()
            with closing(Sdk(environment)) as sdk:
                shop = stocked(environment, sdk, folder / name, name)
                figures.add(f"{name} stocked in", f"{time.monotonic() - begun:.0f} s")
                chance = random.Random(f"{seed} {name}")  # noqa: S311 - not for secrets
                challenges.append(Challenge(shop, figures, chance))
                challenges[-1].run(range(number, pairs + 1, SHOPS), len(range(number, kills + 1, SHOPS)))

        try:
            _at_once([partial(challenge, number) for number in range(1, SHOPS + 1)])
        finally:
            report(challenges, figures)
            figures.add("taken", f"{time.monotonic() - begun:.0f} s")
    finally:
        lifecycle.stop(state)


def _at_once(works: Sequence[Callable[[], None]]) -> None:
    """Do several things at the same time; where one fails, the others are left to the end of this process."""
    pool = ThreadPoolExecutor(len(works))
    futures = [pool.submit(work) for work in works]
    pool.shutdown(wait=False)
    for future in wait(futures, return_when=FIRST_EXCEPTION).done:
        future.result()


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main(argv: list[str] | None = None) -> int:
    """Run one campaign; 1 when a guarantee was violated."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--pairs", type=int, help=f"how many pairs of verbs are raced ({PAIRS})")
    parser.add_argument("--kills", type=int, help=f"how often each verb is killed ({KILLS})")
    parser.add_argument("--short", action="store_true", help=f"{SHORT_PAIRS} pairs and {SHORT_KILLS} kills of each")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6), help="of everything that is random")
    parser.add_argument("--keep", type=Path, help="folder to work in, which is kept; default: one that is removed")
    arguments = parser.parse_args(argv)
    pairs, kills = (SHORT_PAIRS, SHORT_KILLS) if arguments.short else (PAIRS, KILLS)
    pairs = pairs if arguments.pairs is None else arguments.pairs
    kills = kills if arguments.kills is None else arguments.kills
    _say(f"seed {arguments.seed}")
    figures = Figures(f"production campaign, seed {arguments.seed}")
    with tempfile.TemporaryDirectory(prefix="campaign-") as temporary:
        folder = (arguments.keep or Path(temporary)).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        try:
            run(folder, figures, arguments.seed, pairs, kills)
        except BaseException as error:
            figures.broke(f"the campaign itself broke off: {type(error).__name__}: {error}")
            traceback.print_exc()
        finally:
            _say(str(figures))
    return 1 if figures.broken else 0


if __name__ == "__main__":
    run_guarded(main)
