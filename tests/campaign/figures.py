"""Figures of a campaign as a table, and the guarantees that they violated."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


def counted(numbers: Mapping[str, int]) -> str:
    """ "a 3, b 2": what there was, by its kind."""
    return ", ".join(f"{name} {number}" for name, number in sorted(numbers.items())) or "none"


def slowest(seconds: Iterable[float]) -> str:
    """The longest and the median of some durations."""
    known = sorted(seconds)
    return f"{known[-1]:.2f} s, median {known[len(known) // 2]:.2f} s" if known else "none"


@dataclass
class Figures:
    """Lines of a table, and what was guaranteed and not kept; thread-safe as far as lists are."""

    title: str
    rows: list[tuple[str, str]] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    def add(self, name: str, value: object) -> None:
        """One more line."""
        self.rows.append((name, str(value)))

    def broke(self, guarantee: str) -> None:
        """A guarantee was not kept."""
        self.broken.append(guarantee)

    def __str__(self) -> str:
        """The table."""
        width = max((len(name) for name, _ in self.rows), default=0)
        lines = [self.title, *(f"  {name:<{width}}  {value}" for name, value in self.rows)]
        lines += [f"  VIOLATED: {guarantee}" for guarantee in self.broken]
        return "\n".join([*lines, "every guarantee was kept" if not self.broken else f"{len(self.broken)} violated"])
