"""What a dataset's definition says about where its bytes lie.

The SDK describes a dataset by a dataflow (JSON) that carries an MLTable document (YAML); its `paths` name datastores
of the workspace. Nothing here reads data.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote

import yaml

from local_azure.machine_learning.domain.data.output_tables import Reading
from local_azure.machine_learning.domain.workspace.workspaces import Workspace
from local_azure.machine_learning.errors import bad_request, not_implemented

_ADDRESS = re.compile(
    r"azureml://(?:subscriptions/[^/]+/resourcegroups/[^/]+/(?:providers/Microsoft\.MachineLearningServices/)?"
    r"workspaces/(?P<workspace>[^/]+)/)?datastores/(?P<datastore>[^/]+)/paths/(?P<rest>.*)",
    re.IGNORECASE,
)
_WILD = re.compile(r"[*?\[]")


@dataclass(frozen=True)
class Source:
    """One path of a dataset, decoded."""

    datastore: str
    pattern: str

    @property
    def base(self) -> str:
        """Path up to the first wildcard, without a trailing slash."""
        wild = _WILD.search(self.pattern)
        head = self.pattern[: wild.start()].rpartition("/")[0] if wild else self.pattern
        return head.strip("/")

    @property
    def is_whole(self) -> bool:
        """Whether everything below `base` belongs to the dataset."""
        return self.pattern.strip("/").removeprefix(self.base).strip("/") in ("", "**", "**/*")

    def matches(self, path: str) -> bool:
        """Whether a path of the datastore belongs to the pattern: `*` stays in a folder, `**` does not."""
        if self.is_whole:
            return path == self.base or path.startswith(f"{self.base}/" if self.base else "")
        return fits(path, self.pattern.strip("/"))


_MAYBE, _DEEP = "*/", "**"  # texts that are no single character
_PART = re.compile(r"\*\*/|\*\*|.", re.DOTALL)


def fits(path: str, pattern: str) -> bool:
    """Whether a path fits a pattern, in the time of one times the other; an expression would try every way."""
    parts: list[str] = []
    for part in _PART.findall(pattern):
        parts += (_MAYBE, _DEEP, "/") if part == "**/" else (part,)
    places = _reached({0}, parts)
    for letter in path:
        after = {place + (parts[place] not in ("*", _DEEP)) for place in places if _takes(parts, place, letter)}
        places = _reached(after, parts)
    return len(parts) in places


def _takes(parts: list[str], place: int, letter: str) -> bool:
    """Whether the part at a place takes a letter."""
    part = parts[place] if place < len(parts) else _MAYBE
    return part == _DEEP or (letter != "/" if part in ("*", "?") else part == letter)


def _reached(places: set[int], parts: list[str]) -> set[int]:
    """The places, and those that are reached from them without a letter."""
    found, waiting = set(places), list(places)
    while waiting:
        place = waiting.pop()
        part = parts[place] if place < len(parts) else ""
        beyond = {_MAYBE: (place + 1, place + 3), "*": (place + 1,), _DEEP: (place + 1,)}.get(part, ())
        waiting += [other for other in beyond if other not in found]
        found.update(beyond)
    return found


def dataflow_yaml(dataflow: str | None) -> str:
    """The MLTable document inside of a dataflow, as it was posted; raises a 400 for the form of older SDKs."""
    try:
        text = json.loads(dataflow or "")["meta"]["RsDataflow"]
    except (ValueError, KeyError, TypeError) as error:
        raise bad_request("The dataset has no MLTable definition; it was made by an SDK of another age.") from error
    return str(text)


def folder_dataflow(workspace: Workspace, datastore: str, relative: str, read: Reading | None = None) -> str:
    """Dataflow of everything below a folder of a datastore, or of what `read` makes of it, as the SDK writes it."""
    read = read or Reading()
    address = (
        f"azureml://subscriptions/{workspace.subscription}/resourcegroups/{workspace.resource_group}"
        f"/workspaces/{workspace.name}/datastores/{datastore}/paths/{quote(relative.strip('/'))}/{read.pattern}"
    )
    transformations = yaml.safe_dump({"transformations": read.steps}, sort_keys=False) if read.steps else ""
    text = (
        f'---\ntype: mltable\npaths:\n  - pattern: "{address}"\n{transformations}'
        'metadata:\n  infer_column_types: "False"\n'
    )
    return json.dumps({"blocks": [], "meta": {"RsDataflow": text}})


def sources(workspace: Workspace, saved: dict[str, Any]) -> list[Source]:
    """Paths of a saved dataset; refuses what lies outside of the workspace's datastores."""
    document = yaml.safe_load(dataflow_yaml(saved["dataflowJson"])) or {}
    if saved["datasetType"] == "file" and document.get("transformations"):
        raise not_implemented("file datasets with transformations (filter, take, random split) as files of a step")
    return [_source(workspace, entry) for entry in document.get("paths") or []]


def _source(workspace: Workspace, entry: dict[str, str]) -> Source:
    address = next(iter(entry.values()))
    found = _ADDRESS.fullmatch(address)
    if not found:
        raise not_implemented(f"data outside of a datastore, here {address}")
    if found["workspace"] and found["workspace"].lower() != workspace.name.lower():
        raise bad_request(f"The dataset lies in the workspace '{found['workspace']}', not in '{workspace.name}'.")
    return Source(found["datastore"], unquote(found["rest"]))


def single_source(workspace: Workspace, saved: dict[str, Any]) -> Source:
    """The path of a dataset that has exactly one."""
    found = sources(workspace, saved)
    if len(found) != 1:
        raise not_implemented(f"a dataset of {len(found)} paths as one folder")
    return found[0]
