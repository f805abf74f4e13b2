"""Finds free text that becomes code of a script."""

import re
from collections.abc import Iterator

from local_azure.pipelines.expand.model import SCRIPTS
from local_azure.pipelines.expand.scope import expressions_in
from local_azure.pipelines.language.tree import (
    Fields,
    Items,
    Location,
    PipelineError,
    Problem,
    Text,
    Value,
    mappings_of,
)

_PARAMETER = re.compile(r"\bparameters\.(\w++)", re.IGNORECASE)


def injection_faults(document: Fields) -> Iterator[Problem]:
    """Yield the locations where the body of a script reads a string parameter without `values`."""
    free = {
        str(entry.get("name")).lower()
        for entry in mappings_of(document.get("parameters"))
        if entry.get("type") in (None, "string") and not entry.has("values")
    }
    for script in _scripts(document, ""):
        for name, location in _parameters_read(script):
            if name.lower() in free:
                text = f"Script injection: the string parameter '{name}' is inserted into the script."
                yield Problem(location, f"{text} Pass it through env:.")


def _parameters_read(script: Text) -> Iterator[tuple[str, Location]]:
    """Yield the first parameter that each expression of a script reads, and its line."""
    line, done = script.location.line, 0
    try:
        for start, _, source in expressions_in(script):
            line += script.count("\n", done, start)
            done = start
            match = _PARAMETER.search(source)
            if match:
                yield match[1], Location(script.location.file, line)
    except PipelineError:
        return  # the expansion reports what is not closed


def _scripts(value: Value, key: str) -> Iterator[Text]:
    """Yield the texts of all scripts in a tree; `key` holds the value."""
    if isinstance(value, Text) and key in SCRIPTS:
        yield value
    elif isinstance(value, Fields):
        for name, part in value:
            yield from _scripts(part, name)
    elif isinstance(value, Items):
        for part in value:
            yield from _scripts(part, "")
