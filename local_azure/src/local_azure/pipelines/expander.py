"""Expands directives, expressions and templates, as the service does before a run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from local_azure.pipelines.scope import Scope, expressions_in
from local_azure.pipelines.templates import KINDS, Templates
from local_azure.pipelines.tree import (
    Fields,
    Items,
    PipelineError,
    Place,
    Problem,
    Text,
    Value,
    fault,
    fields_of,
    place_of,
)  # fmt: skip
from local_azure.pipelines.values import ConversionError, kind, to_text, truthy

_DIRECTIVE = re.compile(r"\s*\$\{\{\s*(if|elseif|else|each|insert)\b(.*)\}\}\s*\Z", re.DOTALL)
_EACH = re.compile(r"\s*(\w+)\s*(?:,\s*(\w+)\s*)?\bin\b(.*)\Z", re.DOTALL)
# What is expanded first, because what follows may read it.
_FIRST = ("parameters", "variables", "resources")


@dataclass(frozen=True, slots=True)
class Directive:
    """A directive key: its word, its source text and the key it stands in."""

    word: str
    source: str
    key: Text


class _Chain:
    """Remembers whether a branch of the current `if` was taken; None where no `if` precedes."""

    def __init__(self) -> None:
        self.taken: bool | None = None


def directive_of(key: Value) -> Directive | None:
    """The directive that a key holds, if it is one."""
    match = _DIRECTIVE.match(key) if isinstance(key, Text) else None
    return Directive(match[1], match[2], key) if match and isinstance(key, Text) else None


class Expander:
    """Expands one pipeline; faults are collected so that all are reported at once."""

    def __init__(self, templates: Templates) -> None:
        self._templates = templates
        self.problems: list[Problem] = []

    def expand(self, value: Value, scope: Scope, within: str = "") -> Value:
        """The expanded value. `within` is the key that holds it: it decides what a list may include."""
        try:
            if isinstance(value, Fields):
                return self._mapping(value, scope, within)
            if isinstance(value, Items):
                return self._list(value, scope, within)
            if isinstance(value, Text):
                return scope.interpolate(value)
        except PipelineError as error:
            self.problems += error.problems
            return None
        return value

    # -- mappings

    def _mapping(self, fields: Fields, scope: Scope, within: str) -> Fields:
        structural = within in ("root", "stages", "jobs")
        if structural and within != "root":
            scope = scope.inner()
        first = {i for i, (key, _) in enumerate(fields.pairs) if structural and key in _FIRST}
        order = sorted(range(len(fields)), key=lambda i: (i not in first, i))
        chain = _Chain()
        produced: dict[int, list[tuple[Text, Value]]] = {}
        for i in order:
            key, value = fields.pairs[i]
            produced[i] = list(self._pair(key, value, scope, chain, within))
        made = Fields(place=fields.place)
        for key, value in (pair for i in range(len(fields)) for pair in produced[i]):
            if key in made:
                self._report(key.place, f"The key '{key}' is produced twice.", "Let one branch produce it.")
            made.pairs.append((key, value))
        return made

    def _pair(
        self, key: Text, value: Value, scope: Scope, chain: _Chain, within: str
    ) -> Iterator[tuple[Text, Value]]:
        directive = directive_of(key)
        if directive is None:
            chain.taken = None
            expanded_key = self._key(key, scope)
            if expanded_key is not None:
                yield expanded_key, self._field(expanded_key, value, scope, within)
            return
        for body_scope in self._bodies(directive, scope, chain, value):
            body = self.expand(value, body_scope, within)
            if isinstance(body, Fields):
                yield from body
            elif body is not None and body != "":
                self._report(
                    key.place, f"A mapping must stand under '{key}', not a {kind(body)}.", "Indent key: value."
                )

    def _field(self, key: Text, value: Value, scope: Scope, within: str) -> Value:
        if within == "parameters of template":
            return self.expand(value, scope)
        if within == "variables":
            expanded = self.expand(value, scope)
            if isinstance(expanded, str | bool | float):
                scope.define(key, _as_text(expanded, key.place))
            return expanded
        expanded = self.expand(value, scope, key if key in KINDS else "")
        return _variables_list(expanded) if key == "variables" else expanded

    def _key(self, key: Text, scope: Scope) -> Text | None:
        try:
            value = scope.interpolate(key)
            return value if isinstance(value, Text) else Text(to_text(value), key.place)
        except PipelineError as error:
            self.problems += error.problems
        except ConversionError as error:
            self._report(key.place, f"This key is no text: {error}.")
        return None

    # -- lists

    def _list(self, items: Items, scope: Scope, within: str) -> Items:
        chain = _Chain()
        made = Items(place=items.place)
        for item in items:
            for value in self._item(item, scope, chain, within):
                made.append(value)
                if within == "variables" and isinstance(value, Fields) and isinstance(value.get("name"), Text):
                    scope.define(str(value.get("name")), value.get("value"))
        return made

    def _item(self, item: Value, scope: Scope, chain: _Chain, within: str) -> Iterator[Value]:
        if directive_of(item):
            what = f"'{item}' is a directive and needs a colon after it."
            raise fault(place_of(item, Place(scope.file, 1)), what, "Write it as a key, with its content below.")
        directives = [directive_of(key) for key in item.names()] if isinstance(item, Fields) else []
        if isinstance(item, Fields) and directives and all(d and d.word != "insert" for d in directives):
            for directive, (_, value) in zip(directives, item, strict=True):
                yield from self._item_directive(directive, value, scope, chain, within)
            return
        chain.taken = None
        if isinstance(item, Fields) and within in KINDS and "template" in item:
            yield from self._include(item, scope, within)
            return
        expanded = self.expand(item, scope, within)
        if isinstance(expanded, Items) and isinstance(item, Text):
            yield from expanded
        elif expanded is not None:
            yield expanded

    def _item_directive(
        self, directive: Directive | None, value: Value, scope: Scope, chain: _Chain, within: str
    ) -> Iterator[Value]:
        if directive is None:
            return
        for body_scope in self._bodies(directive, scope, chain, value):
            body = self.expand(value, body_scope, within)
            if isinstance(body, Items):
                yield from body
            elif body is not None and body != "":
                yield body

    # -- directives

    def _bodies(self, directive: Directive, scope: Scope, chain: _Chain, value: Value) -> list[Scope]:
        """The scopes in which the content of a directive is to be expanded: none, one, or one a turn."""
        try:
            if directive.word == "insert":
                return [scope]
            if directive.word == "each":
                chain.taken = None
                return self._turns(directive, scope, value)
            if self._taken(directive, scope, chain):
                return [scope]
        except PipelineError as error:
            self.problems += error.problems
        self._parse_only(value, scope)
        return []

    def _taken(self, directive: Directive, scope: Scope, chain: _Chain) -> bool:
        before, source, key = chain.taken, directive.source.strip(), directive.key
        if directive.word != "if" and before is None:
            raise fault(key.place, f"'{directive.word}' must follow an 'if'.", "Put it directly after its 'if'.")
        if directive.word == "else":
            if source:
                raise fault(key.place, "'else' takes no condition.", "Write elseif, or leave the condition out.")
            chain.taken = None
            return not before
        if not source:
            raise fault(
                key.place, f"'{directive.word}' needs a condition.", f"Write ${{{{ {directive.word} CONDITION }}}}:"
            )
        chain.taken = bool(before) if directive.word == "elseif" else False
        holds = truthy(scope.evaluate(source, key))
        taken = holds and not chain.taken
        chain.taken = chain.taken or holds
        return taken

    def _turns(self, directive: Directive, scope: Scope, value: Value) -> list[Scope]:
        match = _EACH.match(directive.source)
        if not match:
            raise fault(directive.key.place, f"'{directive.key}' cannot be read.", "Write ${{ each item in LIST }}:")
        first, second, source = match.groups()
        container = scope.evaluate(source, directive.key)
        turns: list[Scope] = []
        if isinstance(container, Fields):
            for key, part in container:
                pair = Fields([(Text("key"), key), (Text("value"), part)], key.place)
                turns.append(scope.loop(**({first: key, second: part} if second else {first: pair})))
        elif isinstance(container, Items) and not second:
            turns = [scope.loop(**{first: part}) for part in container]
        elif container is not None and container != "":
            what = f"'each' needs a list{' of pairs' if second else ''} or a mapping, not a {kind(container)}."
            raise fault(directive.key.place, what, "Check the parameter that it reads.")
        if not turns:
            self._parse_only(value, scope.loop(**{name: None for name in (first, second) if name}))
        return turns

    def _parse_only(self, value: Value, scope: Scope) -> None:
        """A branch that is not taken is parsed all the same."""
        if isinstance(value, Text):
            self._parse_text(value, scope)
            return
        for key, part in value if isinstance(value, Fields) else [(Text(""), part) for part in _items(value)]:
            directive = directive_of(key)
            inner = scope
            if directive is None:
                self._parse_text(key, scope)
            elif directive.word in ("if", "elseif") and directive.source.strip():
                self._parse_source(directive.source, directive.key, scope)
            elif directive.word == "each" and (match := _EACH.match(directive.source)):
                self._parse_source(match[3], directive.key, scope)
                inner = scope.loop(**{name: None for name in (match[1], match[2]) if name})
            self._parse_only(part, inner)

    def _parse_text(self, text: Text, scope: Scope) -> None:
        try:
            for start, _, source in expressions_in(text):
                self._parse_source(source, text, scope, start)
        except PipelineError as error:
            self.problems += error.problems

    def _parse_source(self, source: str, text: Text, scope: Scope, offset: int = 0) -> None:
        try:
            scope.parse(source, text, offset)
        except PipelineError as error:
            self.problems += error.problems

    # -- templates

    def _include(self, item: Fields, scope: Scope, within: str) -> Iterator[Value]:
        for key in item.names():
            if key not in ("template", "parameters"):
                self._report(key.place, f"'{key}' cannot stand beside 'template'.", "Only 'parameters' can.")
        path = scope.interpolate(Text(str(item.get("template")), place_of(item.get("template"), item.place)))
        if not isinstance(path, Text):
            raise fault(item.place, "The path of a template must be a text.")
        template = self._templates.load(path, scope.file, within)
        arguments = self.arguments(item.get("parameters"), scope, template.structure)
        inner = template.scope(arguments, item.place, scope)
        with self._templates.nested(item.place):
            body = self.expand(template.body, inner, within)
        if within == "variables":
            yield from _items(_variables_list(body))
        else:
            yield from _items(body)

    def arguments(self, value: Value, scope: Scope, structure: dict[str, str]) -> Fields:
        """The expanded arguments of a template; lists of steps, jobs or stages may include templates themselves."""
        if value is not None and value != "" and not isinstance(value, Fields):
            raise fault(
                place_of(value, Place(scope.file, 1)), "Arguments of a template are a mapping.", "Write name: value."
            )
        arguments = Fields(place=fields_of(value).place)
        chain = _Chain()
        for key, part in fields_of(value):
            within = structure.get(key.lower(), "")
            if directive_of(key) or not within:
                arguments.pairs += self._pair(key, part, scope, chain, "parameters of template")
            else:
                arguments.pairs.append((key, self.expand(part, scope, within)))
        return arguments

    def _report(self, place: Place, what: str, todo: str = "") -> None:
        self.problems.append(Problem(place, what, todo))


def _items(value: Value) -> Items:
    return value if isinstance(value, Items) else Items()


def _as_text(value: Value, place: Place) -> Text:
    return value if isinstance(value, Text) else Text(to_text(value), place)


def _variables_list(value: Value) -> Value:
    """Variables written as a mapping, as the list that the service makes of it."""
    if not isinstance(value, Fields):
        return value
    return Items(
        [
            Fields([(Text("name", key.place), key), (Text("value", key.place), _as_text(part, key.place))], key.place)
            for key, part in value
            if not isinstance(part, Items | Fields)
        ],
        value.place,
    )
