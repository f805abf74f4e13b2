"""Where `${{ }}` is legal: below stages, jobs, steps, variables, pools, containers; a plain value also in resources.

The service answers elsewhere 'A template expression is not allowed in this context'. Source: Microsoft's page on
template expressions; plain values in resources since sprint 212.
"""

from collections.abc import Iterator

from local_azure.pipelines.language.reader import EXPRESSION
from local_azure.pipelines.language.tree import Fields, Items, Location, Problem, Text, Value

# Blocks of the root that are read before anything is expanded.
_WITHOUT_EXPRESSIONS = ("trigger", "pr", "schedules", "parameters")
# Resources in which directives are legal too.
_WITH_DIRECTIVES = ("containers",)


def misplaced_expressions(document: Fields) -> Iterator[Problem]:
    """Yield every expression of one file that is where the service allows none."""
    for key, value in document:
        if EXPRESSION in key:
            yield _problem(key.location, "as a key at the top level")
        elif key in _WITHOUT_EXPRESSIONS:
            yield from _anywhere(value, f"in '{key}'")
        elif key == "resources":
            yield from _in_resources(value)


def _problem(location: Location, where: str) -> Problem:
    allowed = "under stages, jobs, steps, variables and containers, and as a plain value in resources"
    return Problem(
        location, f"A template expression is not allowed {where}. It is allowed {allowed}. Write the literal value."
    )


def _anywhere(value: Value, where: str) -> Iterator[Problem]:
    """Yield every expression of a tree."""
    if isinstance(value, Text) and EXPRESSION in value:
        yield _problem(value.location, where)
    elif isinstance(value, Items):
        for part in value:
            yield from _anywhere(part, where)
    elif isinstance(value, Fields):
        for key, part in value:
            if EXPRESSION in key:
                yield _problem(key.location, where)
            else:
                yield from _anywhere(part, where)


def _in_resources(value: Value) -> Iterator[Problem]:
    if not isinstance(value, Fields):
        yield from _anywhere(value, "in 'resources'")
        return
    for key, entries in value:
        if EXPRESSION in key:
            yield _problem(key.location, "as a key of 'resources'")
        elif key in _WITH_DIRECTIVES:
            continue
        elif isinstance(entries, Items):
            for entry in entries:
                yield from _in_entry(entry, f"resources.{key}")
        else:
            yield from _anywhere(entries, f"in 'resources.{key}'")


def _in_entry(entry: Value, where: str) -> Iterator[Problem]:
    """Yield the expressions of one resource that are more than the plain value of a key."""
    if not isinstance(entry, Fields):
        yield from _anywhere(entry, f"as an item of '{where}'")
        return
    for key, value in entry:
        if EXPRESSION in key:
            yield _problem(key.location, f"as a key in '{where}'")
        elif key == "trigger":
            yield from _anywhere(value, f"in '{where}.trigger'")
        elif isinstance(value, Fields):
            yield from _in_entry(value, f"{where}.{key}")
