"""Reads YAML as the service does: every scalar is text, a key stands once, no anchors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import yaml

from local_azure.pipelines.tree import Fields, Items, Place, Text, Value, fault

_PARSER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
_BLOCK_STYLES = ("|", ">")
EXPRESSION = "${{"


def read_file(root: Path, relative: str) -> Value:
    """The tree of one file below `root`; raises PipelineError."""
    try:
        text = (root / relative).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise fault(Place(relative, 1), f"The file {relative} was not found below {root}.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise fault(Place(relative, 1), f"The file {relative} cannot be read: {error}.") from None
    return read_text(text, relative)


def read_text(text: str, file: str) -> Value:
    """The tree of one document; raises PipelineError."""
    events = yaml.parse(str(text), Loader=_PARSER)
    try:
        return _Reader(events, file).document()
    except yaml.MarkedYAMLError as error:
        line = 1 + (getattr(error.problem_mark, "line", 0) or 0)
        raise fault(Place(file, line), f"This is not YAML: {error.problem or error.context}.") from None
    except yaml.YAMLError as error:
        raise fault(Place(file, 1), f"This is not YAML: {error}.") from None


class _Reader:
    def __init__(self, events: Iterator[yaml.Event], file: str) -> None:
        self._events = events
        self._file = file

    def _place(self, event: yaml.Event) -> Place:
        return Place(self._file, 1 + (event.start_mark.line if event.start_mark else 0))

    def document(self) -> Value:
        value: Value = None
        seen = False
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                if seen:
                    raise fault(self._place(event), "A second document begins here.", "Keep one document a file.")
                seen = True
                value = self._value(next(self._events))
        return value

    def _value(self, event: yaml.Event) -> Value:
        place = self._place(event)
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise fault(place, "Anchors and aliases are not supported by the service.", "Use a template instead.")
        tag = getattr(event, "tag", None)
        if tag not in (None, "!"):
            raise fault(place, f"The tag {tag} is not supported by the service.", "Leave it out.")
        if isinstance(event, yaml.ScalarEvent):
            if event.style in _BLOCK_STYLES:
                place = Place(place.file, place.line + 1)
            return Text(event.value, place)
        if isinstance(event, yaml.SequenceStartEvent):
            items = Items(place=place)
            for part in self._events:
                if isinstance(part, yaml.SequenceEndEvent):
                    break
                items.append(self._value(part))
            return items
        return self._mapping(place)

    def _mapping(self, place: Place) -> Fields:
        fields = Fields(place=place)
        seen: set[str] = set()
        for event in self._events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            key = self._value(event)
            if not isinstance(key, Text):
                raise fault(self._place(event), "A key must be a plain text.", "Quote it, or indent what follows it.")
            if key == "<<":
                raise fault(key.place, "The merge key << is not supported by the service.", "Use a template instead.")
            if key in seen and not key.startswith(EXPRESSION):
                raise fault(key.place, f"The key '{key}' stands here a second time.", "Keep one of the two.")
            seen.add(key)
            fields.pairs.append((key, self._value(next(self._events))))
        return fields
