"""Find out from a dataset's definition where its data is stored.

The SDK describes a dataset by a dataflow (JSON) that carries an MLTable document (YAML); its `paths` name datastores
of the workspace. Nothing here reads data.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from itertools import islice
from typing import Any
from urllib.parse import quote, unquote

import yaml

from local_azure.machine_learning import strict_json
from local_azure.machine_learning.domain.data.output_tables import Reading
from local_azure.machine_learning.domain.workspace.workspaces import Workspace
from local_azure.machine_learning.errors import bad_request, not_implemented
from local_azure.machine_learning.storage.web_files import name_of

MAX_PATTERN_CHARS = 4_096
_STARS = re.compile(r"(\*\*/|\*\*|\*|\?)")
_ADDRESS = re.compile(
    r"azureml://(?:subscriptions/[^/]+/resourcegroups/[^/]+/(?:providers/Microsoft\.MachineLearningServices/)?"
    r"workspaces/(?P<workspace>[^/]+)/)?datastores/(?P<datastore>[^/]+)/paths/(?P<rest>.*)",
    re.IGNORECASE,
)
MAX_DATAFLOW_CHARS = 1024 * 1024
MAX_PATHS = 1_000  # of one dataset
_WEB = re.compile(r"(?:https?|wasbs?)://")
MAX_DEFINITION_PARTS = 20_000  # texts, and beginnings and ends of lists and mappings; a path has four
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_WILD = re.compile(r"[*?\[]")


def fits(pattern: str, path: str) -> bool:
    """Return whether a pattern matches a whole path."""
    reached = [True] + [False] * len(path)  # reached[n]: the pattern so far can match the first n characters
    for piece in filter(None, _STARS.split(pattern)):
        reached = _PIECES.get(piece, _literal)(piece, path, reached)
    return reached[-1]


def _literal(piece: str, path: str, reached: list[bool]) -> list[bool]:
    after = [False] * len(reached)
    for at in range(len(path) - len(piece) + 1):
        if reached[at] and path.startswith(piece, at):
            after[at + len(piece)] = True
    return after


def _one_letter(_: str, path: str, reached: list[bool]) -> list[bool]:
    return [False] + [before and letter != "/" for before, letter in zip(reached, path, strict=False)]


def _in_a_folder(_: str, path: str, reached: list[bool]) -> list[bool]:
    after = list(reached)
    for at, letter in enumerate(path):
        after[at + 1] = reached[at + 1] or (after[at] and letter != "/")
    return after


def _anything(_: str, path: str, reached: list[bool]) -> list[bool]:
    first = reached.index(True) if True in reached else len(path) + 1
    return [at >= first for at in range(len(reached))]


def _folders(_: str, path: str, reached: list[bool]) -> list[bool]:
    first = reached.index(True) if True in reached else len(path) + 1
    ends = [False] + [letter == "/" and at >= first for at, letter in enumerate(path)]
    return [now or end for now, end in zip(reached, ends, strict=True)]


_PIECES = {"?": _one_letter, "*": _in_a_folder, "**": _anything, "**/": _folders}


@dataclass(frozen=True)
class Source:
    """One path of a dataset, decoded. address: of data on the web, whose pattern is the name of its local file."""

    datastore: str
    pattern: str
    address: str = ""

    @property
    def base(self) -> str:
        """Path up to the first wildcard, without a trailing slash. An address of the web has none, but in blobs."""
        wild = None if self.address.startswith("http") else _WILD.search(self.pattern)
        head = self.pattern[: wild.start()].rpartition("/")[0] if wild else self.pattern
        return head.strip("/")

    @property
    def is_whole(self) -> bool:
        """Whether everything below `base` belongs to the dataset."""
        return self.pattern.strip("/").removeprefix(self.base).strip("/") in ("", "**", "**/*")

    def matches(self, path: str) -> bool:
        """Return whether the pattern matches a path of the datastore; `*` does not match a slash, `**` does."""
        if self.is_whole:
            return path == self.base or path.startswith(f"{self.base}/" if self.base else "")
        return fits(self.pattern.strip("/"), path)


def dataflow_yaml(dataflow: str | None) -> str:
    """Return the MLTable document inside a dataflow as posted; raises a 400 for the older SDKs' format."""
    if len(dataflow or "") > MAX_DATAFLOW_CHARS:
        raise bad_request(f"The definition of a dataset has at most {MAX_DATAFLOW_CHARS} characters.")
    try:
        text = strict_json.parse((dataflow or "").encode())["meta"]["RsDataflow"]
    except (ValueError, KeyError, TypeError) as error:
        said = f"({error}); its SDK version may be unsupported"
        raise bad_request(f"The dataset has no MLTable definition {said}.") from error
    return str(text)


