"""Mini-batches: parts of the inputs, each given to one call of run().

Tables, and files by partition, are read through the SDK; that happens in a process of its own, because what the SDK
starts (threads of its data engine) would not survive in workers that are forked afterwards.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local_azure.machine_learning.processes.parallel.settings import TABLES, Settings

FOLDER = Path(".azureml-parallel")  # in the working directory, beside the mounts
_PLAN = FOLDER / "plan"


@dataclass(frozen=True)
class MiniBatch:
    """One part. files: paths, or None where `table` is the file of a pickled DataFrame of `size` rows."""

    index: int
    size: int
    files: list[str] | None = None
    table: str | None = None
    partition: dict[str, Any] = field(default_factory=dict)
    dataset_id: str | None = None

    def load(self) -> Any:
        """Return what run() gets."""
        if self.table is None:
            return list(self.files or [])
        with Path(self.table).open("rb") as stream:
            return pickle.load(stream)  # noqa: S301 - `plan_tables` has written it


def of_files(settings: Settings) -> list[MiniBatch]:
    """Cut each input, a file or a folder, into parts of `mini_batch_size` files, in the order of their names."""
    parts = []
    for given in settings.inputs:
        root = Path(given)
        found = [root] if root.is_file() else sorted(path for path in root.rglob("*") if path.is_file())
        names = [str(path) for path in found]
        parts += [names[start : start + settings.batch_size] for start in range(0, len(names), settings.batch_size)]
    return [MiniBatch(index, len(part), files=part) for index, part in enumerate(parts)]


def plan_datasets(settings: Settings) -> None:
    """Read the datasets among the inputs and keep their mini-batches; called in a process of its own."""
    parts = _tables(settings) if settings.kind == TABLES else _partitions_of_files(settings)
    plan = [MiniBatch(index, **part) for index, part in enumerate(parts)]
    with _PLAN.open("wb") as stream:
        pickle.dump(plan, stream)


def planned() -> list[MiniBatch]:
    """Return what `plan_datasets` has kept."""
    with _PLAN.open("rb") as stream:
        plan: list[MiniBatch] = pickle.load(stream)  # noqa: S301 - written by `plan_datasets`
    return plan


def dataset(dataset_id: str) -> Any:
    """Return a saved dataset of the workspace of this run."""
    from azureml.core import Dataset, Run

    return Dataset.get_by_id(Run.get_context().experiment.workspace, dataset_id)


def _tables(settings: Settings) -> Iterator[dict[str, Any]]:
    number = 0
    for given in settings.inputs:
        frame = dataset(given).to_pandas_dataframe()
        for values, part in _parts(frame, settings):
            path = FOLDER / f"table-{number}"
            part.reset_index(drop=True).to_pickle(path)
            number += 1
            yield {"size": len(part), "table": str(path), "partition": values, "dataset_id": given}


def _parts(frame: Any, settings: Settings) -> Iterator[tuple[dict[str, Any], Any]]:
    """Split a table by its partition keys, else into rows that take about `mini_batch_size` bytes as CSV."""
    keys = settings.partition_keys
    if keys:
        for values, part in frame.groupby(keys, sort=True, dropna=False):
            yield dict(zip(keys, values, strict=True)), part
        return
    width = max(len(frame.to_csv(index=False, header=False)) / max(len(frame), 1), 1)
    rows = max(int(settings.batch_size / width), 1)
    for start in range(0, len(frame), rows):
        yield {}, frame.iloc[start : start + rows]


def _partitions_of_files(settings: Settings) -> Iterator[dict[str, Any]]:
    """Download the files of each partition of a file dataset (`partition_format`) to a folder of its own."""
    keys = settings.partition_keys
    for number, given in enumerate(settings.inputs):
        whole = dataset(given)
        for count, values in enumerate(whole.get_partition_key_values(keys)):
            part = whole.filter(_all_equal(whole, values))
            target = FOLDER / f"files-{number}-{count}"
            files = [str(path) for path in sorted(part.download(str(target.absolute())))]
            yield {"size": len(files), "files": files, "partition": values, "dataset_id": given}


def _all_equal(whole: Any, values: dict[str, Any]) -> Any:
    condition: Any = None
    for key, value in values.items():
        is_equal = whole[key] == value
        condition = is_equal if condition is None else condition & is_equal
    return condition


def narrowed(whole: Any, values: dict[str, Any]) -> Any:
    """Return the part of a dataset that belongs to a partition."""
    return whole.filter(_all_equal(whole, values)) if values else whole
