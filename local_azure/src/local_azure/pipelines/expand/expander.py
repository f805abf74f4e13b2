"""Expands directives, expressions and templates, as the service does before a run."""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TypeAlias

from local_azure.pipelines.expand.directives import Directive, branches_of, directive_of, loop_of
from local_azure.pipelines.expand.scope import Scope
from local_azure.pipelines.expand.templates import KINDS, Templates
from local_azure.pipelines.expand.work import ExpansionTooLargeError
from local_azure.pipelines.language.limits import MOST_FAULTS, MOST_TEMPLATE_LEVELS
from local_azure.pipelines.language.tree import (
    Fields,
    Items,
    Location,
    PipelineError,
    Problem,
    Text,
    Value,
    fields_of,
    items_of,
    location_of,
)
from local_azure.pipelines.language.values import ExpressionError, kind, to_text, truthy

# What is expanded first, because what follows may read it.
_FIRST = ("parameters", "variables", "resources")

_DASH = " If every iteration or branch should make a separate item, put a dash before its first key."

_Pair: TypeAlias = tuple[Text, Value]


class _Chain:
    """Remembers whether a branch of the current `if` was taken; None where no `if` precedes."""

    taken: bool | None = None


class Expander:
    """Expands one pipeline; faults are collected so that all are reported at once."""

    def __init__(self, templates: Templates) -> None:
        self._templates = templates
        self.problems: list[Problem] = []

    def expand(self, value: Value, scope: Scope, within: str = "") -> Value:
        """Expand a value. `within` is the key that holds it: it decides what a list may include.

        Raises ExpansionTooLargeError.
        """
        scope.work.location = location_of(value, scope.work.location)
        scope.work.charge(1)
        try:
            if not isinstance(value, Fields | Items):
                return scope.interpolate(value) if isinstance(value, Text) else value
            with scope.work.one_level():
                if isinstance(value, Fields):
                    return self._mapping(value, scope, within)
                return self._list(value, scope, within)
        except ExpansionTooLargeError:
            raise
        except PipelineError as error:
            self.problem(error.problem)
            return None

    def problem(self, problem: Problem) -> None:
        """Note a fault; raises ExpansionTooLargeError above the most that are reported."""
        if len(self.problems) >= MOST_FAULTS:
            raise ExpansionTooLargeError(problem.location, f"More than {MOST_FAULTS} errors; the rest are not shown.")
        self.problems.append(problem)

    # -- mappings

    def _mapping(self, fields: Fields, scope: Scope, within: str) -> Fields:
        if within in ("stages", "jobs"):
            scope = scope.inner()
        chain = _Chain()
        produced: list[list[_Pair]] = [[] for _ in fields]
        for i in _expansion_order(fields, within):
            key, value = fields[i]
            produced[i] = list(self._pair(key, value, scope, chain, within))
        return self._unique(itertools.chain.from_iterable(produced), fields.location, scope)

    def _pair(self, key: Text, value: Value, scope: Scope, chain: _Chain, within: str) -> Iterator[_Pair]:
        directive = directive_of(key)
        if directive is None:
            chain.taken = None
            yield self._field(key, value, scope, within)
            return
        for body in self._bodies(directive, value, scope, chain, within):
            if isinstance(body, Fields):
                yield from body
            elif not _is_empty(body):
                self.problem(Problem(key.location, f"Expected a mapping under '{key}', found a {kind(body)}."))

    def _field(self, key: Text, value: Value, scope: Scope, within: str) -> _Pair:
        try:
            key = Text(to_text(scope.interpolate(key)), key.location)
        except ExpressionError as error:
            self.problem(Problem(key.location, f"This key is not a string: {error}"))
        if within == "variables":
            expanded = self.expand(value, scope)
            scope.define(key, expanded)
            return key, expanded
        holds_list = key in KINDS and within != "arguments"
        expanded = self.expand(value, scope, key if holds_list else "")
        return key, _variables_list(expanded) if key == "variables" else expanded

    # -- lists

    def _list(self, items: Items, scope: Scope, within: str) -> Items:
        chain = _Chain()
        expanded = Items(location=items.location)
        for item in items:
            for value in self._caught_item(item, scope, chain, within):
                expanded.append(value)
                if within == "variables" and isinstance(value, Fields) and value.has("name"):
                    scope.define(str(value.get("name")), value.get("value"))
        return expanded

    def _caught_item(self, item: Value, scope: Scope, chain: _Chain, within: str) -> list[Value]:
        try:
            return list(self._item(item, scope, chain, within))
        except ExpansionTooLargeError:
            raise
        except PipelineError as error:
            self.problem(error.problem)
            return []

    def _item(self, item: Value, scope: Scope, chain: _Chain, within: str) -> Iterator[Value]:
        if directive_of(item):
            raise PipelineError(location_of(item, Location(scope.file, 1)), f"'{item}' needs a colon after it.")
        branches = branches_of(item)
        if branches:
            bodies: list[Value] = []
            for directive, body in branches:
                bodies += self._bodies(directive, body, scope, chain, within)
            yield from self._items_of_bodies(fields_of(item), bodies, scope)
            return
        chain.taken = None
        if isinstance(item, Fields) and within in KINDS and item.has("template"):
            yield from self._include(item, scope, within)
            return
        expanded = self.expand(item, scope, within)
        if isinstance(expanded, Items) and isinstance(item, Text):
            yield from expanded
        elif expanded is not None:
            yield expanded

    def _items_of_bodies(self, item: Fields, bodies: list[Value], scope: Scope) -> Iterator[Value]:
        """Yield what the directives of one list item have produced: lists are spliced, mappings make one item."""
        merged: list[_Pair] = []
        lists = 0
        for body in bodies:
            if isinstance(body, Fields):
                merged += body
            elif isinstance(body, Items):
                lists += 1
                yield from body
            elif not _is_empty(body):
                yield body
        if merged and lists:
            text = "This item produces both a list and a mapping. Start every branch with '- ', or none."
            raise PipelineError(merged[0][0].location, text)
        if merged:
            yield self._unique(merged, item.location, scope, _DASH)

    def _unique(self, pairs: Iterable[_Pair], location: Location, scope: Scope, advice: str = "") -> Fields:
        """Return the pairs as one mapping; a key that is produced twice is a fault."""
        merged, seen = Fields(location=location), set[str]()
        for key, value in pairs:
            if key in seen and not scope.dry:
                text = f"The key '{key}' is produced twice. Let one branch produce it.{advice}"
                self.problem(Problem(key.location, text))
            seen.add(key)
            merged.append((key, value))
        return merged

    # -- directives

    def _bodies(self, directive: Directive, value: Value, scope: Scope, chain: _Chain, within: str) -> list[Value]:
        """Expand the content of a directive as often as it applies; content that does not apply is still parsed."""
        scopes: list[Scope] = []
        unused = scope.inner(dry=True)
        try:
            if directive.word == "each":
                chain.taken = None
                names, source = loop_of(directive)
                scopes = _loop_scopes(names, scope.evaluate(source, directive.key), scope, directive.key)
                unused = unused.loop(**dict.fromkeys(names))
            elif directive.word == "insert" or self._taken(directive, scope, chain):
                scopes = [scope]
        except ExpansionTooLargeError:
            raise
        except PipelineError as error:
            self.problem(error.problem)
        if not scopes:
            self.expand(value, unused, within)
        return [self.expand(value, one, within) for one in scopes]

    def taken_branches(self, fields: Fields, scope: Scope) -> Fields:
        """Return a mapping with the branches of its `if` that apply; the values are left as they are."""
        chain, found = _Chain(), Fields(location=fields.location)
        for key, value in fields:
            directive = directive_of(key)
            if directive is None:
                chain.taken = None
                found.append((key, value))
            elif directive.word in ("each", "insert"):
                raise PipelineError(
                    key.location, f"'{directive.word}' is not supported in this block. Write the keys out."
                )
            elif self._taken(directive, scope, chain):
                found += self.taken_branches(fields_of(value), scope)
        return found

    @staticmethod
    def _taken(directive: Directive, scope: Scope, chain: _Chain) -> bool:
        """Return whether this branch of an `if` is the one that applies."""
        before, (word, source, key) = chain.taken, directive
        if word != "if" and before is None:
            raise PipelineError(key.location, f"'{word}' must follow an 'if'. Put it directly after its 'if'.")
        if (word == "else") == bool(source):
            raise PipelineError(key.location, f"'{word}' {'takes no' if source else 'needs a'} condition.")
        if word == "else":
            chain.taken = None
            return not before
        holds = truthy(scope.evaluate(source, key))
        earlier = word == "elseif" and bool(before)
        chain.taken = holds or earlier
        return holds and not earlier

    # -- templates

    def _include(self, item: Fields, scope: Scope, within: str) -> Iterator[Value]:
        if scope.dry:
            self.expand(item.get("parameters"), scope)
            return
        content, inner = self.template(item, scope, within)
        body = self.expand(content, inner, within)
        yield from items_of(_variables_list(body) if within == "variables" else body)

    def template(self, reference: Fields, scope: Scope, within: str) -> tuple[Value, Scope]:
        """Return the content of a template, and what it sees: its parameters and the variables known so far."""
        written = reference.get("template")
        if not isinstance(written, Text) or not written.strip():
            raise PipelineError(reference.location, "A template reference needs a path: template: PATH.")
        if scope.depth >= MOST_TEMPLATE_LEVELS:
            raise PipelineError(
                written.location, f"Templates include each other more than {MOST_TEMPLATE_LEVELS} levels deep."
            )
        try:
            path = Text(to_text(scope.interpolate(written)), written.location)
        except ExpressionError as error:
            raise PipelineError(written.location, f"The path of a template must be a string: {error}") from None
        declarations, content = self._templates.load(path, scope.file, within)
        arguments = Fields(location=reference.location)
        chain = _Chain()
        for key, part in fields_of(reference.get("parameters")):
            holder = declarations.within(key)
            if holder and directive_of(key) is None:
                arguments.append((key, self.expand(part, scope, holder)))
            else:
                arguments += self._pair(key, part, scope, chain, "arguments")
        bound = declarations.bind(arguments, reference.location)
        inner = Scope(declarations.file, bound, scope.variables, untyped=declarations.untyped, work=scope.work)
        return content, replace(inner, depth=scope.depth + 1)


