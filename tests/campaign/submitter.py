"""Keeps a few pipeline runs going until it is told to stop: `submitter.py STATE STOP JOURNAL PIPELINE_ID SEED`."""

import random
import sys
import time
from pathlib import Path

from tests.campaign.journal import Journal
from tests.campaign.rest_client import EXPERIMENT, Client, LostError
from tests.faults.fault_server import scope

AT_ONCE = 3
MOST_SECONDS = 4.0
PAUSE_SECONDS = 0.3
ENDED = ("2", "3", "4")


def still_open(client: Client, runs: list[str]) -> list[str]:
    """Those of some runs that have not ended."""
    base = f"/pipelines/v1.0{scope()}/PipelineRuns"
    return [run for run in runs if client.post(f"{base}/{run}", method="GET")["Status"]["StatusCode"] not in ENDED]


def main(state: str, stop: str, journal_path: str, pipeline: str, seed: str) -> None:
    """Submit whenever there is room."""
    client, journal, moments = Client(Path(state)), Journal(Path(journal_path)), random.Random(int(seed))  # noqa: S311
    address = f"/pipelines/v1.0{scope()}/PipelineRuns/PipelineSubmit/{pipeline}"
    runs: list[str] = []
    client.connect()
    while not Path(stop).exists():
        try:
            runs = still_open(client, runs)
            if len(runs) < AT_ONCE:
                seconds = f"{moments.uniform(0.2, MOST_SECONDS):.2f}"
                body = {"ExperimentName": EXPERIMENT, "ParameterAssignments": {"seconds": seconds}}
                run = str(client.post(address, body)["Id"])
                journal.note("submission", run=run)
                runs.append(run)
        except LostError:
            client.connect()
        time.sleep(PAUSE_SECONDS)


if __name__ == "__main__":
    main(*sys.argv[1:])
