"""One writer: only the process that holds the lease of a problem changes its production.

The lease is on a blob of the training workspace's default datastore. Before every call to a workspace and every new
entry of the ledger the holder makes sure that nobody else can have it. A process that finds it taken changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress

from azure_ml.errors import ExplainedError
from azure_ml.storage import leases
from azure_ml.storage.blobs import open_blobs
from azure_ml.storage.leases import Lease
from ml_service.errors import ConflictError
from ml_service.production import ledger
from ml_service.production.chain.entry import utc_now
from ml_service.production.deployment import Deployment
from ml_service.production.live import changes, service_facts
from ml_service.production.recording import Recorder
from ml_service.production.site import Site, last_good, settled_service

FOLDER = "leases"


@contextmanager
def writing(site: Site, verb: str) -> Iterator[Recorder]:
    """Hold the lease on the production of the site's problem, and its ledger, tidied up.

    verb: what the holder does, for those who find the lease held.
    Raises: ConflictError where another process holds the lease, or takes it over meanwhile; CheckFailedError where
    the ledger was changed.
    """
    try:
        holder = {
            "verb": verb,
            "who": site.build.who,
            "build_id": site.build.build_id,
            "commit": site.build.commit,
            "since": utc_now(),
        }
        lease = leases.acquire(open_blobs(site.training), path(site.problem), holder, _say(site))
    except leases.LeaseHeldError as held:
        raise _refused(site, held.holder) from held
    calls, others = site.training.calls, site.production.calls
    with lease, calls.demanding(lease.confirm), others.demanding(lease.confirm), explaining_loss(lease, site.problem):
        recorder = Recorder(site)
        _tidy_up(recorder)
        yield recorder


@contextmanager
def explaining_loss(lease: Lease, problem: str) -> Iterator[None]:
    """Raise a ConflictError instead of whatever goes wrong after another process has taken the lease over."""
    try:
        yield
    except Exception as error:
        # A process that was stopped may meet the error of a call on its way before it knows that its lease is lost.
        with suppress(Exception):
            lease.confirm()
        if lease.lost is not None:
            raise _lost(problem, lease.lost.holder) from error
        raise


def path(problem: str) -> str:
    """Name of the blob whose lease is meant."""
    return f"{FOLDER}/{problem}.json"


def _say(site: Site) -> Callable[[Mapping[str, str]], None]:
    return lambda holder: site.terminal.err(
        f"production of {site.problem} is locked by: {_told(holder)}\n"
        f"waiting up to {leases.SECONDS} s to see whether that process is alive"
    )


def _tidy_up(recorder: Recorder) -> None:
    """Wait for a deployment in progress, close what dead processes have left open, finish the runs of what is closed.

    The service stays as it is: what comes next decides what it serves.
    """
    site = recorder.site
    live = settled_service(site)
    here, newest = recorder.here, next(iter(recorder.records), None)
    for record in ledger.unfinished(recorder.records):
        site.terminal.err(f"closing as {ledger.ABANDONED}: {record.line}")
        failed: list[str] = []
        if newest is not None and record.id == newest.id:
            failed = Deployment(site, record, last_good(here)).undo_pointers()
        told = {
            "serves": "unknown",
            "reason": f"its process ended before the deployment did; closed in build {site.build.build_id}",
            "evidence": site.production.tags,
        }
        if failed:
            told["undo"] = "; ".join(failed)
        if live is not None and changes(here, live) == []:  # it died before it touched the service
            told |= service_facts(live)
        recorder.finish(record, ledger.ABANDONED, told)
    for record in recorder.records:
        recorder.end_run(record)


def _refused(site: Site, holder: Mapping[str, str]) -> ExplainedError:
    return ConflictError(
        f"production of the problem {site.problem} is being changed by another process; nothing was changed here",
        found=_told(holder),
        todo="when it has ended, check what serves: python -m ml_service verify; then decide again",
    )


def _lost(problem: str, holder: Mapping[str, str]) -> ExplainedError:
    return ConflictError(
        f"this process has lost the lease on production of the problem {problem}; it stops and undoes nothing",
        found=f"taken over by {_told(holder)}",
        todo="check what serves: python -m ml_service verify; the other process closes the record of this one",
    )


def _told(holder: Mapping[str, str]) -> str:
    """Who holds the lease, as far as it says."""
    if not holder:
        return "an unknown process"
    said = {key: holder.get(key, "unknown") for key in ("verb", "who", "build_id", "since")}
    return f"{said['verb']} by {said['who']}, build {said['build_id']}, since {said['since']}"
