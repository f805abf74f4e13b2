"""Figures of a campaign as a table, and the promises that they broke."""

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
    """Lines of a table, and what was promised and not kept; thread-safe as far as lists are."""

    title: str
    rows: list[tuple[str, str]] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    def add(self, name: str, value: object) -> None:
        """One more line."""
        self.rows.append((name, str(value)))

    def broke(self, promise: str) -> None:
        """A promise was not kept."""
        self.broken.append(promise)

    def __str__(self) -> str:
        """The table."""
        width = max((len(name) for name, _ in self.rows), default=0)
        lines = [self.title, *(f"  {name:<{width}}  {value}" for name, value in self.rows)]
        lines += [f"  BROKEN: {promise}" for promise in self.broken]
        return "\n".join([*lines, "every promise was kept" if not self.broken else f"{len(self.broken)} broken"])
