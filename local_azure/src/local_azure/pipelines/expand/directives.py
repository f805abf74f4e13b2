"""Directives of the expansion: `${{ if }}`, `${{ each }}`, `${{ insert }}` as keys of mappings."""

import re
from typing import NamedTuple

from local_azure.pipelines.language.tree import PipelineError, Text, Value, fields_of

_DIRECTIVE = re.compile(r"\s*\$\{\{\s*(if|elseif|else|each|insert)\b(.*)\}\}\s*\Z", re.DOTALL)
_EACH = re.compile(r"\s*(\w+)\s*(?:,\s*(\w+)\s*)?\bin\b(.*)\Z", re.DOTALL)


class Directive(NamedTuple):
    """A directive key: its word, its source text and the key that holds it."""

    word: str
    source: str
    key: Text


def directive_of(key: Value) -> Directive | None:
    """Return the directive that a key holds, if it is one."""
    if not isinstance(key, Text):
        return None
    match = _DIRECTIVE.match(key)
    return Directive(match[1], match[2].strip(), key) if match else None


def loop_of(directive: Directive) -> tuple[list[str], str]:
    """Return the names of the one or two loop variables of an `each`, and its source; raises PipelineError."""
    match = _EACH.match(directive.source)
    if not match:
        raise PipelineError(directive.key.location, "'each' is malformed. Write ${{ each item in LIST }}:")
    return [name for name in match.groups()[:2] if name], match[3]


def branches_of(item: Value) -> list[tuple[Directive, Value]]:
    """Return the directives, with their bodies, of a list item that holds nothing else."""
    branches: list[tuple[Directive, Value]] = []
    for key, body in fields_of(item):
        directive = directive_of(key)
        if directive is None:
            return []
        branches.append((directive, body))
    return branches
