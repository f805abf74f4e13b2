"""Directives of the expansion: `${{ if }}`, `${{ each }}`, `${{ insert }}` as keys of mappings."""

import re
from typing import NamedTuple

from local_azure.pipelines.language.tree import Fields, Items, PipelineError, Text, Value, fields_of

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
        raise PipelineError(directive.key.place, "'each' cannot be read. Write ${{ each item in LIST }}:")
    return [name for name in match.groups()[:2] if name], match[3]


def branches_of(item: Value) -> list[tuple[Directive, Value]]:
    """Return the directives, with their bodies, of a list item that holds nothing else; `insert` does not count."""
    branches: list[tuple[Directive, Value]] = []
    for key, body in fields_of(item):
        directive = directive_of(key)
        if directive is None or directive.word == "insert":
            return []
        branches.append((directive, body))
    return branches


def without_directives(value: Value) -> Value:
    """Return the tree with the content of every directive in its place: all branches of an `if` at once."""
    if isinstance(value, Fields):
        return _mapping_without_directives(value)
    if isinstance(value, Items):
        return _list_without_directives(value)
    return value


def _mapping_without_directives(fields: Fields) -> Fields:
    flat = Fields(place=fields.place)
    for key, part in fields:
        content = without_directives(part)
        if directive_of(key) is None:
            flat.append((key, content))
        else:
            flat += fields_of(content)
    return flat


def _list_without_directives(items: Items) -> Items:
    flat = Items(place=items.place)
    for part in items:
        if not _only_directives(part):
            flat.append(without_directives(part))
            continue
        for _, body in fields_of(part):
            content = without_directives(body)
            flat += content if isinstance(content, Items) else [content]
    return flat


def _only_directives(value: Value) -> bool:
    names = fields_of(value).names()
    return bool(names) and all(directive_of(key) for key in names)
