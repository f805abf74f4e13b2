"""YAML as this package reads it: small, flat and with few references, so that no small file fills a memory."""

from __future__ import annotations

from copy import deepcopy
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

MAX_BYTES = 128 * 1024  # the files of this repository have some 3 kB
MAX_DEPTH = 20  # of lists and mappings in each other
_MERGE = "tag:yaml.org,2002:merge"  # the tag of the key <<
MAX_ALIASES = 20  # references (*name), each of which may repeat a whole part

UNREADABLE = (yaml.YAMLError, ValueError, RecursionError, IsADirectoryError)
"""What reading raises for a file that is not YAML, or holds a day or a number that cannot be."""


class _Loader(yaml.SafeLoader):
    """Refuses a key that stands twice in a mapping: PyYAML would take the last and say nothing."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """Compose a mapping. Raises: ValueError with the key and both lines."""
        node: yaml.MappingNode = super().compose_mapping_node(anchor)
        lines: dict[object, int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            value = key.value if key.tag == _MERGE else self.construct_object(key)
            line = key.start_mark.line + 1
            if value in lines:
                raise ValueError(
                    f"the key {key.value} is in line {lines[value]} and again in line {line}; keep one of the two"
                )
            lines[value] = line
        return node


def read_yaml(path: Path) -> Any:
    """The document of a file. Raises: FileNotFoundError, and what UNREADABLE names."""
    with path.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise ValueError(f"it has more than {MAX_BYTES} bytes; shorten it")
    return deepcopy(_read_text(content.decode("utf-8")))


# A verb asks for its problem's file up to ten times, and parsing it takes 20 ms.
@lru_cache(maxsize=8)
def _read_text(text: str) -> Any:
    _demand_small(text)
    # A loader of safe values; ruff knows PyYAML's own ones only.
    return yaml.load(text, Loader=_Loader)  # noqa: S506


def _demand_small(text: str) -> None:
    """Count while it is read for the first time, before anything is built from it. Raises: ValueError."""
    depth = aliases = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.AliasEvent):
            aliases += 1
        if depth > MAX_DEPTH:
            raise ValueError(f"lists and mappings are nested more than {MAX_DEPTH} levels deep; use fewer levels")
        if aliases > MAX_ALIASES:
            raise ValueError(f"more than {MAX_ALIASES} references (*name); write the parts out")
