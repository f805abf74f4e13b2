"""Every regular expression of ours takes time that grows as its text does, whatever a stranger writes.

They are collected from the sources: all calls of `re` in ml_service, mlops_code and local_azure, so that a new one is
covered. Each meets texts that are made from its own parts to be as bad as possible, and the worst of them at 1 MB.
Patterns of pydantic are not collected: its engine is linear by design.
"""

from __future__ import annotations

import ast
import importlib
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from re import _constants as codes  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = {
    "ml_service": ROOT,
    "mlops_code": ROOT / "mlops_code",
    "local_azure/src/local_azure": ROOT / "local_azure/src",
}
CALLS = {"compile", "match", "fullmatch", "search", "sub", "subn", "split", "findall", "finditer"}
SIZES = (12, 18, 24, 30, 1_000, 4_000, 16_000, 64_000)
MEGABYTE = 1_000_000
SLOWEST = 2  # of the texts of an expression: only these grow to a megabyte
SECONDS_A_MEGABYTE, LEAST_SECONDS = 1.5, 0.08  # linear ones take some 0.02; a quadratic one takes an hour
TRIES = 3  # a busy machine
MATCHED_ONLY = {"local_azure.machine_learning.domain.runs.history_filters"}
"""Modules that hand their expressions on to a method that calls `match`."""
MADE_WHEN_RUN = {
    "local_azure.machine_learning.domain.data.snapshots fullmatch f'Snapshots/{_ID.pattern}/{re.escape(name)}'": (
        "a name as it stands, no repetition"
    ),
    "local_azure.machine_learning.http.routing compile pattern": "our own routes; a part ends at the next slash",
    "local_azure.pipelines.check.schema.service_schema search pattern": "patterns of the vendored schema",
    "local_azure.pipelines.language.functions split f'[{re.escape(characters)}]'": "one set of characters",
}
"""Place of an expression that is put together when it is needed -> why it is linear, and where that is tested."""
_CERTIFICATES = "-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----\\n"
NEVER_FOREIGN = {
    r"local_azure.machine_learning.http.routing split (\{[^}]+\})": "our own routes",
    r"local_azure.machine_learning.http.routing findall \{([^}]+)\}": "our own routes",
    f"local_azure.machine_learning.storage.certificates compile {_CERTIFICATES}"[:200]: "the bundle of certifi",
    r"local_azure.pipelines.run.agent.variables compile \$\((.*?)\)": "meets only text that ends with a bracket",
}


@dataclass(frozen=True)
class Found:
    """One expression in the sources. whole: it must match from the first character, as match and fullmatch do."""

    place: str
    pattern: str
    flags: int
    whole: bool


def expressions() -> Iterator[Found]:
    """Every expression that a call of `re` names."""
    for package, root in SOURCES.items():
        for path in sorted((ROOT / package).rglob("*.py")):
            text = path.read_text(encoding="utf-8")
            if "re." not in text:
                continue  # without a call of it; parsing all sources takes a second in each test process
            tree = ast.parse(text)
            module = ".".join(path.relative_to(root).with_suffix("").parts)
            for call in ast.walk(tree):
                if is_call(call):
                    yield of_call(call, module, tree)


def is_call(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and (node.func.value.id, node.func.attr in CALLS) == ("re", True)
    )


def of_call(call: Any, module: str, tree: ast.AST) -> Found:
    arguments = {keyword.arg: keyword.value for keyword in call.keywords}
    named = arguments.get("flags")
    place_of_flags = {"compile": 1, "sub": 4, "subn": 4, "split": 3}.get(call.func.attr, 2)
    if named is None and len(call.args) > place_of_flags:
        named = call.args[place_of_flags]
    try:
        pattern = evaluated(call.args[0], module)
        pattern = pattern.decode("latin-1") if isinstance(pattern, bytes) else str(pattern)
    except NameError:
        return Found(f"{module} {call.func.attr} {ast.unparse(call.args[0])[:60]}", "", 0, whole=False)
    flags = int(evaluated(named, module)) if named is not None else 0
    name = assigned_to(call, tree) if call.func.attr == "compile" else ""
    used = uses_of(name, tree) if name else {call.func.attr}
    whole = (bool(used) and used <= {"match", "fullmatch"}) or module in MATCHED_ONLY
    return Found(f"{module} {call.func.attr} {pattern[:60]}", pattern, flags, whole)


def evaluated(node: Any, module: str) -> Any:
    """The value of an argument: a literal, or what it is in its module."""
    code = compile(ast.Expression(node), module, "eval")
    try:
        return eval(code, {"re": re})  # noqa: S307 - our own sources
    except NameError:
        return eval(code, vars(importlib.import_module(module)))  # noqa: S307 - our own sources


def assigned_to(call: ast.AST, tree: ast.AST) -> str:
    """The name of a compiled expression; empty where it has none of its own."""
    for node in ast.walk(tree):
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        if getattr(node, "value", None) is call and isinstance(target, ast.Name):
            return target.id
    return ""


def uses_of(name: str, tree: ast.AST) -> set[str]:
    """How a module uses a compiled expression; empty where it hands it on."""
    used = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == name
    }
    loads = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id == name]
    named = sum(isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == name for node in ast.walk(tree))
    return used if len(loads) == named + 1 else set()


