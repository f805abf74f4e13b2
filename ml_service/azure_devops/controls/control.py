"""One control: what it must be, what it is, and how it is made so."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

Facts = Mapping[str, str]
"""The properties of an object that matter, as they are shown."""


@dataclass(frozen=True)
class Drift:
    """One property that is not as declared."""

    object: str
    property: str
    expected: str
    found: str
    todo: str


@dataclass(frozen=True)
class Control:
    """One object in Azure DevOps. title: its name for people. place: where its page is."""

    title: str
    place: str
    expected: Facts
    found: Facts | None
    """None: there is no such object."""
    write: Callable[[], None] | None = field(repr=False, default=None)
    """Create it, or make it what it must be; None: only a person can, or what it belongs to must exist first."""
    remove: Callable[[], None] | None = field(repr=False, default=None)
    """None: it belongs to the project itself, or there is none."""
    is_part: bool = False
    """Whether it belongs to an object that does not exist: `apply` makes that one first."""

    @property
    def drifts(self) -> tuple[Drift, ...]:
        """The differences; one where the object is missing."""
        if self.found is None:
            return (self._drift("exists", "yes", "no"),)
        differing = [name for name, value in self.expected.items() if self.found.get(name, "none") != value]
        return tuple(self._drift(name, self.expected[name], self.found.get(name, "none")) for name in differing)

    def _drift(self, name: str, expected: str, found: str) -> Drift:
        remedy = "python -m infra.azure_devops apply" if self.write or self.is_part else "by hand"
        return Drift(self.title, name, expected, found, f"{self.place} ({remedy})")
