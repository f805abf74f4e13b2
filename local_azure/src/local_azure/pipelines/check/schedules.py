"""Rules about cron expressions of schedules."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from local_azure.pipelines.expand.model import Pipeline
from local_azure.pipelines.language.tree import Problem, mappings_of

_PART = re.compile(r"(?:\*|([0-9]{1,3}|[A-Za-z]+)(?:-([0-9]{1,3}|[A-Za-z]+))?)(?:/([1-9][0-9]{0,2}))?\Z")


class _Field(NamedTuple):
    """A field of a cron expression; `words` stand for its numbers from `lowest` on."""

    name: str
    lowest: int
    highest: int
    words: tuple[str, ...] = ()

    def number(self, written: str) -> int:
        """Return the number of a digit sequence or a word; -1 for an unknown word."""
        if written.isdigit():
            return int(written)
        word = written[:3].lower()
        return self.lowest + self.words.index(word) if word in self.words else -1

    def holds(self, element: str) -> bool:
        """Return whether an element is legal: a number, a range, `*`, each also with a step."""
        match = _PART.match(element)
        if match is None:
            return False
        bounds = [self.number(bound) for bound in match.groups()[:2] if bound]
        return bounds == sorted(bounds) and all(self.lowest <= bound <= self.highest for bound in bounds)


_FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day", 1, 31),
    _Field("month", 1, 12, ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")),
    _Field("weekday", 0, 6, ("sun", "mon", "tue", "wed", "thu", "fri", "sat")),
)


def schedule_faults(pipeline: Pipeline) -> Iterator[Problem]:
    """Yield every cron expression that the service would not understand."""
    for schedule in mappings_of(pipeline.fields.get("schedules")):
        cron = str(schedule.get("cron"))
        fault = _cron_fault(cron)
        if fault:
            text = f"The schedule '{cron}' is not understood: {fault}."
            yield Problem(schedule.key("cron").location, text)


def _cron_fault(text: str) -> str:
    """Return what is wrong with a cron expression; the empty text when nothing is."""
    parts = text.split()
    if len(parts) != len(_FIELDS):
        return f"it has {len(parts)} fields, not five (minute hour day month weekday, in UTC)"
    for part, field in zip(parts, _FIELDS, strict=True):
        for element in part.split(","):
            if not field.holds(element):
                return f"the {field.name} '{element}' is not between {field.lowest} and {field.highest}"
    return ""