def folder_dataflow(workspace: Workspace, datastore: str, relative: str, read: Reading | None = None) -> str:
    """Return the dataflow of a datastore folder, as the SDK writes it. read: how to parse its files."""
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
    """Paths of a saved dataset; refuses what is outside of the workspace's datastores."""
    document = mltable(dataflow_yaml(saved["dataflowJson"]))
    if saved["datasetType"] == "file" and document.get("transformations"):
        raise not_implemented("file datasets with transformations (filter, take, random split) as files of a step")
    entries = document.get("paths") or []
    if not isinstance(entries, list) or len(entries) > MAX_PATHS:
        raise bad_request(f"The paths of a dataset's definition must be a list of at most {MAX_PATHS}.")
    return [_source(workspace, entry) for entry in entries]


def mltable(text: str) -> dict[str, Any]:
    """Parse the MLTable document; raises a 400 if the text is not one."""
    try:
        _require_small(text)
        _require_unique(yaml.compose(text, Loader=_LOADER))
        document = yaml.load(text, Loader=_LOADER) or {}  # noqa: S506 - a loader of safe values
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise bad_request("The definition of the dataset is not YAML.") from error
    if not isinstance(document, dict):
        raise bad_request("The definition of the dataset is not an MLTable document.")
    return document


def _require_small(text: str) -> None:
    """Count while it is read for the first time, before anything is built from it; raises a 400."""
    if any(islice(yaml.parse(text, Loader=_LOADER), MAX_DEFINITION_PARTS, None)):
        raise bad_request(f"The definition of a dataset has more than {MAX_DEFINITION_PARTS} parts.")


def _require_unique(root: yaml.Node | None) -> None:
    """Raise a 400 where a mapping has a key twice: the loader would take the last."""
    waiting, seen = [root], set[int]()
    while waiting:
        node = waiting.pop()
        if id(node) in seen:  # a reference
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            waiting += node.value
        elif isinstance(node, yaml.MappingNode):
            lines: dict[str, int] = {}
            for key, value in node.value:
                waiting.append(value)
                line = key.start_mark.line + 1
                if str(key.value) in lines:
                    where = f"is in line {lines[key.value]} and again in line {line}"
                    raise bad_request(f"In the definition of the dataset the key '{key.value}' {where}.")
                lines[str(key.value)] = line


def _source(workspace: Workspace, entry: object) -> Source:
    address = next(iter(entry.values()), None) if isinstance(entry, dict) else entry
    if not isinstance(address, str) or len(address) > MAX_PATTERN_CHARS:
        raise bad_request(f"A path of a dataset's definition must be a text of at most {MAX_PATTERN_CHARS}.")
    if _WEB.match(address):
        return Source("", name_of(address), address)
    found = _ADDRESS.fullmatch(address)
    if not found:
        raise not_implemented(f"data outside of a datastore, here {address}")
    if found["workspace"] and found["workspace"].lower() != workspace.name.lower():
        raise bad_request(f"The dataset is in the workspace '{found['workspace']}', not in '{workspace.name}'.")
    return Source(found["datastore"], unquote(found["rest"]))


def single_source(workspace: Workspace, saved: dict[str, Any]) -> Source:
    """The path of a dataset that has exactly one."""
    found = sources(workspace, saved)
    if len(found) != 1:
        raise not_implemented(f"a dataset of {len(found)} paths as one folder")
    return found[0]
