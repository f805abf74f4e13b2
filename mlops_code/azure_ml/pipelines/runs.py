"""Runs in run history: list, read, start by hand, follow."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from azure_ml.downloads import MAX_FILE_BYTES, MAX_LOG_BYTES, read_capped, read_end
from azure_ml.sdk_errors import http_status, none_if_absent
from azure_ml.workspace import Workspace, creator_of

if TYPE_CHECKING:
    import requests

_USER_LOGS = ("std_log", "70_driver_log", "driver_log", "azureml-logs/", "user_logs/")
"""Parts of names of a step's logs, the user's own output first: std_log is the newer runtime's, 70_driver_log the
older one's."""


_RUN_FILES = "ExperimentRun"
_READ_SECONDS = (10, 60)  # to connect, between two pieces
_NOT_FOUND = 404

_RUN_HISTORY_SAYS = {"Completed": "Finished"}
"""Run history and the pipeline service have two words for one state."""


class RunStatus(StrEnum):
    """The states in which a run or a step has ended; the service has more, which are only shown."""

    FINISHED = "Finished"
    FAILED = "Failed"
    CANCELED = "Canceled"


ENDED = frozenset(RunStatus)


def one_word(status: str) -> str:
    """The state as the pipeline service says it; for an ended run, one of RunStatus."""
    return _RUN_HISTORY_SAYS.get(status, status)


@dataclass(frozen=True)
class StepState:
    """One step of a run at one moment."""

    name: str
    status: str
    seconds: float | None
    """Wall time so far; None before it starts. Of a reused step: the time the service needed to reuse it."""
    reused: bool
    run_id: str


@dataclass(frozen=True)
class Run:
    """A run. The properties here are those with which it was read; methods ask the service."""

    sdk: Any

    @property
    def id(self) -> str:
        """Id of the run."""
        return str(self.sdk.id)

    @property
    def experiment(self) -> str:
        """Name of its experiment."""
        return str(self.sdk.experiment.name)

    @property
    def portal(self) -> str:
        """Its page in the studio."""
        return str(self.sdk.get_portal_url())

    @property
    def status(self) -> str:
        """Its state in run history's words."""
        return str(self.sdk.status)

    @property
    def properties(self) -> Mapping[str, str]:
        """Its properties, which are written once each."""
        found: Mapping[str, str] = self.sdk.properties
        return found

    @property
    def created(self) -> str:
        """When it was created. Not public in the SDK; the document that the run came from has it."""
        return str(self.sdk._run_dto.get("created_utc") or "")

    @property
    def number(self) -> int:
        """Its place in its experiment, which rises whatever the clock does; the property of the SDK warns."""
        return int(self.sdk._run_dto.get("run_number") or 0)

    @property
    def ended(self) -> str:
        """When it ended; empty while it has not."""
        return str(self.sdk._run_dto.get("end_time_utc") or "")

    @property
    def created_by(self) -> str:
        """The identity that signed in to create it, of a build agent its service connection."""
        return creator_of(self.sdk._run_dto.get("created_by"))

    def read_status(self) -> str:
        """Its state now, in the pipeline service's words."""
        return one_word(str(self.sdk.get_status()))

    def read_properties(self) -> Mapping[str, str]:
        """Its properties now."""
        found: Mapping[str, str] = self.sdk.get_properties()
        return found

    def add_properties(self, properties: Mapping[str, str]) -> None:
        """Write properties, which nobody can change afterwards."""
        self.sdk.add_properties(dict(properties))

    def cancel(self) -> None:
        """Ask for its end."""
        self.sdk.cancel()

    def read_steps(self) -> tuple[StepState, ...]:
        """The steps that have begun, in the order in which they were created; one call to the service.

        The SDK's public `get_children` would make a Run with clients of its own for every step at every poll, and
        keep them all for the life of the process; hence its lower call (azureml/_run_impl/run_history_facade.py).
        """
        documents = list(self.sdk._client.get_descendants(root_run_id=self.id, recursive=False))
        documents.sort(key=lambda document: (document.run_number or 0, str(document.created_utc)))
        return tuple(_step_state(document) for document in documents)

    def files(self) -> set[str]:
        """Names of its files."""
        return set(self.sdk.get_file_names())

    def read_file(self, name: str) -> bytes | None:
        """The content of one of its files; None when it has no such file. Raises: AzureMlError above a cap."""
        what = f"the file {name} of run {self.id}"
        return self._read(name, lambda answer: read_capped(answer, MAX_FILE_BYTES, what))

    def read_end(self, name: str) -> bytes | None:
        """The end of one of its files, as much as a log may have; None when it has no such file."""
        what = f"the file {name} of run {self.id}"
        return self._read(name, lambda answer: read_end(answer, MAX_LOG_BYTES, what))

    def _read(self, name: str, read: Callable[[requests.Response], bytes]) -> bytes | None:
        """Read a file as a stream: the SDK's `download_file` holds all of it in memory, however large it is.

        Its address comes from the call that the SDK itself makes (azureml/_restclient/artifacts_client.py).
        """
        from msrest.exceptions import HttpOperationError

        artifacts = self.sdk._client.artifacts
        try:
            address = artifacts.get_file_uri(_RUN_FILES, self.sdk._container, name)
        except HttpOperationError as error:
            if http_status(error) != _NOT_FOUND:
                raise
            return None
        with artifacts.session.get(address, stream=True, timeout=_READ_SECONDS) as answer:
            answer.raise_for_status()
            return read(answer)

    def download_folder(self, prefix: str, target: Path) -> None:
        """Download its files below `prefix/`, under their own names below a folder."""
        self.sdk.download_files(prefix=f"{prefix}/", output_directory=str(target))

    def read_step_log(self, step: StepState) -> str:
        """A step's own output; empty when it wrote none."""
        from azureml.core import Run as SdkRun

        child = SdkRun(self.sdk.experiment, step.run_id)
        names = sorted(child.get_details()["logFiles"], key=_log_preference)
        content = Run(child).read_end(names[0]) if names else None
        return (content or b"").decode("utf-8", errors="replace")


