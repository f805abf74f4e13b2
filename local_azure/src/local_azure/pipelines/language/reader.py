"""Reads YAML as the service does: every scalar is text, a key occurs once, no anchors."""

from collections.abc import Iterator
from pathlib import Path

import yaml

from local_azure.pipelines.language.limits import MOST_DEPTH, MOST_FILE_BYTES, MOST_FILE_NODES
from local_azure.pipelines.language.tree import Fields, Items, Location, PipelineError, Text, Value

_PARSER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
EXPRESSION = "${{"


def read_file(root: Path, relative: str) -> Value:
    """Read one file below `root`; raises PipelineError."""
    try:
        with (root / relative).open("rb") as file:
            content = file.read(MOST_FILE_BYTES + 1)
        return read_text(content.decode("utf-8"), relative)
    except (OSError, UnicodeDecodeError) as error:
        raise PipelineError(Location(relative, 1), f"The file {relative} cannot be read: {error}.") from None


def read_text(text: str, file: str) -> Value:
    """Read one document; raises PipelineError."""
    if len(text) > MOST_FILE_BYTES or len(text.encode("utf-8", "surrogatepass")) > MOST_FILE_BYTES:
        raise PipelineError(
            Location(file, 1), f"{file} is larger than {MOST_FILE_BYTES} bytes. Split it into templates."
        )
    try:
        return _Reader(yaml.parse(str(text), Loader=_PARSER), file).document()
    except yaml.YAMLError as error:
        line = getattr(getattr(error, "problem_mark", None), "line", 0) + 1
        raise PipelineError(Location(file, line), f"This is not YAML: {getattr(error, 'problem', error)}.") from None


class _Reader:
    def __init__(self, events: Iterator[yaml.Event], file: str) -> None:
        self._events = events
        self._file = file
        self._nodes = 0
        self._depth = 0

    def document(self) -> Value:
        value: Value = None
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                if value is not None:
                    raise PipelineError(self._place(event), "Only one YAML document per file is allowed.")
                value = self._value(next(self._events))
        return value

    def _place(self, event: yaml.Event) -> Location:
        return Location(self._file, 1 + (event.start_mark.line if event.start_mark else 0))

    def _until(self, end: type[yaml.Event]) -> Iterator[Value]:
        for event in self._events:
            if isinstance(event, end):
                return
            yield self._value(event)

    def _value(self, event: yaml.Event) -> Value:
        location = self._place(event)
        self._nodes += 1
        if self._nodes > MOST_FILE_NODES:
            text = f"{self._file} holds more than {MOST_FILE_NODES} values. Split it into templates."
            raise PipelineError(location, text)
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise PipelineError(location, "Anchors and aliases are not supported by the service. Use a template.")
        if getattr(event, "tag", None) not in (None, "!"):
            raise PipelineError(location, "YAML tags are not supported. Remove the tag.")
        if isinstance(event, yaml.ScalarEvent):
            if event.style in ("|", ">"):  # the content of a block begins on the next line
                location = Location(location.file, location.line + 1)
            return Text(event.value, location)
        self._depth += 1
        if self._depth > MOST_DEPTH:
            raise PipelineError(location, f"YAML nested more than {MOST_DEPTH} levels deep. Reduce the nesting.")
        inside = isinstance(event, yaml.SequenceStartEvent)
        value = Items(self._until(yaml.SequenceEndEvent), location) if inside else self._mapping(location)
        self._depth -= 1
        return value

    def _mapping(self, location: Location) -> Fields:
        fields = Fields(location=location)
        parts = self._until(yaml.MappingEndEvent)
        for key in parts:
            if not isinstance(key, Text):
                raise PipelineError(location, "A key must be a string. Quote it, or indent what follows it.")
            if key == "<<":
                raise PipelineError(key.location, "The merge key << is not supported by the service. Use a template.")
            if fields.has(key) and EXPRESSION not in key:
                first = fields.key(key).location.line
                text = f"Duplicate key '{key}' (first on line {first})."
                raise PipelineError(key.location, text)
            fields.append((key, next(parts)))
        return fields