def samples(items: Sequence[Any]) -> list[str]:
    """For each part of a parsed expression, in its order, a text that it matches; parts of parts as well."""
    return [text for code, argument in items for text in parts(code, argument)]


def parts(code: Any, argument: Any) -> list[str]:
    if code in (codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT):
        least, _, inner = argument
        again: int = max(1, min(least, 50))
        return samples(inner) * again
    if code is codes.SUBPATTERN:
        return samples(argument[3])
    if code is codes.ATOMIC_GROUP:
        return samples(argument)
    if code is codes.BRANCH:
        return ["".join(samples(argument[1][-1]))]
    return [one_character(code, argument)]


def one_character(code: Any, argument: Any) -> str:
    if code is codes.LITERAL:
        return chr(argument)
    if code is codes.IN:
        tried = "a0 x./_-=\\\"'\t\n,;:%[](){}<>é"
        wanted = [chr(value) for kind, value in argument if kind is codes.LITERAL]
        wanted += [chr(value[0]) for kind, value in argument if kind is codes.RANGE]
        matcher = re.compile(class_text(argument))
        return next((text for text in [*wanted, *tried] if matcher.fullmatch(text)), "~")
    if code in (codes.ANY, codes.NOT_LITERAL):
        return "x" if argument != ord("x") else "y"
    return ""  # places and looks around, which take no character


CATEGORIES = {
    codes.CATEGORY_DIGIT: r"\d", codes.CATEGORY_NOT_DIGIT: r"\D", codes.CATEGORY_SPACE: r"\s",
    codes.CATEGORY_NOT_SPACE: r"\S", codes.CATEGORY_WORD: r"\w", codes.CATEGORY_NOT_WORD: r"\W",
}  # fmt: skip


def class_text(argument: Any) -> str:
    """A parsed set of characters as an expression again."""
    said = ""
    for kind, value in argument:
        if kind is codes.NEGATE:
            said = "^" + said
        elif kind is codes.LITERAL:
            said += re.escape(chr(value))
        elif kind is codes.RANGE:
            said += f"{re.escape(chr(value[0]))}-{re.escape(chr(value[1]))}"
        elif kind is codes.CATEGORY:
            said += CATEGORIES[value]
    return f"[{said}]"


def pumps(pattern: str, flags: int) -> list[tuple[str, str]]:
    """Head and what is repeated after it: the beginnings of a match again and again, and each part of it for long."""
    texts = samples(parser.parse(pattern, flags))
    found = {("", text) for text in texts}
    for place, text in enumerate(texts, 1):
        found.add(("", "".join(texts[:place])))
        found.add(("".join(texts[:place]), text))
    found |= {("", "a"), ("", " "), ("", "\n"), ("", "0"), ("", "".join(texts) + "\n")}
    return sorted((head, text) for head, text in found if text)


def seconds(expression: re.Pattern[str], text: str, *, whole: bool) -> float:
    started = time.process_time()  # other work of the machine does not count
    if whole:
        expression.fullmatch(text)
        expression.match(text)
    else:
        for _ in expression.finditer(text):
            pass
    return time.process_time() - started


def slow_for(found: Found) -> str:
    """The first text for which it is slower than linear; empty where there is none."""
    expression = re.compile(found.pattern, found.flags)
    taken: list[tuple[float, str, str]] = []
    for head, text in pumps(found.pattern, found.flags):
        for size in SIZES:
            needed = least_seconds(expression, found, head + text * (size // len(text)) + "\x00")
            if needed > allowed(size):
                return said(head, text, size)
        taken.append((needed, head, text))
    for _, head, text in sorted(taken)[-SLOWEST:]:
        if least_seconds(expression, found, head + text * (MEGABYTE // len(text)) + "\x00") > allowed(MEGABYTE):
            return said(head, text, MEGABYTE)
    return ""


def allowed(size: int) -> float:
    return max(LEAST_SECONDS, SECONDS_A_MEGABYTE * size / MEGABYTE)


def said(head: str, text: str, size: int) -> str:
    return f"{head!r} + {text!r} again and again, {size} characters"


def least_seconds(expression: re.Pattern[str], found: Found, given: str) -> float:
    """Of several tries, as soon as one is quick enough."""
    needed = float("inf")
    for _ in range(TRIES):
        needed = min(needed, seconds(expression, given, whole=found.whole))
        if needed <= allowed(len(given)):
            break
    return needed


FOUND = list(expressions())


def test_all_are_collected() -> None:
    assert len(FOUND) > 60
    assert not set(NEVER_FOREIGN) - {found.place for found in FOUND}
    assert {found.place for found in FOUND if not found.pattern} == set(MADE_WHEN_RUN)


@pytest.mark.parametrize(
    "found",
    [found for found in FOUND if found.pattern and found.place not in NEVER_FOREIGN],
    ids=lambda found: found.place,
)
def test_a_megabyte_of_the_worst_is_read_in_linear_time(found: Found) -> None:
    assert slow_for(found) == "", f"{found.pattern} is slower than linear"


@pytest.mark.parametrize("pattern", [r"eyJ[\w-]+\.[\w-]+", r"##vso\[([^\]]*)\]", r"(a+)+$", r"\s+$", r'\{\s*"e".*\}'])
def test_it_finds_the_slow_ones(pattern: str) -> None:
    assert slow_for(Found("here", pattern, re.DOTALL, whole=False))
