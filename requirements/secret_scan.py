"""Look for secrets in the files of this checkout: `.venv-tools/bin/python -m requirements.secret_scan`.

detect-secrets reads every file that git knows or would add. What it finds fails, unless .secrets.baseline has the
same value, reviewed and marked `"is_secret": false`. The baseline knows values by their hashes, wherever they stand:
a file that moves needs no new review. It also names the detectors; none of them asks a service whether a key works.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from detect_secrets import SecretsCollection
from detect_secrets.core.potential_secret import PotentialSecret
from detect_secrets.settings import transient_settings

from requirements.locks import ROOT

BASELINE = ROOT / ".secrets.baseline"
ORIGIN = "local_azure/src/local_azure/pipelines/check/schema/origin.yml"
# Files of others and the page that names their SHA-256: what was published is no secret, and this one would take
# almost as long as all of ours together.
PUBLISHED = {"local_azure/src/local_azure/pipelines/check/schema/azure-pipelines.json": ORIGIN}


def reviewed(baseline: dict[str, Any]) -> set[tuple[str, str]]:
    """Return type and hash of each value that a person has called no secret."""
    known = [secret for secrets in baseline["results"].values() for secret in secrets]
    return {(secret["type"], secret["hashed_secret"]) for secret in known if secret.get("is_secret") is False}


def unreviewed(root: Path, names: Iterable[str], baseline: dict[str, Any]) -> list[PotentialSecret]:
    """Return each possible secret in the files that nobody has reviewed, in the order of file and line."""
    known = reviewed(baseline)
    with transient_settings(baseline):
        secrets = SecretsCollection(root=str(root))
        secrets.scan_files(*names)
    found = [secret for _, secret in secrets if (secret.type, secret.secret_hash) not in known]
    return sorted(found, key=lambda secret: (secret.filename, secret.line_number, secret.type))


def accept(baseline: dict[str, Any], found: list[PotentialSecret], root: Path) -> None:
    """Add values to the baseline as reviewed."""
    for secret in found:
        name = str(Path(secret.filename).relative_to(root))
        baseline["results"].setdefault(name, []).append(
            {
                "type": secret.type,
                "filename": name,
                "hashed_secret": secret.secret_hash,
                "line_number": secret.line_number,
                "is_secret": False,
            }
        )


def files_of(root: Path) -> list[str]:
    """Return the files that git knows or would add."""
    words = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(words, cwd=root, check=True, capture_output=True, text=True).stdout.split("\0")
    return [name for name in names if name and (root / name).is_file()]


def without_published(root: Path, names: Iterable[str]) -> list[str]:
    """Return the files but those that are still as they were published."""
    return [name for name in names if name not in PUBLISHED or not _is_published(root, name)]


def _is_published(root: Path, name: str) -> bool:
    sha256 = hashlib.sha256((root / name).read_bytes()).hexdigest()
    return sha256 in (root / PUBLISHED[name]).read_text(encoding="utf-8")


def main() -> int:
    """Scan the checkout; 1 when something is found. With --accept, write it into the baseline instead."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--accept", action="store_true", help="you have read every finding and none is a secret")
    arguments = parser.parse_args()
    baseline = json.loads(BASELINE.read_text(encoding="utf-8"))
    names = without_published(ROOT, files_of(ROOT))
    found = unreviewed(ROOT, names, baseline)
    for secret in found:  # never the value itself
        print(f"{Path(secret.filename).relative_to(ROOT)}:{secret.line_number}: {secret.type}", file=sys.stderr)
    if arguments.accept:
        accept(baseline, found, ROOT)
        BASELINE.write_text(json.dumps(baseline, indent=2) + "\n", encoding="utf-8")
        return 0
    print(f"secret scan: {len(names)} files, {len(found)} findings")
    if found:
        print("Take the secret out and renew it. If it is none: see docs/supply_chain.md.", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
