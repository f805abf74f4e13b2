"""Write docs/dependencies.md, which says what keeps each package from its newest release.

`python -m requirements.held_back` asks the registry for the newest releases; `make lock` runs it. Without a network
`check` tells whether the page still fits the lock and the requirements of the installed packages.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions

from packaging.requirements import Requirement

from requirements.locks import HERE, ROOT, Locked, canonical, locked

PAGE = ROOT / "docs" / "dependencies.md"
NOTHING = "nothing: `make lock UPGRADE=1` takes it"
_ROW = re.compile(r"^\| `(?P<name>\S+)` \| (?P<version>\S+) \| (?P<newest>\S+) \| (?P<reason>.+) \|$", re.MULTILINE)
_NEEDED = re.compile(r"`([^`]+)`, which is held back too")


@dataclass(frozen=True)
class HeldBack:
    """A package whose newest release is not the locked one."""

    name: str
    version: str
    newest: str
    reason: str

    def row(self) -> str:
        """Return the line of the table."""
        return f"| `{self.name}` | {self.version} | {self.newest} | {self.reason} |"


@dataclass(frozen=True)
class Need:
    """What one release asks for: `requirement` of the package `holder`."""

    holder: str
    version: str
    requirement: Requirement

    @property
    def needed(self) -> str:
        """Return the canonical name of what is asked for."""
        return canonical(self.requirement.name)

    def excludes(self, version: str) -> bool:
        """Tell whether the release is too old or too new."""
        return not self.requirement.specifier.contains(version)

    def __str__(self) -> str:
        """Return the requirement in an order of its own: the order in the metadata changes between readings."""
        return self.requirement.name + ",".join(sorted(map(str, self.requirement.specifier)))


def needs(packages: Iterable[Distribution]) -> list[Need]:
    """Return what the packages ask for on this machine, extras left out."""
    found = []
    for package in packages:
        holder = canonical(package.metadata["Name"])
        for text in package.requires or []:
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                found.append(Need(holder, package.version, requirement))
    return found


def direct_reason(name: str, newest: str, installed: list[Need]) -> str:
    """Name the installed packages whose requirements exclude the release; empty when none does."""
    found = {need for need in installed if need.needed == name and need.excludes(newest)}
    return "; ".join(sorted(f"`{need.holder}` {need.version} requires `{need}`" for need in found))


def indirect_reason(name: str, releases: list[Need], pins: dict[str, Locked]) -> str:
    """Name what the newest release asks for and the lock does not allow; empty when the lock has it all."""
    found = [need for need in releases if need.holder == name and need.needed in pins]
    missing = [need for need in found if need.excludes(pins[need.needed].version)]
    return "; ".join(sorted(f"{need.version} requires `{need}`, which is held back too" for need in missing))


def page(rows: list[HeldBack]) -> str:
    """Return the text of docs/dependencies.md."""
    lock = hashlib.sha256((HERE / "dev.txt").read_bytes()).hexdigest()
    return f"""# What holds old packages back

Written by `make lock`. Every other package of `requirements/dev.txt`, and so of training and scoring, is the newest
release for Python 3.11 of that day. `make lock UPGRADE=1` takes all newer releases that the requirements allow.

| package | locked | newest | held back by |
|---|---|---|---|
{chr(10).join(row.row() for row in rows)}

For `requirements/dev.txt` with the SHA-256 `{lock}`.
"""


def check(text: str) -> list[str]:
    """Return what is wrong with the text of the page for this lock and these installed packages."""
    pins, installed = locked("dev"), needs(distributions())
    rows = [HeldBack(**found.groupdict()) for found in _ROW.finditer(text)]
    faults = [] if text == page(rows) else ["docs/dependencies.md is not of this lock: run `make lock`"]
    for row in rows:
        if not _is_current(row, rows, pins, installed):
            faults.append(f"docs/dependencies.md: the row of {row.name} is out of date: run `make lock`")
    return faults


def _is_current(row: HeldBack, rows: list[HeldBack], pins: dict[str, Locked], installed: list[Need]) -> bool:
    if row.name not in pins or pins[row.name].version != row.version:
        return False
    needed = [Requirement(text) for text in _NEEDED.findall(row.reason)]
    if not needed:
        return row.reason == (direct_reason(row.name, row.newest, installed) or NOTHING)
    listed = {other.name for other in rows}
    return all(
        canonical(need.name) in listed and not need.specifier.contains(pins[need.name].version) for need in needed
    )


def _outdated() -> dict[str, str]:
    """Ask the registry for the newest release of each installed package that is older."""
    words = [sys.executable, "-m", "uv", "pip", "list", "--quiet", "--python", sys.executable]
    answer = subprocess.run([*words, "--outdated", "--format", "json"], check=True, capture_output=True, text=True)
    return {package["name"]: package["latest_version"] for package in json.loads(answer.stdout)}


def _needs_of_releases(wanted: dict[str, str]) -> list[Need]:
    """Fetch releases and read what they ask for."""
    if not wanted:
        return []
    with tempfile.TemporaryDirectory() as folder:
        names = [f"{name}=={version}" for name, version in wanted.items()]
        words = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--no-deps", "--target", folder]
        subprocess.run([*words, *names], check=True)
        return needs(distributions(path=[folder]))


def main() -> None:
    """Write the page."""
    pins, installed = locked("dev"), needs(distributions())
    newest = {name: version for name, version in _outdated().items() if name in pins}
    reasons = {name: direct_reason(name, version, installed) for name, version in newest.items()}
    unexplained = {name: version for name, version in newest.items() if not reasons[name]}
    releases = _needs_of_releases(unexplained)
    for name in unexplained:
        reasons[name] = indirect_reason(name, releases, pins) or NOTHING
    rows = [HeldBack(name, pins[name].version, newest[name], reasons[name]) for name in sorted(newest)]
    PAGE.write_text(page(rows), encoding="utf-8")


if __name__ == "__main__":
    main()
