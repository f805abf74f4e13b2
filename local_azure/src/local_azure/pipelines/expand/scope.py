"""What an expression of the expansion can see, and how it is evaluated there."""

from __future__ import annotations

import re
from collections import ChainMap
from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass, field, replace

from local_azure.pipelines.expand.queue_facts import run_time_only
from local_azure.pipelines.language.evaluation import evaluate, to_text
from local_azure.pipelines.language.grammar import ExpressionError, parse, paths, refused
from local_azure.pipelines.language.reader import EXPRESSION
from local_azure.pipelines.language.tree import Fields, PipelineError, Text, Value

_EXPRESSION_END = re.compile(r"'(?:[^']|'')*'|\}\}")


@dataclass(frozen=True)
class Scope:
    """One file's view: its own parameters, the variables known so far, the loop variables around a place.

    In a `dry` scope expressions are parsed and checked, and are worth nothing: a branch that is not taken.
    """

    file: str
    parameters: Fields
    variables: MutableMapping[str, tuple[str, Value]]
    loops: dict[str, Value] = field(default_factory=dict)
    dry: bool = False
    depth: int = 0

    def define(self, name: str, value: Value) -> None:
        """Make a variable known to what follows in this scope."""
        self.variables[name.lower()] = (name, value)

    def inner(self, *, dry: bool = False) -> Scope:
        """The scope of a stage or job, or of a branch that is not taken: its variables do not leave it."""
        return replace(self, variables=ChainMap({}, self.variables), dry=self.dry or dry)

    def loop(self, **values: Value) -> Scope:
        """The scope inside a loop."""
        return replace(self, loops={**self.loops, **{name.lower(): value for name, value in values.items()}})

    def evaluate(self, source: str, text: Text, offset: int = 0) -> Value:
        """The value of an expression that stands in `text`; raises PipelineError."""
        try:
            expression = parse(source, ("parameters", "variables", *self.loops))
            for path in paths(expression):
                self._check(path)
            if self.dry:
                return None
            contexts: dict[str, Value] = {"parameters": self.parameters, **self.loops}
            contexts["variables"] = Fields([(Text(name), value) for name, value in self.variables.values()])
            value = evaluate(expression, contexts)
        except ExpressionError as error:
            raise PipelineError(text.place_at(offset), f"In ${{{{{source}}}}}: {error}") from None
        return Text(value, text.place) if isinstance(value, str) and not isinstance(value, Text) else value

    def _check(self, path: tuple[str, ...]) -> None:
        """What is read must be there: the service would read nothing, without a word."""
        name = ".".join(path[1:])
        declared = [key.lower() for key in self.parameters.names()]
        if path[0] == "parameters" and name and path[1].lower() not in declared:
            raise refused(
                f"The parameter '{path[1]}' is not declared in {self.file}.", path[1], self.parameters.names()
            )
        if path[0] == "variables" and name and name.lower() not in self.variables:
            if name.lower() in run_time_only():
                raise ExpressionError(f"The variable '{name}' exists only at run time. Use $({name}) or a condition.")
            known = (spelling for spelling, _ in self.variables.values())
            raise refused(f"The variable '{name}' is not known here (-v gives those of the web page).", name, known)

    def interpolate(self, text: Text) -> Value:
        """A text with its expressions replaced; one that is a single expression keeps its type."""
        found = list(expressions_in(text))
        if len(found) == 1 and not (text[: found[0][0]] + text[found[0][1] :]).strip():
            return self.evaluate(found[0][2], text, found[0][0])
        parts, done = [], 0
        for start, end, source in found:
            try:
                parts += [text[done:start], to_text(self.evaluate(source, text, start))]
            except ExpressionError as error:
                raise PipelineError(text.place_at(start), f"In ${{{{{source}}}}}: {error}") from None
            done = end
        return Text("".join([*parts, text[done:]]), text.place) if found else text


def expressions_in(text: Text) -> Iterator[tuple[int, int, str]]:
    """Start, end and inner source of every `${{ }}`; raises PipelineError for one that is not closed."""
    position = 0
    while (start := text.find(EXPRESSION, position)) >= 0:
        ends = (m.end() for m in _EXPRESSION_END.finditer(text, start + len(EXPRESSION)) if m[0] == "}}")
        position = next(ends, -1)
        if position < 0:
            raise PipelineError(text.place_at(start), "This ${{ is not closed. Close it with }} in the same value.")
        yield start, position, text[start + len(EXPRESSION) : position - 2]
