"""Write the software bills of materials to dist/sbom/: `.venv-tools/bin/python -m requirements.sbom`.

One CycloneDX document for each environment. cyclonedx-py lists what is installed in .venv, with licenses and
dependencies; training and scoring are the part of it that their locks name. The hashes are those of the lock.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from requirements.locks import ENVIRONMENTS, ROOT, Locked, canonical, locked

FOLDER = ROOT / "dist" / "sbom"
OWN = "local-azure"  # of this repository, so no lock names it
_LISTED = ("cyclonedx_py", "environment", "--output-reproducible", "--no-validate", "--output-format", "JSON")

Document = dict[str, Any]


def installed_components() -> Document:
    """Return what cyclonedx-py finds in .venv."""
    words = [sys.executable, "-m", *_LISTED, str(ROOT / ".venv/bin/python")]
    return dict(json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout))


def bill_of(environment: str, pins: dict[str, Locked], installed: Document) -> Document:
    """Return the document of one environment: of what is installed, the locked packages with their hashes.

    For "dev" everything that is installed stays, so that what no lock names is found.
    """
    kept = []
    for component in installed["components"]:
        pin = pins.get(canonical(component["name"]))
        if pin or environment == "dev":
            kept.append(_with_hashes(component, pin))
    references = {component["bom-ref"] for component in kept}
    edges = [_within(edge, references) for edge in installed["dependencies"] if edge["ref"] in references]
    product = {"type": "application", "name": f"azure-devops-mlops-template ({environment})"}
    metadata = {"component": {**product, "bom-ref": environment}, "properties": installed["metadata"]["properties"]}
    return {**installed, "metadata": metadata, "components": kept, "dependencies": edges}


def _with_hashes(component: Document, pin: Locked | None) -> Document:
    # Links to home pages are left out: the validator reads them for seconds, and nobody looks for them here.
    described = {key: value for key, value in component.items() if key != "externalReferences"}
    if pin:
        described["hashes"] = [{"alg": "SHA-256", "content": digest} for digest in sorted(pin.hashes)]
    return described


def _within(edge: Document, references: set[str]) -> Document:
    return {**edge, "dependsOn": [reference for reference in edge.get("dependsOn", []) if reference in references]}


def faults(environment: str, pins: dict[str, Locked], bill: Document) -> list[str]:
    """Return what the lock and the document do not agree about, and what is wrong with its form."""
    listed = {canonical(component["name"]): component["version"] for component in bill["components"]}
    listed.pop(OWN, None)
    found = [f"{name} is in .venv and in no lock" for name in sorted(listed.keys() - pins.keys())]
    for name, pin in pins.items():
        if listed.get(name) != pin.version:
            found.append(f"{name} is locked at {pin.version}, in .venv is {listed.get(name, 'none')}")
        if not pin.hashes:
            found.append(f"{name} is locked without a hash")
    invalid = JsonStrictValidator(SchemaVersion.from_version(bill["specVersion"])).validate_str(json.dumps(bill))
    if invalid:
        found.append(f"no CycloneDX {bill['specVersion']}: {invalid}")
    return [f"{environment}: {fault}" for fault in found]


def main() -> int:
    """Write and check the documents; 1 when something is wrong."""
    installed, found = installed_components(), []
    FOLDER.mkdir(parents=True, exist_ok=True)
    for environment in ENVIRONMENTS:
        pins = locked(environment)
        bill = bill_of(environment, pins, installed)
        (FOLDER / f"{environment}.json").write_text(json.dumps(bill, indent=1), encoding="utf-8")
        found += faults(environment, pins, bill)
        print(f"{environment}: {len(bill['components'])} components")
    for fault in found:
        print(f"error: {fault}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
