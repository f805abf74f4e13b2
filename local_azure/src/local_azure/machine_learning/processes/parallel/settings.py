"""The settings of a parallel run, from the arguments that the client writes for the service's driver."""

from __future__ import annotations

import itertools
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

MOST_PROCESSES = 32
FILES, TABLES = "files", "tables"
_INPUT = re.compile(r"--input(_ds_|_fds_|)\d+")
_NAMES = (
    "scoring_module_name", "mini_batch_size", "error_threshold", "output_action", "logging_level",
    "run_invocation_timeout", "run_max_try", "allowed_failed_count", "allowed_failed_percent", "append_row_file_name",
    "output", "process_count_per_node", "partition_keys",
)  # fmt: skip


class SettingsError(ValueError):
    """The arguments of the step cannot be used; the message says which one."""


@dataclass(frozen=True)
class Settings:
    """What the author of the step has asked for. inputs: paths, of tables and partitioned files ids of datasets."""

    entry_script: str
    arguments: list[str]
    kind: str
    inputs: list[str]
    batch_size: int
    partition_keys: list[str]
    appends_rows: bool
    output: Path | None
    result_name: str
    processes: int
    logging_level: str
    timeout: float
    tries: int
    error_threshold: int
    failed_batches: int
    failed_percent: float


def _whole(given: dict[str, str], name: str, default: int) -> int:
    text = given.get(name, str(default))
    if not re.fullmatch(r"-?[0-9]{1,15}", text):
        raise SettingsError(f"{name} must be a whole number, not {text[:40]!r}.")
    return int(text)


def _percent(given: dict[str, str]) -> float:
    text = given.get("allowed_failed_percent", "100")
    if not re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,15})?", text):
        raise SettingsError(f"allowed_failed_percent must be a number from 0 to 100, not {text[:40]!r}.")
    return float(text)


def _bytes(text: str) -> int:
    found = re.fullmatch(r"([0-9]{1,15})([kmg]b)?", text.lower())
    if not found or int(found[1]) < 1:
        raise SettingsError(f"mini_batch_size must be a number, or one with KB, MB or GB, not {text[:40]!r}.")
    return int(found[1]) * 1024 ** (0, 1, 2, 3)[("", "kb", "mb", "gb").index(found[2] or "")]


def _keys(text: str | None) -> list[str]:
    try:
        keys = json.loads(text) if text else []
    except ValueError as error:
        raise SettingsError("partition_keys must be a JSON list of texts.") from error
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise SettingsError("partition_keys must be a JSON list of texts.")
    return keys


def _inputs(arguments: list[str]) -> tuple[str, list[str]]:
    """Return the kind of the inputs, and their values: the client names a port, or writes the path itself."""
    kind, values = FILES, []
    for word, value in itertools.pairwise(arguments):
        found = _INPUT.fullmatch(word)
        if found:
            kind = TABLES if found[1] == "_ds_" else kind
            values.append(os.environ.get(value, value) if found[1] else value)
    return kind, values


def parse(arguments: list[str]) -> Settings:
    """Read the settings; raises a SettingsError. `arguments` also holds those of the entry script."""
    given = {
        word[2:]: value
        for word, value in itertools.pairwise(arguments)
        if word.startswith("--") and word[2:] in _NAMES
    }
    if not given.get("scoring_module_name"):
        raise SettingsError("The step names no entry script.")
    kind, inputs = _inputs(arguments)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Settings(
        entry_script=given["scoring_module_name"],
        arguments=arguments,
        kind=kind,
        inputs=inputs,
        batch_size=_bytes(given["mini_batch_size"]) if given.get("mini_batch_size", "None") != "None" else 1,
        partition_keys=_keys(given.get("partition_keys")),
        appends_rows=given.get("output_action", "").lower() == "append_row",
        output=Path(given["output"]) if "output" in given else None,
        result_name=Path(given.get("append_row_file_name", "parallel_run_step.txt")).name,
        processes=max(_whole(given, "process_count_per_node", cores), 1),
        logging_level=given.get("logging_level", "INFO").upper(),
        timeout=float(_whole(given, "run_invocation_timeout", 60)),
        tries=max(_whole(given, "run_max_try", 3), 1),
        error_threshold=_whole(given, "error_threshold", -1),
        failed_batches=_whole(given, "allowed_failed_count", -1),
        failed_percent=_percent(given),
    )
