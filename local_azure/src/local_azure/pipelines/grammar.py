"""Parser of the expression language: `${{ }}`, `$[ ]` and conditions. Every branch is parsed, also one not taken."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

from local_azure.pipelines.tree import Value, Version, nearest

# name: (fewest, most arguments); None means any number.
FUNCTIONS: dict[str, tuple[int, int | None]] = {
    "and": (2, None), "or": (2, None), "xor": (2, 2), "not": (1, 1), "eq": (2, 2), "ne": (2, 2), "lt": (2, 2),
    "le": (2, 2), "gt": (2, 2), "ge": (2, 2), "in": (2, None), "notin": (2, None), "contains": (2, 2),
    "containsvalue": (2, 2), "startswith": (2, 2), "endswith": (2, 2), "coalesce": (2, None), "iif": (3, 3),
    "format": (1, None), "join": (2, 2), "split": (2, 2), "replace": (3, 3), "lower": (1, 1), "upper": (1, 1),
    "trim": (1, 1), "length": (1, 1), "converttojson": (1, 1),
}  # fmt: skip
STATUS_FUNCTIONS: dict[str, tuple[int, int | None]] = {
    "succeeded": (0, None), "failed": (0, None), "succeededorfailed": (0, None), "always": (0, 0), "canceled": (0, 0),
}  # fmt: skip
_SPELLING = {
    name.lower(): name
    for name in (
        "notIn", "containsValue", "startsWith", "endsWith", "convertToJson", "succeededOrFailed",
    )
}  # fmt: skip
_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<version>\d+(?:\.\d+){2,3}\b)|(?P<number>[-+]?(?:0[xX][0-9A-Fa-f]+|\d+\.?\d*|\.\d+)\b)"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*)|(?P<mark>[()\[\],.*]))"
)
_CONSTANTS: dict[str, Value] = {"true": True, "false": False, "null": None}


class ExpressionError(Exception):
    """An expression cannot be parsed or evaluated; says what and what to do."""


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant."""

    value: Value


@dataclass(frozen=True, slots=True)
class Name:
    """A context, such as `parameters`."""

    name: str


@dataclass(frozen=True, slots=True)
class Index:
    """`target.key`, `target['key']`, `target[0]`; without a key it is `target.*`."""

    target: Expression
    key: Expression | None


@dataclass(frozen=True, slots=True)
class Call:
    """A function with its arguments; the name is in lower case."""

    name: str
    arguments: tuple[Expression, ...]


Expression: TypeAlias = "Literal | Name | Index | Call"


def parse(text: str, contexts: Collection[str], *, status: bool = False) -> Expression:
    """Parse `text`, in which only `contexts` may be named; status functions only where `status`.

    Raises ExpressionError.
    """
    return _parse(text, frozenset(name.lower() for name in contexts), status)


@lru_cache(maxsize=4096)
def _parse(text: str, contexts: frozenset[str], status: bool) -> Expression:
    parser = _Parser(_tokens(text), contexts, STATUS_FUNCTIONS if status else {})
    expression = parser.expression()
    if parser.kind != "end":
        raise ExpressionError(f"'{parser.lexeme}' is not expected here in \"{text.strip()}\".")
    return expression


def _tokens(text: str) -> list[tuple[str, str]]:
    tokens: list[tuple[str, str]] = []
    position = 0
    end = len(text.rstrip())
    while position < end:
        match = _TOKEN.match(text, position)
        if not match or match.lastgroup is None:
            rest = text[position:end].strip()
            hint = " Texts stand in single quotes." if rest.startswith('"') else ""
            raise ExpressionError(f"'{rest[:20]}' cannot be read in \"{text.strip()}\".{hint}")
        tokens.append((match.lastgroup, match[match.lastgroup]))
        position = match.end()
    return [*tokens, ("end", "the end")]


