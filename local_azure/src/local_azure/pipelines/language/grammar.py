"""Parser of the expression language: `${{ }}`, `$[ ]` and conditions. Every branch is parsed, also one not taken."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple, TypeAlias

from local_azure.pipelines.language.tree import Value, Version, nearest

# Fewest and most arguments of each function; "-" means any number.
_ARITIES = """and 2 - or 2 - xor 2 2 not 1 1 eq 2 2 ne 2 2 lt 2 2 le 2 2 gt 2 2 ge 2 2 in 2 - notIn 2 - contains 2 2
containsValue 2 2 startsWith 2 2 endsWith 2 2 coalesce 2 - iif 3 3 format 1 - join 2 2 split 2 2 replace 3 3 lower 1 1
upper 1 1 trim 1 1 length 1 1 convertToJson 1 1"""
_STATUS_ARITIES = "succeeded 0 - failed 0 - succeededOrFailed 0 - always 0 0 canceled 0 0"


def _table(text: str) -> dict[str, tuple[str, int, int]]:
    """Function names in lower case: spelling, fewest and most arguments."""
    words = text.split()
    triples = zip(words[::3], words[1::3], words[2::3], strict=True)
    return {name.lower(): (name, int(low), 99 if high == "-" else int(high)) for name, low, high in triples}


FUNCTIONS = _table(_ARITIES)
STATUS_FUNCTIONS = _table(_STATUS_ARITIES)
_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<version>\d+(?:\.\d+){2,3}\b)|(?P<number>[-+]?(?:0[xX][0-9A-Fa-f]+|\d+\.?\d*|\.\d+)\b)"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*)|(?P<mark>[()\[\],.*]))"
)
_CONSTANTS: dict[str, Value] = {"true": True, "false": False, "null": None}


class ExpressionError(Exception):
    """An expression cannot be parsed or evaluated; says what and what to do."""


def refused(what: str, name: str, legal: Iterable[str]) -> ExpressionError:
    """The error about a name, with the nearest legal one."""
    return ExpressionError(f"{what} {nearest(name, legal)}")


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


@lru_cache(maxsize=4096)
def parse(text: str, contexts: tuple[str, ...], *, status: bool = False) -> Expression:
    """Parse `text`, in which only `contexts` may be named; status functions only where `status`.

    Raises ExpressionError.
    """
    parser = _Parser(text, [name.lower() for name in contexts], FUNCTIONS | (STATUS_FUNCTIONS if status else {}))
    expression = parser.expression()
    if parser.kind != "end":
        raise ExpressionError(f"'{parser.lexeme}' is not expected here in \"{text.strip()}\".")
    return expression


def _lexemes(text: str) -> Iterator[tuple[str, str]]:
    position, end = 0, len(text.rstrip())
    while position < end:
        match = _TOKEN.match(text, position)
        if not match or match.lastgroup is None:
            rest = text[position:end].strip()
            hint = " Texts stand in single quotes." if rest.startswith('"') else ""
            raise ExpressionError(f"'{rest[:20]}' cannot be read in \"{text.strip()}\".{hint}")
        yield match.lastgroup, match[match.lastgroup]
        position = match.end()
    yield "end", "the end"


class _Parser:
    def __init__(self, text: str, contexts: list[str], functions: dict[str, tuple[str, int, int]]) -> None:
        self._lexemes = _lexemes(text)
        self._contexts = contexts
        self._functions = functions
        self.kind, self.lexeme = next(self._lexemes)

    def _advance(self) -> str:
        before = self.lexeme
        self.kind, self.lexeme = next(self._lexemes, ("end", "the end"))
        return before

    def _at(self, *marks: str) -> bool:
        return self.kind == "mark" and self.lexeme in marks

    def _expect(self, mark: str) -> None:
        if not self._at(mark):
            raise ExpressionError(f"'{mark}' is expected where {self.lexeme} stands.")
        self._advance()

    def expression(self) -> Expression:
        """One value with everything that is read from it."""
        value = self._primary()
        while self._at(".", "["):
            if self._advance() == ".":
                value = Index(value, self._property())
            else:
                value = Index(value, self.expression())
                self._expect("]")
        return value

    def _property(self) -> Expression | None:
        if self._at("*"):
            self._advance()
            return None
        if self.kind != "name":
            raise ExpressionError(f"A name is expected after the dot, not {self.lexeme}.")
        return Literal(self._advance())

    def _primary(self) -> Expression:
        kind, lexeme = self.kind, self._advance()
        low = lexeme.lower()
        if kind == "text":
            return Literal(lexeme[1:-1].replace("''", "'"))
        if kind == "version":
            return Literal(Version(map(int, lexeme.split("."))))
        if kind == "number":
            return Literal(float(int(lexeme, 16)) if "x" in low else float(lexeme))
        if kind != "name":
            raise ExpressionError(f"A value is expected where {lexeme} stands.")
        if self._at("("):
            return self._call(lexeme)
        if low not in _CONSTANTS and low not in self._contexts:
            raise refused(f"'{lexeme}' cannot be read here.", lexeme, sorted(self._contexts))
        return Literal(_CONSTANTS[low]) if low in _CONSTANTS else Name(low)

    def _call(self, name: str) -> Expression:
        self._expect("(")
        arguments: list[Expression] = []
        while not self._at(")"):
            if arguments:
                self._expect(",")
            arguments.append(self.expression())
        self._expect(")")
        spelling, fewest, most = self._functions.get(name.lower(), ("", 0, 0))
        if not spelling:
            raise ExpressionError(self._unknown(name))
        if not fewest <= len(arguments) <= most:
            wanted = str(fewest) if fewest == most else f"at least {fewest}"
            raise ExpressionError(f"{name}() takes {wanted} arguments, not {len(arguments)}.")
        return Call(name.lower(), tuple(arguments))

    def _unknown(self, name: str) -> str:
        if name.lower() in STATUS_FUNCTIONS:
            return f"{name}() is for conditions only; here it has no meaning."
        if name.lower() == "counter":
            return "counter() is not supported; take the build id instead."
        return f"There is no function {name}(). {nearest(name, (known[0] for known in self._functions.values()))}"


def walk(expression: Expression) -> Iterator[Expression]:
    """The expression and all its parts, outermost first."""
    yield expression
    parts = expression.arguments if isinstance(expression, Call) else ()
    for part in (expression.target, expression.key) if isinstance(expression, Index) else parts:
        if part is not None:
            yield from walk(part)


def _path_of(expression: Expression) -> tuple[str, ...]:
    if isinstance(expression, Name):
        return (expression.name,)
    key = expression.key if isinstance(expression, Index) else None
    if isinstance(expression, Index) and isinstance(key, Literal) and isinstance(key.value, str):
        before = _path_of(expression.target)
        return (*before, str(key.value)) if before else ()
    return ()


def paths(expression: Expression) -> list[tuple[str, ...]]:
    """Everything that is read from a context by names, the context first: `context.a['b']` is (context, a, b)."""
    found = [path for part in walk(expression) if (path := _path_of(part))]
    return [path for path in found if not any(longer[: len(path)] == path != longer for longer in found)]
