"""The kill campaign: processes of the server, of steps, of services and of verbs are killed while clients write.

    python -m tests.campaign.kills [--short] [--kills 200] [--seconds 420] [--seed N] [--keep FOLDER]

Every kill is a kill -9 at a random moment. Guaranteed, and measured: nothing that was acknowledged is lost, every
start of the server succeeds, every service that was healthy answers again with its key, no run is left open or fails
without a reason, every verb comes to its end when it is begun again, and no process is left. Exit code 1 when one of
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
from collections.abc import Callable
from pathlib import Path

from tests.campaign.clients import REST_NAME, Clients, prepared
from tests.campaign.figures import Figures, counted, slowest
from tests.campaign.guard import run_guarded
from tests.campaign.processes import Started
from tests.campaign.readback import ReadBack, all_runs, run_faults
from tests.campaign.server import BrokenOffError, CampaignServer
from tests.campaign.services import Watch, Watched, fault_of
from tests.campaign.verbs import Verbs
from tests.campaign.victims import Victims

KILLS, SECONDS = 200, 420.0
SHORT_KILLS, SHORT_SECONDS = 30, 60.0
SERVICES = ["first", "second", "third"]
CHECKPOINT_KILLS = 50
LEAST_PAUSE_SECONDS = 0.3
END_SECONDS = 90.0  # for runs after the last kill
VERBS_SECONDS = 240.0
# A campaign that takes so much longer than it was given says so and stops; a minute more for a busy machine.
LATE, SPARE_SECONDS = 1.5, 60.0


class Campaign:
    """One campaign in one folder."""

    def __init__(self, folder: Path, kills: int, seconds: float, seed: int) -> None:
        self.figures = Figures(f"kill campaign, seed {seed}")
        self.started = Started()
        self._kills, self._seconds = kills, seconds
        self._chance = random.Random(seed)  # noqa: S311 - not for secrets
        self._server = CampaignServer(folder, self.started, self.figures)
        self._folder = folder
        self._seed = seed

    def run(self) -> None:
        """Prepare, kill, let everything settle, look."""
        begun = time.monotonic()
        self._server.up()
        facts = prepared(self._server, self.started, SERVICES)
        watch = Watch(self._server, [Watched(**service) for service in facts["services"]])
        verbs = Verbs(self._server, self.started, self._folder)
        clients = Clients(self._server, self.started, facts["pipeline"], self._seed)
        self.figures.add("prepared in", f"{time.monotonic() - begun:.0f} s")
        verbs.start()
        reading = ReadBack(self._server, self.started, clients.journals)
        victims = Victims(self._server, verbs, self._chance)
        self._kill(victims, reading, watch)
        self.figures.add("last kill after", f"{time.monotonic() - begun:.0f} s")
        for fault in clients.stop():
            self.figures.broke(fault)
        verbs.finish(VERBS_SECONDS)
        self._look(victims, reading, watch, verbs)
        self.figures.add("lives of the SDK's client", clients.sdk_lives)
        self.figures.add("taken", f"{time.monotonic() - begun:.0f} s")

    def _kill(self, victims: Victims, reading: ReadBack, watch: Watch) -> None:
        begun, most = time.monotonic(), self._seconds * LATE + SPARE_SECONDS
        moments = sorted(self._chance.uniform(0, self._seconds) for _ in range(self._kills))
        for number, moment in enumerate(moments, 1):
            time.sleep(max(LEAST_PAUSE_SECONDS, begun + moment - time.monotonic()))
            if time.monotonic() - begun > most:
                self.figures.broke(f"{number - 1} of {self._kills} kills in {most:.0f} s")
                return
            victims.kill_one()
            self.started.reap_others()
            if number % CHECKPOINT_KILLS == 0 and number < self._kills:
                sys.stdout.write(f"{number} kills: {counted(victims.killed)}; {counted(reading.acknowledged())}\n")
                sys.stdout.flush()
                reading.by_rest()
                self._away(watch)

    def _away(self, watch: Watch) -> None:
        for name in watch.settled():
            self.figures.broke(f"service {name} did not come back")

    def _look(self, victims: Victims, reading: ReadBack, watch: Watch, verbs: Verbs) -> None:
        """Everything that is guaranteed, in the quiet after the last kill."""
        figures, server = self.figures, self._server
        self._away(watch)
        watch.stop()
        reading.by_sdk()
        runs = self._ended_runs()
        reading.by_rest(again=True)
        if not verbs.broken and verbs.has_released:
            self._expect(verbs.verify)
        self._services_of_all()
        server.down()
        self.started.reap_others()
        left = [*server.left, *self.started.end()]
        figures.add("kills", f"{victims.killed.total()}: {counted(victims.killed)}")
        for kind, seconds in sorted(victims.seconds.items()):
            figures.add(f"seconds of a kill: {kind}", f"{sum(seconds):.0f} s in all, slowest {slowest(seconds)}")
        figures.add("starts", f"{len(server.starts)}, slowest {slowest(server.starts)}")
        figures.add("starts cut off", server.cut_starts)
        acknowledged = reading.acknowledged()
        figures.add("acknowledged writes", f"{acknowledged.total()}: {counted(acknowledged)}")
        figures.add("acknowledged writes lost", len(reading.lost))
        for lost in reading.lost[:10]:
            figures.broke(f"lost: {lost}")
        watch.report(figures)
        figures.add("runs", runs)
        verbs.report(figures)
        figures.add("processes left", len(left))
        for process in left[:10]:
            figures.broke(f"process left: {process}")

    def _expect(self, check: Callable[[], str]) -> None:
        fault = check()
        if fault:
            self.figures.broke(fault)

    def _ended_runs(self) -> str:
        """Wait until no run goes on; how the runs ended."""
        deadline = time.monotonic() + END_SECONDS
        faults = ["?"]
        while faults and time.monotonic() < deadline:
            runs = all_runs(self._server.machine)
            faults = run_faults(runs, made_by_clients=REST_NAME)
            time.sleep(1 if faults else 0)
        for fault in faults[:10]:
            self.figures.broke(fault)
        statuses = [run["status"] for run in runs if not run["runId"].startswith(REST_NAME)]
        return f"{len(statuses)}: {counted({status: statuses.count(status) for status in statuses})}"

    def _services_of_all(self) -> None:
        """Also the services that verbs have deployed must be healthy and answer."""
        for workspace in ("local-development", "local-production"):
            for service in self._server.services(workspace):
                fault = fault_of(service)
                if fault:
                    self.figures.broke(f"service {service['name']} of {workspace} {fault}")


def main(argv: list[str] | None = None) -> int:
    """Run one campaign; 1 when a guarantee was violated."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kills", type=int, help=f"how many processes are killed ({KILLS})")
    parser.add_argument("--seconds", type=float, help=f"in how many seconds ({SECONDS:.0f})")
    parser.add_argument("--short", action="store_true", help=f"{SHORT_KILLS} kills in {SHORT_SECONDS:.0f} s")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6), help="of everything that is random")
    parser.add_argument("--keep", type=Path, help="folder to work in, which is kept; default: one that is removed")
    arguments = parser.parse_args(argv)
    kills, seconds = (SHORT_KILLS, SHORT_SECONDS) if arguments.short else (KILLS, SECONDS)
    sys.stdout.write(f"seed {arguments.seed}\n")
    sys.stdout.flush()
    with tempfile.TemporaryDirectory(prefix="campaign-") as temporary:
        folder = (arguments.keep or Path(temporary)).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        campaign = Campaign(folder, arguments.kills or kills, arguments.seconds or seconds, arguments.seed)
        try:
            campaign.run()
        except BrokenOffError as guarantee:
            campaign.figures.broke(str(guarantee))
        except BaseException as error:
            campaign.figures.broke(f"the campaign itself broke off: {type(error).__name__}: {error}")
            traceback.print_exc()
        finally:
            campaign.started.end()
            sys.stdout.write(f"{campaign.figures}\n")
            sys.stdout.flush()
    return 1 if campaign.figures.broken else 0


if __name__ == "__main__":
    run_guarded(main)