class _Parser:
    def __init__(
        self,
        tokens: list[tuple[str, str]],
        contexts: frozenset[str],
        status: dict[str, tuple[int, int | None]],
    ) -> None:
        self._tokens = iter(tokens)
        self._contexts = contexts
        self._functions = FUNCTIONS | status
        self._without_status = not status
        self.kind, self.lexeme = next(self._tokens)

    def _advance(self) -> str:
        lexeme = self.lexeme
        self.kind, self.lexeme = next(self._tokens, ("end", "the end"))
        return lexeme

    def _expect(self, mark: str) -> None:
        if self.lexeme != mark or self.kind != "mark":
            raise ExpressionError(f"'{mark}' is expected where {self.lexeme} stands.")
        self._advance()

    def expression(self) -> Expression:
        """One value with everything that is read from it."""
        value = self._primary()
        while self.kind == "mark" and self.lexeme in (".", "["):
            if self._advance() == ".":
                value = Index(value, self._property())
            else:
                value = Index(value, self.expression())
                self._expect("]")
        return value

    def _property(self) -> Expression | None:
        if self.kind == "mark" and self.lexeme == "*":
            self._advance()
            return None
        if self.kind != "name":
            raise ExpressionError(f"A name is expected after the dot, not {self.lexeme}.")
        return Literal(self._advance())

    def _primary(self) -> Expression:
        kind, lexeme = self.kind, self._advance()
        if kind == "text":
            return Literal(lexeme[1:-1].replace("''", "'"))
        if kind == "version":
            return Literal(Version(tuple(int(part) for part in lexeme.split("."))))
        if kind == "number":
            return Literal(float(int(lexeme, 16)) if "x" in lexeme.lower() else float(lexeme))
        if kind != "name":
            raise ExpressionError(f"A value is expected where {lexeme} stands.")
        if self.kind == "mark" and self.lexeme == "(":
            return self._call(lexeme)
        if lexeme.lower() in _CONSTANTS:
            return Literal(_CONSTANTS[lexeme.lower()])
        if lexeme.lower() not in self._contexts:
            raise ExpressionError(
                f"'{lexeme}' cannot be read here. {nearest(lexeme, sorted(self._contexts))}".strip()
            )
        return Name(lexeme.lower())

    def _call(self, name: str) -> Expression:
        self._expect("(")
        arguments: list[Expression] = []
        while not (self.kind == "mark" and self.lexeme == ")"):
            if arguments:
                self._expect(",")
            arguments.append(self.expression())
        self._expect(")")
        allowed = self._functions.get(name.lower())
        if allowed is None:
            raise ExpressionError(self._unknown(name))
        fewest, most = allowed
        if len(arguments) < fewest or (most is not None and len(arguments) > most):
            wanted = str(fewest) if fewest == most else f"{fewest} to {most}" if most else f"at least {fewest}"
            raise ExpressionError(f"{name}() takes {wanted} arguments, not {len(arguments)}.")
        return Call(name.lower(), tuple(arguments))

    def _unknown(self, name: str) -> str:
        if name.lower() in STATUS_FUNCTIONS and self._without_status:
            return f"{name}() is for conditions only; here it has no meaning."
        if name.lower() == "counter":
            return "counter() is not supported; take the build id instead."
        legal = [_SPELLING.get(known, known) for known in self._functions]
        return f"There is no function {name}(). {nearest(name, legal)}".strip()


def walk(expression: Expression) -> Iterator[Expression]:
    """The expression and all its parts, outermost first."""
    yield expression
    if isinstance(expression, Index):
        yield from walk(expression.target)
        if expression.key is not None:
            yield from walk(expression.key)
    elif isinstance(expression, Call):
        for argument in expression.arguments:
            yield from walk(argument)


def path_of(expression: Expression) -> tuple[str, ...] | None:
    """The names of `context.a['b']` in order, the context first; None when it is not such a path."""
    if isinstance(expression, Name):
        return (expression.name,)
    if (
        isinstance(expression, Index)
        and isinstance(expression.key, Literal)
        and isinstance(expression.key.value, str)
    ):
        before = path_of(expression.target)
        return None if before is None else (*before, str(expression.key.value))
    return None


def paths(expression: Expression) -> Iterator[tuple[str, ...]]:
    """Every longest path that is read from a context."""
    found = path_of(expression)
    if found is not None:
        yield found
    elif isinstance(expression, Index):
        yield from paths(expression.target)
        if expression.key is not None:
            yield from paths(expression.key)
    elif isinstance(expression, Call):
        for argument in expression.arguments:
            yield from paths(argument)
