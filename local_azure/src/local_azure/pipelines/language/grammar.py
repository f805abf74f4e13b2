"""Parser of the expression language: `${{ }}`, `$[ ]` and conditions. Every branch is parsed, also one not taken."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple, TypeAlias

from local_azure.pipelines.language.functions import FUNCTIONS, STATUS_FUNCTIONS, Function
from local_azure.pipelines.language.limits import (
    MOST_DIGITS,
    MOST_EXPRESSION_CHARACTERS,
    MOST_EXPRESSION_DEPTH,
)
from local_azure.pipelines.language.tree import Value, Version, nearest
from local_azure.pipelines.language.values import ExpressionError, unknown_name

# Possessive where two repetitions could share characters: a long lexeme is read once, whatever follows it.
_TOKEN = re.compile(
    r"\s*+(?:(?P<text>'(?:[^']++|'')*+')|(?P<version>[0-9]++(?:\.[0-9]++){2,3}+\b)"
    r"|(?P<number>[-+]?(?:0[xX][0-9A-Fa-f]++|[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)\b)"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*+)|(?P<mark>[()\[\],.*]))"
)
_LONGEST_CACHED = 500
_LONGEST_QUOTED = 200
_CONSTANTS: dict[str, Value] = {"true": True, "false": False, "null": None}


class Literal(NamedTuple):
    """A constant."""

    value: Value


class Name(NamedTuple):
    """A context, such as `parameters`, in lower case."""

    name: str


class Index(NamedTuple):
    """`target.key`, `target['key']`, `target[0]`; without a key it is `target.*`."""

    target: Expression
    key: Expression | None


class Call(NamedTuple):
    """A function with its arguments; the name is in lower case."""

    name: str
    arguments: tuple[Expression, ...]


Expression: TypeAlias = "Literal | Name | Index | Call"


def parse(text: str, contexts: tuple[str, ...], *, status: bool = False) -> Expression:
    """Parse `text`, in which only `contexts` may be named; status functions only where `status`.

    Raises ExpressionError.
    """
    if len(text) <= _LONGEST_CACHED:
        return _parsed_once(str(text), contexts, status)
    if len(text) > MOST_EXPRESSION_CHARACTERS:
        raise ExpressionError(f"An expression may have {MOST_EXPRESSION_CHARACTERS} characters, not {len(text)}.")
    return _parsed(text, contexts, status)


def _parsed(text: str, contexts: tuple[str, ...], status: bool) -> Expression:
    functions = FUNCTIONS | STATUS_FUNCTIONS if status else FUNCTIONS
    parser = _Parser(text, [name.lower() for name in contexts], functions)
    expression = parser.expression()
    if parser.kind != "end":
        raise ExpressionError(f"'{parser.lexeme[:_LONGEST_QUOTED]}' is not expected here in {_quoted(text)}.")
    return expression


_parsed_once = lru_cache(maxsize=4096)(_parsed)


def _quoted(text: str) -> str:
    text = text.strip()
    return f'"{text}"' if len(text) <= _LONGEST_QUOTED else f'"{text[:_LONGEST_QUOTED]}..."'


def _lexemes(text: str) -> Iterator[tuple[str, str]]:
    position, end = 0, len(text.rstrip())
    while position < end:
        match = _TOKEN.match(text, position)
        if not match or match.lastgroup is None:
            rest = text[position : position + _LONGEST_QUOTED].strip()
            hint = " Write texts in single quotes." if rest.startswith('"') else ""
            raise ExpressionError(f"'{rest[:20]}' cannot be read in {_quoted(text)}.{hint}")
        lexeme = match[match.lastgroup]
        if match.lastgroup in ("version", "number") and len(lexeme) > MOST_DIGITS:
            raise ExpressionError(f"A number may have {MOST_DIGITS} digits, not {len(lexeme)}.")
        yield match.lastgroup, lexeme
        position = match.end()
    yield "end", "the end"


class _Parser:
    def __init__(self, text: str, contexts: list[str], functions: Mapping[str, Function]) -> None:
        self._lexemes = _lexemes(text)
        self._contexts = contexts
        self._functions = functions
        self._depth = 0
        self.kind, self.lexeme = next(self._lexemes)

    def _advance(self) -> str:
        before = self.lexeme
        self.kind, self.lexeme = next(self._lexemes, ("end", "the end"))
        return before

    def _at(self, *marks: str) -> bool:
        return self.kind == "mark" and self.lexeme in marks

    def _expect(self, mark: str) -> None:
        if not self._at(mark):
            raise ExpressionError(f"'{mark}' is expected, not {self.lexeme}.")
        self._advance()

    def expression(self) -> Expression:
        """Parse one value with everything that is read from it."""
        depth = self._depth
        self._deeper()
        value = self._primary()
        while self._at(".", "["):
            self._deeper()
            if self._advance() == ".":
                value = Index(value, self._property())
            else:
                value = Index(value, self.expression())
                self._expect("]")
        self._depth = depth
        return value

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > MOST_EXPRESSION_DEPTH:
            raise ExpressionError(
                f"The expression is nested more than {MOST_EXPRESSION_DEPTH} levels deep at {self.lexeme[:20]}."
            )

    def _property(self) -> Expression | None:
        if self._at("*"):
            self._advance()
            return None
        if self.kind != "name":
            raise ExpressionError(f"Expected a name after the dot, found '{self.lexeme}'.")
        return Literal(self._advance())

    def _primary(self) -> Expression:
        kind, lexeme = self.kind, self._advance()
        if kind == "text":
            return Literal(lexeme[1:-1].replace("''", "'"))
        if kind == "version":
            return Literal(Version(map(int, lexeme.split("."))))
        if kind == "number":
            return Literal(float(int(lexeme, 16)) if "x" in lexeme.lower() else float(lexeme))
        if kind != "name":
            raise ExpressionError(f"Expected a value, found '{lexeme}'.")
        if self._at("("):
            return self._call(lexeme)
        name = lexeme.lower()
        if name in _CONSTANTS:
            return Literal(_CONSTANTS[name])
        if name not in self._contexts:
            raise unknown_name(f"'{lexeme}' is not available here.", lexeme, sorted(self._contexts))
        return Name(name)

    def _call(self, name: str) -> Expression:
        arguments = self._arguments()
        function = self._functions.get(name.lower())
        if function is None:
            raise ExpressionError(self._unknown(name))
        if not function.fewest <= len(arguments) <= function.most:
            exact = function.fewest == function.most
            wanted = str(function.fewest) if exact else f"at least {function.fewest}"
            raise ExpressionError(f"{name}() takes {wanted} arguments, not {len(arguments)}.")
        return Call(name.lower(), tuple(arguments))

    def _arguments(self) -> list[Expression]:
        self._expect("(")
        arguments: list[Expression] = []
        while not self._at(")"):
            if arguments:
                self._expect(",")
            arguments.append(self.expression())
        self._expect(")")
        return arguments

    def _unknown(self, name: str) -> str:
        if name.lower() in STATUS_FUNCTIONS:
            return f"{name}() can be used in conditions only."
        if name.lower() == "counter":
            return "counter() is not supported; use $(Build.BuildId)."
        known = [function.name for function in self._functions.values()]
        return f"There is no function {name}(). {nearest(name, known)}"


def walk(expression: Expression) -> Iterator[Expression]:
    """Yield the expression and all its parts, outermost first."""
    yield expression
    for part in _parts(expression):
        yield from walk(part)


def _parts(expression: Expression) -> tuple[Expression, ...]:
    if isinstance(expression, Call):
        return expression.arguments
    if isinstance(expression, Index):
        return (expression.target,) if expression.key is None else (expression.target, expression.key)
    return ()


def _path_of(expression: Expression) -> tuple[str, ...]:
    """Return context and names that an expression reads by; empty where it does something else."""
    if isinstance(expression, Name):
        return (expression.name,)
    if not isinstance(expression, Index) or not isinstance(expression.key, Literal):
        return ()
    key, target = expression.key.value, _path_of(expression.target)
    return (*target, str(key)) if target and isinstance(key, str) else ()


def paths(expression: Expression) -> list[tuple[str, ...]]:
    """Return the paths that are read from contexts by names: `context.a['b']` is (context, a, b)."""
    found = [path for path in map(_path_of, walk(expression)) if path]
    beginnings = {path[:length] for path in found for length in range(1, len(path))}
    return [path for path in found if path not in beginnings]
