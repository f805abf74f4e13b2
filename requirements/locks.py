"""Read the lock files: which version of each package is locked, with which hashes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import canonicalize_name

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
# The environments of the product; "dev" is the laptop's and the build agent's.
ENVIRONMENTS = ("dev", "training", "scoring")

_PACKAGE = re.compile(
    r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s;\\]+)(?P<rest>(?:[^\n]*\\\n)*[^\n]*)", re.MULTILINE
)
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


@dataclass(frozen=True)
class Locked:
    """One package of a lock: its only version, and the SHA-256 of the files that may be installed."""

    name: str
    version: str
    hashes: frozenset[str]


def canonical(name: str) -> str:
    """Return the name of a package as locks write it."""
    return canonicalize_name(name)


def read_lock(text: str) -> dict[str, Locked]:
    """Return the packages of a lock file by their canonical names."""
    found = {}
    for package in _PACKAGE.finditer(text):
        name = canonical(package["name"])
        found[name] = Locked(name, package["version"], frozenset(_HASH.findall(package["rest"])))
    return found


def locked(environment: str) -> dict[str, Locked]:
    """Return the packages of requirements/<environment>.txt."""
    return read_lock((HERE / f"{environment}.txt").read_text(encoding="utf-8"))
