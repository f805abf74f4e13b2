"""Expands directives, expressions and templates, as the service does before a run."""

import re
from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

from local_azure.pipelines.expand.scope import Scope
from local_azure.pipelines.expand.templates import KINDS, Templates
from local_azure.pipelines.language.evaluation import kind, to_text, truthy
from local_azure.pipelines.language.grammar import ExpressionError
from local_azure.pipelines.language.tree import (
    Fields,
    Items,
    PipelineError,
    Place,
    Problem,
    Text,
    Value,
    fields_of,
    place_of,
)

_DIRECTIVE = re.compile(r"\s*\$\{\{\s*(if|elseif|else|each|insert)\b(.*)\}\}\s*\Z", re.DOTALL)
_EACH = re.compile(r"\s*(\w+)\s*(?:,\s*(\w+)\s*)?\bin\b(.*)\Z", re.DOTALL)
_MOST_LEVELS = 100
# What is expanded first, because what follows may read it.
_FIRST = ("parameters", "variables", "resources")

_Pair: TypeAlias = tuple[Text, Value]


class Directive(NamedTuple):
    """A directive key: its word, its source text and the key it stands in."""

    word: str
    source: str
    key: Text


class _Chain:
    """Remembers whether a branch of the current `if` was taken; None where no `if` precedes."""

    taken: bool | None = None


