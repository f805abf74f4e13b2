"""The events of a deployment: one opens it, one closes it; and the records of an earlier version as such events.

An earlier version kept a deployment in the properties of its run alone, and ordered them by the numbers of the runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from azure_ml.pipelines.runs import Run
from azure_ml.workspace import UNKNOWN
from ml_service.production.chain.entry import ESSENTIAL, NONE, OPENING, Event, utc_now
from ml_service.production.chain.store import Chain
from ml_service.settings.build import REQUESTED_FOR, Build

STARTED, WITHDRAWN = OPENING, "service.withdrawn"
MIGRATED = {"migrated_from": "properties of the run"}
OF_ENTRIES = "champion_if_undone"
"""A property that every run of a deployment has which the ledger has entries of, and no run of an earlier version."""
_KIND = "deployment."

Actor = Mapping[str, str]
"""who, identity, when, build_id and commit of an event."""


def started(subject: str, record: Mapping[str, str], before: str, actor: Actor, **details: Any) -> Event:
    """The start of a deployment. record: the data of its run; before: the serving `name:version`, or `none`."""
    after = f"{record['model_name']}:{record['model_version']}"
    return Event(
        event=STARTED,
        subject=subject,
        what=f"{record['event']} of {after} to service {record['service']} in workspace {record['workspace']}",
        before=before,
        after=after,
        evidence={name: value for name, value in record.items() if name.endswith("_sha256") and value},
        details={"record": dict(record), **details},
        **actor,
    )


def closed(opened: Event, state: str, record_sha256: str, actor: Actor, **details: Any) -> Event:
    """A deployment ends. record_sha256: hash of its release.json; empty where it has none."""
    return Event(
        event=f"{_KIND}{state}",
        subject=opened.subject,
        what=f"{opened.what}: {state}",
        before=opened.before,
        after=opened.after,
        evidence={"record_sha256": record_sha256} if record_sha256 else {},
        details={"state": state, **details},
        **actor,
    )


def withdrawn(opened: Event, actor: Actor) -> Event:
    """The service of a first deployment that never passed its check was deleted."""
    return Event(
        event=WITHDRAWN,
        subject=opened.subject,
        what=f"the service of {opened.what} was deleted",
        before=opened.after,
        after=NONE,
        evidence={},
        details={},
        **actor,
    )


def state_of(event: Event) -> str:
    """How a deployment ended; empty for an event that closes none."""
    return str(event.details.get("state", "")) if event.event.startswith(_KIND) else ""


def told_by(closed: Event) -> Mapping[str, Any]:
    """What the end of a deployment says beside its state; empty where an earlier version wrote it."""
    told = closed.details.get("told")
    return told if isinstance(told, dict) else {}


def migrate(chain: Chain, runs: Iterable[Run], names: frozenset[str]) -> Iterable[Event]:
    """The events of an earlier version's records that the chain does not hold yet, in the order of the runs.

    Once an event of production has been written by this version, the chain is complete. names: the properties that
    make a record; a run without the essential ones was left by a process that died before it changed anything.
    """
    of_production = (entry for entry in chain.entries if entry.changes_production)
    if any("migrated_from" not in entry.details for entry in of_production):
        return
    known = {(entry.subject, entry.event == STARTED) for entry in chain.entries}
    models: dict[str, str] = {}
    for run in sorted(runs, key=lambda run: (run.number, run.created)):
        record = {name: str(value) for name, value in run.properties.items() if name in names}
        if OF_ENTRIES in record or not record.keys() >= ESSENTIAL:
            continue
        before = models.get(record.get("from", NONE), NONE)
        opened = started(run.id, record, before, _actor(run, run.created), **MIGRATED)
        models[run.id] = opened.after
        if (run.id, True) not in known:
            yield opened
        state = run.properties.get("state", "")
        if state and (run.id, False) not in known:
            sha256 = run.properties.get("record_sha256", "")
            yield closed(opened, state, sha256, _actor(run, run.ended), **MIGRATED)


def missing(chain: Chain, runs: Iterable[Run]) -> list[str]:
    """What the chain should tell and does not: the end of a deployment is stored before its run says so."""
    ended = {entry.subject for entry in chain.entries if state_of(entry)}
    return [
        f"ledger/{chain.problem}: no entry tells that deployment {run.id} has ended, and its run says so"
        for run in runs
        if OF_ENTRIES in run.properties and run.properties.get("state") and run.id not in ended
    ]


def actor_of(build: Build) -> Actor:
    """Who writes an entry now. The identity that signed in is recorded by the runs of the build."""
    return {
        "who": build.who,
        "identity": UNKNOWN,
        "when": utc_now(),
        "build_id": build.build_id,
        "commit": build.commit,
    }


def _actor(run: Run, when: str) -> Actor:
    properties = run.properties
    return {
        "who": properties.get(REQUESTED_FOR, UNKNOWN),
        "identity": run.created_by,
        "when": when or UNKNOWN,
        "build_id": properties.get("build_id", UNKNOWN),
        "commit": properties.get("commit", UNKNOWN),
    }
