"""Ask which locked packages have known advisories: `.venv-tools/bin/python -m requirements.advisories`.

This needs the network, so `make check` does not do it. A package that the service does not know, or a service that
does not answer, fails too: nothing was audited then.
"""

from __future__ import annotations

import datetime
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from typing import Any

from requirements.locks import HERE

ACCEPTED = HERE / "advisories.toml"
LOCKS = ("dev", "tools")  # training, scoring and arima are part of dev


def expired(accepted: Iterable[dict[str, Any]], today: datetime.date) -> list[str]:
    """Return a sentence for each accepted advisory whose date has passed."""
    return [
        f"{entry['id']} ({entry['package']}) was accepted until {entry['until']}: decide again"
        for entry in accepted
        if entry["until"] < today
    ]


def command(lock: str, accepted: Iterable[dict[str, Any]]) -> list[str]:
    """Return the pip-audit command for requirements/<lock>.txt."""
    words = [sys.executable, "-m", "pip_audit", "--progress-spinner", "off", "--strict", "--disable-pip"]
    ignored = [f"--ignore-vuln={entry['id']}" for entry in accepted]
    return [*words, "--require-hashes", "--requirement", str(HERE / f"{lock}.txt"), *ignored]


def main() -> int:
    """Audit every lock; 1 when something was found, was not audited, or is accepted no longer."""
    accepted = tomllib.loads(ACCEPTED.read_text(encoding="utf-8"))["accepted"]
    late = expired(accepted, datetime.datetime.now(tz=datetime.UTC).date())
    for sentence in late:
        print(f"error: {sentence}", file=sys.stderr)
    codes = [subprocess.run(command(lock, accepted), check=False).returncode for lock in LOCKS]
    return 1 if late or any(codes) else 0


if __name__ == "__main__":
    sys.exit(main())
