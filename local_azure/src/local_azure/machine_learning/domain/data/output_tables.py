"""Tables made of what a step writes: `OutputFileDatasetConfig.read_delimited_files` and `read_parquet_files`.

The SDK sends these as blocks of its old dataflow form; datasets are read back as MLTable documents. The values of
such a table are texts: nothing has looked at them (assumed).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from local_azure.machine_learning.errors import bad_request, not_implemented

# `PromoteHeadersBehavior`, and what the SDK writes into an MLTable document for it.
_HEADERS = ("no_header", "from_first_file", "all_files_different_headers", "all_files_same_headers")
_WORDS = re.compile(r'"([^"]*)"')
Step = dict[str, Any]


def _read_delimited(arguments: dict[str, Any]) -> Step:
    if arguments.get("fileEncoding"):
        raise not_implemented("outputs read as delimited files in an encoding other than UTF-8")
    details = {
        "path_column": "Path",
        "include_path_column": True,
        "encoding": "utf8",
        "support_multi_line": bool(arguments.get("handleQuotedLineBreaks")),
        "delimiter": arguments.get("separator") or ",",
        "empty_as_string": False,
        "header": _HEADERS[int(arguments.get("columnHeadersMode") or 0)],
        "infer_column_types": False,
    }
    return {"read_delimited": details}


def _columns(arguments: dict[str, Any]) -> list[str]:
    found: list[str] = arguments["columns"]["details"]["selectedColumns"]
    return found


@dataclass
class Reading:
    """Which files of a folder are read, and the MLTable transformations that make a table of them (none: files)."""

    pattern: str = "**"
    steps: list[Step] = field(default_factory=list)

    @property
    def kind(self) -> str:
        """Type of the dataset."""
        return "tabular" if self.steps else "file"


def _pattern(arguments: dict[str, Any]) -> str:
    """The files that a filter by their name lets through: by ending, or by a glob."""
    text = json.dumps(arguments)
    words = _WORDS.findall(text)
    if "GetResourceName" in words and "String_EndsWith" in words:
        return f"**/*{words[-1]}"
    if "GetResourceName" in words and "RegexIsMatch" in words:
        return f"**/{words[words.index('RegexIsMatch') + 3]}"
    raise not_implemented(f"the filter {text} of an output")


def _blocks(transformations: list[str | None]) -> list[dict[str, Any]]:
    """The blocks of some dataflows; raises a 400 for a text that holds none."""
    found: list[dict[str, Any]] = []
    for text in filter(None, transformations):
        try:
            found += [{"type": block["type"], **block} for block in json.loads(text).get("blocks") or []]
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise bad_request("The transformations of an output are not a dataflow of the SDK.") from error
    return found


def reading(transformations: list[str | None]) -> Reading:
    """How dataflows in the SDK's JSON read a folder; unsupported blocks fail with a named error."""
    pattern, steps = "**", list[Step]()
    for block in _blocks(transformations):
        kind, arguments = str(block["type"]).removeprefix("Microsoft.DPrep."), block.get("arguments") or {}
        if kind == "ParseDelimitedBlock":
            steps.append(_read_delimited(arguments))
        elif kind == "ReadParquetFileBlock":
            steps.append({"read_parquet": {"path_column": "Path", "include_path_column": True}})
        elif kind == "DropColumnsBlock":
            steps.append({"drop_columns": _columns(arguments)})
        elif kind == "ExpressionFilterBlock" and not steps:
            pattern = _pattern(arguments)
        elif kind == "KeepColumnsBlock":
            steps.append({"keep_columns": _columns(arguments)})
        else:
            raise not_implemented(f"the transformation {kind} of an output")
    return Reading(pattern, steps)