def directive_of(key: Value) -> Directive | None:
    """The directive that a key holds, if it is one."""
    match = _DIRECTIVE.match(key) if isinstance(key, Text) else None
    return Directive(match[1], match[2].strip(), key) if match and isinstance(key, Text) else None


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
            return scope.interpolate(value) if isinstance(value, Text) else value
        except PipelineError as error:
            self.problems.append(error.problem)
            return None

    def _mapping(self, fields: Fields, scope: Scope, within: str) -> Fields:
        scope = scope.inner() if within in ("stages", "jobs") else scope
        early = {i for i, (key, _) in enumerate(fields) if key in _FIRST and within in ("root", "stages", "jobs")}
        chain = _Chain()
        produced: dict[int, list[_Pair]] = {}
        for i in sorted(range(len(fields)), key=lambda i: i not in early):
            produced[i] = list(self._pair(*fields[i], scope, chain, within))
        made = Fields(place=fields.place)
        for key, value in (pair for i in range(len(fields)) for pair in produced[i]):
            if made.has(key) and not scope.dry:
                self.problems.append(
                    Problem(key.place, f"The key '{key}' is produced twice. Let one branch produce it.")
                )
            made.append((key, value))
        return made

    def _pair(self, key: Text, value: Value, scope: Scope, chain: _Chain, within: str) -> Iterator[_Pair]:
        directive = directive_of(key)
        if directive is None:
            chain.taken = None
            yield self._field(key, value, scope, within)
            return
        for body in self._bodies(directive, value, scope, chain, within):
            if isinstance(body, Fields):
                yield from body
            elif body is not None and body != "":
                self.problems.append(Problem(key.place, f"A mapping must stand under '{key}', not a {kind(body)}."))

    def _field(self, key: Text, value: Value, scope: Scope, within: str) -> tuple[Text, Value]:
        try:
            key = Text(to_text(scope.interpolate(key)), key.place)
        except ExpressionError as error:
            self.problems.append(Problem(key.place, f"This key is no text: {error}"))
        if within != "variables":
            expanded = self.expand(value, scope, key if key in KINDS and within != "arguments" else "")
            return key, _variables_list(expanded) if key == "variables" else expanded
        expanded = self.expand(value, scope)
        scope.define(key, expanded)
        return key, expanded

    def _list(self, items: Items, scope: Scope, within: str) -> Items:
        chain = _Chain()
        made = Items(place=items.place)
        for item in items:
            try:
                values = list(self._item(item, scope, chain, within))
            except PipelineError as error:
                values = []
                self.problems.append(error.problem)
            for value in values:
                made.append(value)
                if within == "variables" and isinstance(value, Fields) and value.has("name"):
                    scope.define(str(value.get("name")), value.get("value"))
        return made

    def _item(self, item: Value, scope: Scope, chain: _Chain, within: str) -> Iterator[Value]:
        if directive_of(item):
            raise PipelineError(place_of(item, Place(scope.file, 1)), f"'{item}' needs a colon after it.")
        directives = [directive_of(key) for key in item.names()] if isinstance(item, Fields) else []
        if directives and all(found and found.word != "insert" for found in directives):
            for directive, (_, value) in zip(directives, fields_of(item), strict=True):
                for body in self._bodies(directive, value, scope, chain, within) if directive else ():
                    yield from body if isinstance(body, Items) else [body] if body not in (None, "") else []
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

    # -- directives

    def _bodies(self, directive: Directive, value: Value, scope: Scope, chain: _Chain, within: str) -> list[Value]:
        """The expanded content of a directive, as often as it applies; what does not apply is parsed all the same."""
        scopes: list[Scope] = []
        dried = scope.inner(dry=True)
        try:
            if directive.word == "each":
                chain.taken = None
                names, scopes = self._turns(directive, scope)
                dried = dried.loop(**dict.fromkeys(names))
            elif directive.word == "insert" or self._taken(directive, scope, chain):
                scopes = [scope]
        except PipelineError as error:
            self.problems.append(error.problem)
        if not scopes:
            self.expand(value, dried, within)
        return [self.expand(value, one, within) for one in scopes]

    @staticmethod
    def _taken(directive: Directive, scope: Scope, chain: _Chain) -> bool:
        before, (word, source, key) = chain.taken, directive
        if word != "if" and before is None:
            raise PipelineError(key.place, f"'{word}' must follow an 'if'. Put it directly after its 'if'.")
        if (word == "else") == bool(source):
            raise PipelineError(key.place, f"'{word}' {'takes no' if source else 'needs a'} condition.")
        if word == "else":
            chain.taken = None
            return not before
        holds = truthy(scope.evaluate(source, key))
        chain.taken = holds or (word == "elseif" and bool(before))
        return holds and not (word == "elseif" and before)

    @staticmethod
    def _turns(directive: Directive, scope: Scope) -> tuple[list[str], list[Scope]]:
        """Names of the loop variables, and the scopes of all turns."""
        match = _EACH.match(directive.source)
        if not match:
            raise PipelineError(directive.key.place, "'each' cannot be read. Write ${{ each item in LIST }}:")
        first, second, source = match.groups()
        names = [name for name in (first, second) if name]
        container = scope.evaluate(source, directive.key)
        if isinstance(container, Fields):
            pairs = [(key, part, Fields([(Text("key"), key), (Text("value"), part)])) for key, part in container]
            return names, [scope.loop(**({first: k, second: v} if second else {first: pair})) for k, v, pair in pairs]
        if isinstance(container, Items) and not second:
            return names, [scope.loop(**{first: part}) for part in container]
        if container is not None and container != "":
            raise PipelineError(directive.key.place, f"'each' cannot go through a {kind(container)}.")
        return names, []

    # -- templates

    def _include(self, item: Fields, scope: Scope, within: str) -> Iterator[Value]:
        if scope.dry:
            self.expand(item.get("parameters"), scope)
            return
        content, inner = self.template(item, scope, within)
        body = self.expand(content, inner, within)
        body = _variables_list(body) if within == "variables" else body
        yield from body if isinstance(body, Items) else []

    def template(self, reference: Fields, scope: Scope, within: str) -> tuple[Value, Scope]:
        """The content of a template, and what it sees: its parameters and the variables known so far."""
        written = reference.get("template")
        if not isinstance(written, Text):
            raise PipelineError(reference.place, "A template is named by its path: template: PATH.")
        if scope.depth >= _MOST_LEVELS:
            raise PipelineError(written.place, f"Templates include each other more than {_MOST_LEVELS} levels deep.")
        path = Text(to_text(scope.interpolate(written)), written.place)
        declarations, content = self._templates.load(path, scope.file, within)
        arguments = Fields(place=reference.place)
        chain = _Chain()
        for key, part in fields_of(reference.get("parameters")):
            parts = declarations.within(key)
            if parts and directive_of(key) is None:
                arguments.append((key, self.expand(part, scope, parts)))
            else:
                arguments += self._pair(key, part, scope, chain, "arguments")
        bound = declarations.bind(arguments, reference.place)
        return content, Scope(declarations.file, bound, scope.variables, depth=scope.depth + 1)


def _variables_list(value: Value) -> Value:
    """Variables written as a mapping, as the list that the service makes of it."""
    if not isinstance(value, Fields):
        return value
    pairs = [((Text("name", key.place), key), (Text("value", key.place), part)) for key, part in value]
    return Items([Fields(pair, pair[0][1].place) for pair in pairs], value.place)
