"""Checks of cron schedules and of pipeline resources."""

from __future__ import annotations

import re
from collections.abc import Iterator

from local_azure.pipelines.tree import Fields, Problem, Text, fields_of, items_of

_FIELDS = (("minute", 0, 59), ("hour", 0, 23), ("day", 1, 31), ("month", 1, 12), ("weekday", 0, 6))
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_PART = re.compile(r"(\*|\d+|[A-Za-z]+)(?:-(\d+|[A-Za-z]+))?(?:/(\d+))?\Z")
_EXAMPLE = "Five fields in UTC: minute hour day month weekday, such as '0 4 * * 1'."


def schedule_faults(pipeline: Fields) -> Iterator[Problem]:
    """Faults of `schedules` and `resources.pipelines`."""
    schedules = pipeline.get("schedules")
    for schedule in items_of(schedules):
        cron = fields_of(schedule).get("cron")
        if isinstance(cron, Text):
            fault = cron_fault(cron)
            if fault:
                yield Problem(cron.place, f"The schedule '{cron}' is not understood: {fault}.", _EXAMPLE)
    for resource in items_of(fields_of(pipeline.get("resources")).get("pipelines")):
        if isinstance(resource, Fields) and "source" not in resource:
            name = resource.get("pipeline")
            yield Problem(resource.place, f"The pipeline resource '{name}' names no source.", "Add source: PIPELINE.")


def cron_fault(text: str) -> str:
    """What is wrong with a cron expression; the empty text when nothing is."""
    parts = text.split()
    if len(parts) != len(_FIELDS):
        return f"it has {len(parts)} fields"
    for part, (name, lowest, highest) in zip(parts, _FIELDS, strict=True):
        for element in part.split(","):
            fault = _element_fault(element, name, lowest, highest)
            if fault:
                return fault
    return ""


def _element_fault(element: str, name: str, lowest: int, highest: int) -> str:
    match = _PART.match(element)
    if not match:
        return f"'{element}' is no {name}"
    bounds = [_value(bound, name) for bound in match.groups()[:2] if bound and bound != "*"]
    for bound in bounds:
        if bound is None or not lowest <= bound <= highest:
            return f"the {name} '{element}' is not between {lowest} and {highest}"
    if len(bounds) == 2 and (bounds[0] or 0) > (bounds[1] or 0):
        return f"the range '{element}' of the {name} runs backwards"
    if match[3] and int(match[3]) == 0:
        return f"the step of '{element}' is zero"
    return ""


def _value(text: str, name: str) -> int | None:
    if text.isdigit():
        return int(text)
    word = text.lower()[:3]
    if name == "month" and word in _MONTHS:
        return _MONTHS.index(word) + 1
    return _WEEKDAYS.index(word) if name == "weekday" and word in _WEEKDAYS else None