def _expansion_order(fields: Fields, within: str) -> list[int]:
    """Return the positions of a mapping's pairs in the order of their expansion."""
    indexes = range(len(fields))
    if within not in ("root", "stages", "jobs"):
        return list(indexes)
    return sorted(indexes, key=lambda i: fields[i][0] not in _FIRST)


def _loop_scopes(names: list[str], container: Value, scope: Scope, key: Text) -> list[Scope]:
    """Return the scope of each turn of the loop in `key`; raises PipelineError."""
    takes_pairs_apart = len(names) > 1
    scope.work.charge(len(container) if isinstance(container, Items | Fields) else 0)
    if isinstance(container, Fields) and takes_pairs_apart:
        return [scope.loop(**dict(zip(names, pair, strict=True))) for pair in container]
    if isinstance(container, Fields):
        pairs = [Fields([(Text("key"), name), (Text("value"), value)]) for name, value in container]
        return [scope.loop(**{names[0]: pair}) for pair in pairs]
    if isinstance(container, Items) and not takes_pairs_apart:
        return [scope.loop(**{names[0]: part}) for part in container]
    if not _is_empty(container):
        raise PipelineError(key.location, f"'each' cannot iterate over a {kind(container)}.")
    return []


def _is_empty(value: Value) -> bool:
    return value is None or value == ""


def _variables_list(value: Value) -> Value:
    """Convert variables written as a mapping to the list that the service makes of it."""
    if not isinstance(value, Fields):
        return value
    return Items([_variable(key, part) for key, part in value], value.location)


def _variable(name: Text, value: Value) -> Fields:
    return Fields([(Text("name", name.location), name), (Text("value", name.location), value)], name.location)