def _log_preference(name: str) -> tuple[int, str]:
    ranks = (rank for rank, part in enumerate(_USER_LOGS) if part in name)
    return next(ranks, len(_USER_LOGS)), name


def _step_state(document: Any) -> StepState:
    """A step of the SDK's own document. Its time runs on until it ends."""
    begun, ended = document.start_time_utc, document.end_time_utc
    seconds = None
    if begun is not None:
        seconds = round(max(0.0, ((ended or datetime.now(UTC)) - begun).total_seconds()), 3)
    properties = document.properties or {}
    return StepState(
        name=document.name or document.run_id,
        status=one_word(document.status),
        seconds=seconds,
        reused=str(properties.get("azureml.isreused", "")).lower() == "true" or "azureml.reusedrunid" in properties,
        run_id=document.run_id,
    )


def find_run(workspace: Workspace, run_id: str) -> Run | None:
    """The run of that id; None when there is none."""
    from azureml.core import Run as SdkRun

    return none_if_absent(lambda: Run(SdkRun.get(workspace.sdk, run_id)))


def find_pipeline_run(workspace: Workspace, run_id: str) -> Run | None:
    """The run of a pipeline of that id; None when there is none."""
    from azureml.pipeline.core import PipelineRun

    return none_if_absent(lambda: Run(PipelineRun.get(workspace.sdk, run_id)))


def list_runs(workspace: Workspace, experiment: str, most: int | None = None) -> Iterator[Run]:
    """The runs of an experiment, the newest first; none when there is no such experiment.

    Ordered by their numbers: the service goes by time, and a clock may go back. Of `most` runs it chooses itself.
    """
    from azureml.core import Experiment
    from azureml.core import Run as SdkRun

    if experiment not in workspace.sdk.experiments:
        return
    # Plain run objects: building a PipelineRun would ask the service once more for each.
    found = SdkRun.list(Experiment(workspace.sdk, experiment), include_children=False, _rehydrate_runs=False)
    yield from newest_first(Run(sdk) for sdk in islice(found, most))


def newest_first(runs: Iterable[Run]) -> list[Run]:
    """Runs of one experiment by their numbers, which rise whatever the clock does; of equal ones by time."""
    return sorted(runs, key=lambda run: (run.number, run.created), reverse=True)


def start_record(
    workspace: Workspace,
    experiment: str,
    display_name: str,
    *,
    properties: Mapping[str, str],
    tags: Mapping[str, str],
    files: Mapping[str, Path],
) -> Run:
    """Start a run that computes nothing and keeps a record. files: files and folders by the names that they get."""
    from azureml.core import Experiment

    opened = Experiment(workspace.sdk, experiment)
    sdk = opened.start_logging(snapshot_directory=None, display_name=display_name)
    for name, path in files.items():
        upload = sdk.upload_folder if path.is_dir() else sdk.upload_file
        upload(name, str(path))
    sdk.add_properties(dict(properties))
    sdk.set_tags(dict(tags))
    return Run(sdk)


def end_record(run: Run, file: Path, *, properties: Mapping[str, str], tags: Mapping[str, str], failure: str) -> None:
    """Keep a last file with a record, then the properties, then end its run; with a failure it counts as failed.

    May be repeated after it broke off: files and properties are written once.
    """
    if file.name not in run.files():
        run.sdk.upload_file(file.name, str(file))
    known = run.read_properties()
    run.sdk.add_properties({name: value for name, value in properties.items() if name not in known})
    run.sdk.set_tags(dict(tags))
    if failure:
        run.sdk.fail(error_details=failure)
    else:
        run.sdk.complete()
