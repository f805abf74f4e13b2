"""What an expression of the expansion can see, and how it is evaluated there."""

from __future__ import annotations

import re
from collections import ChainMap
from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass, field, replace

from local_azure.pipelines.expand.queue_facts import run_time_only
from local_azure.pipelines.expand.work import Work
from local_azure.pipelines.language.evaluation import evaluate
from local_azure.pipelines.language.grammar import Expression, Name, parse, paths, walk
from local_azure.pipelines.language.limits import MOST_DEPTH, MOST_TEXT_CHARACTERS
from local_azure.pipelines.language.reader import EXPRESSION
from local_azure.pipelines.language.tree import Fields, PipelineError, Text, Value, size_of
from local_azure.pipelines.language.values import ExpressionError, to_text, unknown_name

_DIRECTIVE_WORD = re.compile(r"\s*(if|elseif|else|each|insert)\b(?!\s*[(.\[])")
_EXPRESSION_END = re.compile(r"'[^']*+'|\}\}")


@dataclass(frozen=True)
class Scope:
    """What one file sees: its own parameters, the variables known so far, the loop variables around a location.

    `untyped`: its parameters are in the old form or not declared; one that is not there is null.
    In a `dry` scope expressions are parsed and checked but not evaluated: a branch that is not taken.
    """

    file: str
    parameters: Fields
    variables: MutableMapping[str, tuple[str, Value]]
    loops: dict[str, Value] = field(default_factory=dict)
    dry: bool = False
    untyped: bool = False
    depth: int = 0
    work: Work = field(default_factory=Work)

    def define(self, name: str, value: Value) -> None:
        """Make a variable known to what follows in this scope."""
        self.variables[name.lower()] = (name, value)

    def inner(self, *, dry: bool = False) -> Scope:
        """Return the scope of a stage or job, or of a branch that is not taken: its variables do not leave it."""
        return replace(self, variables=ChainMap({}, self.variables), dry=self.dry or dry)

    def loop(self, **values: Value) -> Scope:
        """Return the scope inside a loop."""
        return replace(self, loops={**self.loops, **{name.lower(): value for name, value in values.items()}})

    def evaluate(self, source: str, text: Text, offset: int = 0) -> Value:
        """Return the value of an expression that is part of `text`; raises PipelineError."""
        self.work.location = text.location
        self.work.charge(1 + len(source) // 100)
        try:
            value = self._value(source)
            self._check_size(value)
        except ExpressionError as error:
            raise PipelineError(text.location_at(offset), f"In ${{{{{source}}}}}: {error}") from None
        if isinstance(value, str) and not isinstance(value, Text):
            return Text(value, text.location)
        return value

    def _check_size(self, value: Value) -> None:
        """Count what an expression inserts; raises ExpressionError where it is nested too deeply."""
        size = size_of(value)
        self.work.charge(size.nodes)
        if size.depth > MOST_DEPTH:
            raise ExpressionError(f"The value is nested more than {MOST_DEPTH} levels deep. Reduce the nesting.")

    def _value(self, source: str) -> Value:
        word = _DIRECTIVE_WORD.match(source)
        if word and word[1] not in self.loops:
            raise ExpressionError(
                f"'{word[1]}' is a directive: it must be the whole key, as in ${{{{ {word[1]} ... }}}}:"
            )
        expression = parse(source, ("parameters", "variables", *self.loops))
        for context, *names in paths(expression):
            if context == "parameters" and names:
                self._check_parameter(names[0])
            if context == "variables" and names:
                self._check_variable(".".join(names))
        if self.dry:
            return None
        contexts = {"parameters": self.parameters, **self.loops, "variables": self._variables_of(expression)}
        return evaluate(expression, contexts, charge=self.work.charge)

    def _variables_of(self, expression: Expression) -> Fields:
        """Return the variables that an expression reads by name; all of them where it computes a name."""
        found = Fields()
        names = [path[1] for path in paths(expression) if path[0] == "variables" and len(path) > 1]
        reads = sum(isinstance(part, Name) and part.name == "variables" for part in walk(expression))
        if reads > len(names):
            self.work.charge(len(self.variables))
            names = list(self.variables)
        for name in names:
            if name.lower() in self.variables:
                spelling, value = self.variables[name.lower()]
                found.append((Text(spelling), value))
        return found

    def _check_parameter(self, name: str) -> None:
        """Raise ExpressionError for an undeclared parameter: the service would silently read nothing."""
        declared = self.parameters.names()
        if self.untyped:
            return
        if name.lower() not in [key.lower() for key in declared]:
            raise unknown_name(f"The parameter '{name}' is not declared in {self.file}.", name, declared)

    def _check_variable(self, name: str) -> None:
        """Raise ExpressionError for an unknown variable: the service would silently read nothing."""
        if name.lower() in self.variables:
            return
        if name.lower() in run_time_only():
            raise ExpressionError(f"The variable '{name}' exists only at run time. Use $({name}) or a condition.")
        known = (spelling for spelling, _ in self.variables.values())
        text = f"The variable '{name}' is not defined. Set queue-time variables with -v {name}=VALUE."
        raise unknown_name(text, name, known)

    def interpolate(self, text: Text) -> Value:
        """Replace the expressions of a text; a text that is a single expression keeps the type of its value."""
        found = list(expressions_in(text))
        if not found:
            return text
        start, end, source = found[0]
        if len(found) == 1 and not (text[:start] + text[end:]).strip():
            return self.evaluate(source, text, start)
        parts, done, length = [], 0, len(text)
        for start, end, source in found:
            parts += [text[done:start], self._as_text(source, text, start)]
            length += len(parts[-1])
            if length > MOST_TEXT_CHARACTERS:
                text_of_fault = f"This string would be longer than {MOST_TEXT_CHARACTERS} characters. Shorten it."
                raise PipelineError(text.location, text_of_fault)
            done = end
        self.work.charge(length // 100)
        return Text("".join([*parts, text[done:]]), text.location)

    def _as_text(self, source: str, text: Text, offset: int) -> str:
        try:
            return to_text(self.evaluate(source, text, offset))
        except ExpressionError as error:
            raise PipelineError(text.location_at(offset), f"In ${{{{{source}}}}}: {error}") from None


def expressions_in(text: Text) -> Iterator[tuple[int, int, str]]:
    """Yield start, end and inner source of every `${{ }}`; raises PipelineError for one that is not closed."""
    position = 0
    while (start := text.find(EXPRESSION, position)) >= 0:
        inner = start + len(EXPRESSION)
        ends = (match.end() for match in _EXPRESSION_END.finditer(text, inner) if match[0] == "}}")
        position = next(ends, -1)
        if position < 0:
            raise PipelineError(
                text.location_at(start), "This ${{ is not closed. Close it with }} in the same value."
            )
        yield start, position, text[inner : position - 2]
