"""What an expression of the expansion can see, and how it is evaluated there."""

from __future__ import annotations

import re
from collections import ChainMap
from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass, field, replace

from local_azure.pipelines.evaluation import evaluate
from local_azure.pipelines.grammar import Expression, ExpressionError, parse, paths
from local_azure.pipelines.queue_facts import run_time_only
from local_azure.pipelines.reader import EXPRESSION
from local_azure.pipelines.tree import Fields, Items, Text, Value, fault, nearest
from local_azure.pipelines.values import ConversionError, to_text

_EXPRESSION_END = re.compile(r"'(?:[^']|'')*'|\}\}")


@dataclass(frozen=True)
class Scope:
    """One file's view: its own parameters, the variables known so far, the loop variables around a place."""

    file: str
    parameters: Fields
    variables: MutableMapping[str, tuple[str, Value]] = field(default_factory=dict)
    loops: dict[str, Value] = field(default_factory=dict)

    def define(self, name: str, value: Value) -> None:
        """Make a variable known to what follows in this scope."""
        self.variables[name.lower()] = (name, value)

    def inner(self) -> Scope:
        """The scope of a stage or job: its variables do not leave it."""
        return replace(self, variables=ChainMap({}, self.variables))

    def loop(self, **values: Value) -> Scope:
        """The scope inside a loop."""
        return replace(self, loops={**self.loops, **{name.lower(): value for name, value in values.items()}})

    def parse(self, source: str, text: Text, offset: int) -> Expression:
        """Parse an expression and check what it reads; raises PipelineError."""
        place = text.place_at(offset)
        try:
            expression = parse(source, {"parameters", "variables", *self.loops})
        except ExpressionError as error:
            raise fault(place, f"In ${{{{{source}}}}}: {error}") from None
        for path in paths(expression):
            if path[0] == "parameters" and len(path) > 1:
                if path[1].lower() not in (key.lower() for key in self.parameters.names()):
                    todo = nearest(path[1], self.parameters.names())
                    raise fault(place, f"The parameter '{path[1]}' is not declared in {self.file}.", todo)
            elif path[0] == "variables" and len(path) > 1:
                self._check_variable(".".join(path[1:]), text, offset)
        return expression

    def _check_variable(self, name: str, text: Text, offset: int) -> None:
        if name.lower() in self.variables:
            return
        place = text.place_at(offset)
        if run_time_only(name):
            what = f"The variable '{name}' exists only at run time; in ${{{{ }}}} the service reads nothing."
            raise fault(place, what, f"Use $({name}) or a condition.")
        known = [known_name for known_name, _ in self.variables.values()]
        close = nearest(name, known)
        todo = close if close.startswith("Did") else "Define it above, or give it with -v NAME=VALUE."
        raise fault(place, f"The variable '{name}' is not known at this point; the service would read nothing.", todo)

    def evaluate(self, source: str, text: Text, offset: int = 0) -> Value:
        """The value of an expression; raises PipelineError."""
        expression = self.parse(source, text, offset)
        contexts: dict[str, Value] = {"parameters": self.parameters, **self.loops}
        if "variables" in source.lower():
            contexts["variables"] = Fields([(Text(name), value) for name, value in self.variables.values()])
        try:
            value = evaluate(expression, contexts)
        except ExpressionError as error:
            raise fault(text.place_at(offset), f"In ${{{{{source}}}}}: {error}") from None
        return Text(value, text.place) if isinstance(value, str) and not isinstance(value, Text) else value

    def interpolate(self, text: Text) -> Value:
        """A text with its expressions replaced; one that is a single expression keeps its type."""
        if EXPRESSION not in text:
            return text
        found = list(expressions_in(text))
        first_start, first_end, source = found[0]
        if len(found) == 1 and not text[:first_start].strip() and not text[first_end:].strip():
            return self.evaluate(source, text, first_start)
        parts: list[str] = []
        done = 0
        for start, end, source in found:
            value = self.evaluate(source, text, start)
            if isinstance(value, Items | Fields):
                what = f"${{{{{source}}}}} is a list or mapping and cannot stand inside a text."
                raise fault(text.place_at(start), what, "convertToJson() makes a text of it.")
            try:
                parts += [text[done:start], to_text(value)]
            except ConversionError as error:
                raise fault(text.place_at(start), f"In ${{{{{source}}}}}: {error}.") from None
            done = end
        return Text("".join([*parts, text[done:]]), text.place)


def expressions_in(text: Text) -> Iterator[tuple[int, int, str]]:
    """Start, end and inner source of every `${{ }}`; raises PipelineError for one that is not closed."""
    position = 0
    while (start := text.find(EXPRESSION, position)) >= 0:
        for match in _EXPRESSION_END.finditer(text, start + len(EXPRESSION)):
            if match[0] == "}}":
                yield start, match.end(), text[start + len(EXPRESSION) : match.start()]
                position = match.end()
                break
        else:
            raise fault(text.place_at(start), "This ${{ is not closed.", "Close it with }} on the same value.")
