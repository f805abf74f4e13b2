"""Write to the ledger: open a deployment, close it, and tidy up what a dead process has left.

The entry comes first and decides; release.json and the properties of the run follow from it, and are made again by
the next writing verb where the process died in between.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from azure_ml.pipelines.runs import ENDED, end_record, one_word, start_record
from azure_ml.sdk_errors import message_of
from azure_ml.storage.blobs import Blobs, open_blobs
from azure_ml.workspace import UNKNOWN
from ml_service.production import ledger
from ml_service.production.chain import deployments, store
from ml_service.production.chain.entry import Entry, Event, utc_now
from ml_service.production.ledger import Content, Record
from ml_service.production.site import Site
from ml_service.training.snapshots import SCORING_ENVIRONMENT, SCORING_FOLDER, Scoring

ANCHOR = "ledger_entry"
"""Property of the run of a deployment: `sequence:sha256` of the entry that closed it; written once."""
_LONGEST_TEXT = 8000
"""Characters of a reason; a service's log may be part of it."""
_LONGEST_FAILURE = 1000


class Recorder:
    """The ledger of a problem, for the only process that may extend it."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self._blobs: Blobs = open_blobs(site.training)
        self._chain, self._runs = ledger.read_stored(self._blobs, site.training, site.settings, site.problem)
        self._identity = UNKNOWN
        self._chain.demand_whole()
        for event in deployments.migrate(self._chain, self._runs, ledger.NAMES):
            self.append(event)

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Every entry of the ledger, the oldest first."""
        return self._chain.entries

    @property
    def records(self) -> tuple[Record, ...]:
        """Every deployment of the problem, the newest first."""
        return ledger.records_of(self._chain, self._runs, self.site.training)

    @property
    def here(self) -> tuple[Record, ...]:
        """The deployments of the service that the settings name."""
        return ledger.of_service(self.records, self.site.production.name, self.site.settings.production_service_name)

    def append(self, event: Event) -> Entry:
        """Store an event as the next entry.

        Raises: ConflictError when another process has changed production, UncertainError if it is unknown whether
        it is stored; else whatever the storage raises, and it is not stored.
        """
        self._chain = store.append_beside_others(self._blobs, self._chain, event)
        return self._chain.entries[-1]

    def begin(self, facts: Mapping[str, str], before: str, content: Content, scoring: Scoring) -> Record:
        """Open a record before anything changes, with all that undoing it or a later rollback needs.

        facts: as `build_facts`; before: `name:version` that serves, or `none`.
        """
        properties = {**facts, **asdict(content)}
        run = start_record(
            self.site.training,
            ledger.experiment_name(self.site.settings),
            f"{facts['event']} {content.model}",
            properties=properties,
            tags={"event": facts["event"], "model_version": content.model_version},
            files={SCORING_FOLDER: scoring.folder, SCORING_ENVIRONMENT: scoring.environment},
        )
        self._identity = run.created_by
        entry = self.append(deployments.started(run.id, properties, before, self.actor()))
        self._runs = (*self._runs, run)
        return Record(entry, None, run)

    def finish(self, record: Record, state: str, told: Mapping[str, Any]) -> None:
        """Close a record: the entry, then its run. Raises: as `append`; what fails of the run is only said."""
        told = {key: value[:_LONGEST_TEXT] if isinstance(value, str) else value for key, value in told.items()}
        actor = self.actor()
        sha256 = hashlib.sha256(_document(record.opened, state, actor["when"], told)).hexdigest()
        entry = self.append(deployments.closed(record.opened, state, sha256, actor, told=told))
        self.end_run(Record(record.opened, entry, record.run))

    def end_run(self, record: Record) -> None:
        """Give the run of a closed record what its entries say; does nothing where it has that already."""
        closed, run = record.closed, record.run
        if closed is None or run is None or "told" not in closed.details or one_word(run.status) in ENDED:
            return
        told = record.told
        failure = "" if record.state == ledger.SUCCEEDED else str(told.get("reason", record.state))
        try:
            with tempfile.TemporaryDirectory(prefix="ml_service_") as scratch:
                path = Path(scratch) / ledger.RECORD_FILE
                path.write_bytes(_document(record.opened, record.state, closed.when, told))
                properties = {
                    "state": record.state,
                    "record_sha256": record.record_sha256,
                    ANCHOR: f"{closed.sequence}:{closed.sha256}",
                }
                tags = {"state": record.state}
                end_record(run, path, properties=properties, tags=tags, failure=failure[:_LONGEST_FAILURE])
        except Exception as error:
            self.site.terminal.err(
                f"warning: the ledger has the end of deployment {record.id}, but its run could not be closed: "
                f"{message_of(error)}\n  the next release or rollback closes it"
            )

    def actor(self) -> dict[str, str]:
        """Who acts, as which identity, when, and for which build."""
        build = self.site.build
        return {
            "who": build.who,
            "identity": self._identity,
            "when": utc_now(),
            "build_id": build.build_id,
            "commit": build.commit,
        }


def build_facts(event: str, site: Site, before: str) -> dict[str, str]:
    """Who deploys where for whom, and the id of what served until then."""
    return {
        "event": event,
        "from": before,
        "build_id": site.build.build_id,
        "commit": site.build.commit,
        "workspace": site.production.name,
        "service": site.settings.production_service_name,
        **({"take_over": site.take_over} if site.take_over else {}),
        **({ledger.ASKED_BECAUSE: site.reason} if site.reason else {}),
        **site.build.person,
    }


def _document(opened: Entry, state: str, ended: str, told: Mapping[str, Any]) -> bytes:
    """release.json, derived from the entries with the same bytes in every process."""
    document = {
        "schema_version": ledger.SCHEMA_VERSION,
        "deployment": opened.subject,
        **opened.details["record"],
        "state": state,
        "started": opened.when,
        "ended": ended,
        **told,
    }
    return (json.dumps(document, indent=2, sort_keys=True) + "\n").encode()
