"""The production campaign: verbs that change production are raced, stopped and killed, while a caller asks.

    python -m tests.campaign.production.campaign [--short] [--pairs 50] [--kills 40] [--seed N] [--keep FOLDER]

Promised, and measured: of two verbs that want to change production at once, either one runs after the other, or one
changes it and the other is refused and names the first; a verb that was killed and is repeated once leaves what the
undisturbed one leaves; service, champion, ledger and endpoint agree each time. Exit code 1 when a promise is broken.
"""

from __future__ import annotations

import argparse
import random
import secrets
import sys
import tempfile
import time
import traceback
from pathlib import Path

from local_azure.cli import lifecycle
from local_azure.cli.client_environment import client_variables
from local_azure.machine_learning.storage.state import StateFolder
from tests.campaign.figures import Figures
from tests.campaign.guard import run_guarded
from tests.campaign.production.callers import Caller
from tests.campaign.production.killed import Killed
from tests.campaign.production.pairs import Pairs
from tests.campaign.production.shop import Shop, stocked
from tests.preloading import preloaded
from tests.story.product import Sdk, clean_environment
from tests.story.test_release_and_rollback import serving

PAIRS, KILLS = 50, 40
SHORT_PAIRS, SHORT_KILLS = 6, 3
STOPPED_EVERY = 5
PROGRESS_EVERY = 10


def challenge(
    shop: Shop, figures: Figures, chance: random.Random, *, pairs: int, kills: int, stopped_every: int = STOPPED_EVERY
) -> None:
    """Race pairs, kill verbs, and report both. kills: of each verb."""
    killing = Killed(shop, chance, figures)
    killing.measure()
    racing = Pairs(shop, chance, figures, max(killing.durations.values()))
    keys = shop.sdk(serving, shop.name)["keys"]
    caller = Caller(killing.url, keys[0])
    try:
        for number in range(1, pairs + 1):
            racing.race(number, stopping=number % stopped_every == 0)
            if number % PROGRESS_EVERY == 0:
                _say(f"{number} pairs, {len(figures.broken)} broken promises")
        killing.kill_each(kills)
    finally:
        caller.stop()
        racing.report()
        killing.report()
        caller.report(figures)
    if shop.sdk(serving, shop.name)["keys"] != keys:
        figures.broke("the service has other keys than at first")


def run(folder: Path, figures: Figures, seed: int, pairs: int, kills: int) -> None:
    """Run the campaign on a server of its own."""
    begun = time.monotonic()
    (folder / "home").mkdir()
    state, clean = StateFolder(folder / "state"), clean_environment(folder / "home")
    info = lifecycle.start(state)
    sdk = None
    try:
        environment = preloaded(state, clean | client_variables(state, info, clean))
        sdk = Sdk(environment)
        shop = stocked(environment, sdk, folder)
        figures.add("prepared in", f"{time.monotonic() - begun:.0f} s")
        chance = random.Random(seed)  # noqa: S311 - not for secrets
        challenge(shop, figures, chance, pairs=pairs, kills=kills)
        figures.add("taken", f"{time.monotonic() - begun:.0f} s")
    finally:
        if sdk is not None:
            sdk.close()
        lifecycle.stop(state)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main(argv: list[str] | None = None) -> int:
    """Run one campaign; 1 when a promise was broken."""
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
