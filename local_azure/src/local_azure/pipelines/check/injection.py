"""Finds free text that becomes code of a script."""

import re
from collections.abc import Iterator

from local_azure.pipelines.expand.model import SCRIPTS
from local_azure.pipelines.language.tree import Fields, Items, Problem, Text, Value, mappings_of

_PARAMETER = re.compile(r"\$\{\{[^}]*?\bparameters\.(\w+)", re.IGNORECASE)


def injection_faults(document: Fields) -> Iterator[Problem]:
    """Yield the places where the body of a script reads a string parameter without `values`."""
    free = {
        str(entry.get("name")).lower()
        for entry in mappings_of(document.get("parameters"))
        if entry.get("type") in (None, "string") and not entry.has("values")
    }
    for script in _scripts(document, ""):
        for match in _PARAMETER.finditer(script):
            if match[1].lower() in free:
                text = f"The free text of parameter '{match[1]}' becomes code of this script. Pass it by env:."
                yield Problem(script.place_at(match.start()), text)


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
