"""Evaluates parsed expressions."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

from local_azure.pipelines.language.functions import FUNCTIONS, STATUS_FUNCTIONS
from local_azure.pipelines.language.grammar import Call, Expression, Literal, Name
from local_azure.pipelines.language.tree import Fields, Items, Value, size_of
from local_azure.pipelines.language.values import elements, to_number, to_text, truthy

StatusFunctions: TypeAlias = Callable[[str, tuple[str, ...]], bool]
Charge: TypeAlias = Callable[[int], None]


def evaluate(
    expression: Expression,
    contexts: Mapping[str, Value],
    status: StatusFunctions | None = None,
    charge: Charge | None = None,
) -> Value:
    """Evaluate an expression. `contexts` has names in lower case; `status` answers the status functions.

    `charge` is told how much each function reads, in nodes or 100 characters. Raises ExpressionError.
    """
    return _Evaluation(contexts, status, charge).value(expression)


class _Filtered(Items):
    """The outcome of `.*`: a further index is read from each element."""


class _Evaluation:
    def __init__(self, contexts: Mapping[str, Value], status: StatusFunctions | None, charge: Charge | None) -> None:
        self._contexts = contexts
        self._status = status
        self._charge = charge

    def value(self, part: Expression) -> Value:
        if isinstance(part, Literal):
            return part.value
        if isinstance(part, Name):
            return self._contexts.get(part.name)
        if isinstance(part, Call):
            return self._call(part)
        target = self.value(part.target)
        if part.key is None:
            self._count([target])
            return _Filtered(elements(target))
        return _read(target, self.value(part.key))

    def _call(self, call: Call) -> Value:
        if call.name in STATUS_FUNCTIONS:
            names = tuple(to_text(self.value(argument)) for argument in call.arguments)
            return self._status is not None and self._status(call.name, names)
        if call.name == "and":
            return all(truthy(self.value(argument)) for argument in call.arguments)
        if call.name == "or":
            return any(truthy(self.value(argument)) for argument in call.arguments)
        if call.name == "iif":
            condition, if_true, if_false = call.arguments
            return self.value(if_true if truthy(self.value(condition)) else if_false)
        values = [self.value(argument) for argument in call.arguments]
        self._count(values)
        return FUNCTIONS[call.name].compute(*values)

    def _count(self, values: list[Value]) -> None:
        if self._charge is not None:
            self._charge(sum(size_of(value).nodes for value in values))


def _read(target: Value, key: Value) -> Value:
    """Return the value under a key, or None."""
    if isinstance(target, _Filtered):
        found = [_read(element, key) for element in target]
        return _Filtered(value for value in found if value is not None)
    if isinstance(target, Fields):
        return target.lookup(to_text(key))
    if isinstance(target, Items):
        position = to_number(key)
        return target[int(position)] if position.is_integer() and 0 <= position < len(target) else None
    return None
