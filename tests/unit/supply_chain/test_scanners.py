"""The scanners of `make check` find what they are there for. They live in .venv-tools, which make builds."""

from __future__ import annotations

import base64
import json
import subprocess
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from requirements import advisories
from requirements.locks import ROOT, Locked, canonical, locked
from tests.sample import SHIPPED

TOOLS = ROOT / ".venv-tools/bin/python"
needs_tools = pytest.mark.skipif(not TOOLS.exists(), reason="`make check` and `make unit` build .venv-tools")

SCAN = """
import json, sys
from pathlib import Path
from requirements.secret_scan import BASELINE, accept, files_of, unreviewed
root = Path(sys.argv[1])
baseline = json.loads(BASELINE.read_text())
names = [str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()]
found = unreviewed(root, names, baseline)
accept(baseline, found, root)
left = unreviewed(root, names, baseline)
print(json.dumps({"found": [[Path(s.filename).name, s.line_number, s.type] for s in found], "left": len(left)}))
"""
SCANNED = """
import json, shutil, sys
from pathlib import Path
from requirements.secret_scan import PUBLISHED, ROOT, without_published
root = Path(sys.argv[1])
(name, origin), = PUBLISHED.items()
for one in (name, origin):
    (root / one).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(ROOT / one, root / one)
as_published = without_published(root, [name, origin])
(root / name).write_bytes((root / name).read_bytes() + b" ")
print(json.dumps([as_published == [origin], without_published(root, [name, origin]) == [name, origin]]))
"""
BILL = """
import json, sys
from requirements.locks import Locked
from requirements.sbom import bill_of, faults
found = []
for given in json.loads(sys.stdin.read()):
    pins = {name: Locked(name, version, frozenset(hashes)) for name, version, hashes in given["pins"]}
    found.append(faults("dev", pins, bill_of("dev", pins, given["installed"])))
print(json.dumps(found))
"""


def tool(code: str, *arguments: str, given: str = "") -> Any:
    """Run code with the scanners' own Python and read what it prints."""
    done = subprocess.run(
        [TOOLS, "-c", code, *arguments], cwd=ROOT, input=given, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@needs_tools
def test_the_scanners_environment_holds_its_lock_and_nothing_else() -> None:
    found = tool(
        "import json; from importlib.metadata import distributions\n"
        "print(json.dumps([[package.metadata['Name'], package.version] for package in distributions()]))"
    )
    assert {canonical(name): version for name, version in found} == {
        name: pin.version for name, pin in locked("tools").items()
    }


def canaries() -> dict[str, str]:
    """Secrets of the kinds that this product meets, put together here, so that no scan finds them in this file."""
    key = base64.b64encode(bytes(range(7, 71))).decode()
    body = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().strip("=")
    return {
        "storage.py": f'connection = "AccountName=real;{"Account" + "Key"}={key}"',
        "key.pem": f"-----BEGIN RSA {'PRIVATE'} KEY-----\nMIIE\n",
        "token.txt": f"{body}.{body}.{key[:43].replace('+', '-').replace('/', '_')}",
        "settings.yml": f"{'pass' + 'word'}: correct-horse-battery\n",
        "devops.py": f"https://user:{'s3cr' + 'et-token'}@dev.example.org/repo",
    }


@needs_tools
def test_a_planted_secret_is_found_and_a_reviewed_one_is_not(tmp_path: Path) -> None:
    planted = canaries()
    for name, text in planted.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "innocent.py").write_text('"""Nothing here."""\n')
    seen = tool(SCAN, str(tmp_path))
    assert {name for name, _, _ in seen["found"]} == planted.keys()
    assert seen["left"] == 0


@needs_tools
def test_a_reviewed_value_may_move_and_is_no_leave_for_another(tmp_path: Path) -> None:
    line = '"AZUREML_SERVICE_PRINCIPAL_PASSWORD": "{}",\n'
    (tmp_path / "moved.py").write_text(line.format("local"))
    assert tool(SCAN, str(tmp_path))["found"] == []
    (tmp_path / "moved.py").write_text(line.format("another"))
    assert tool(SCAN, str(tmp_path))["found"] == [["moved.py", 1, "Secret Keyword"]]


def test_the_baseline_is_small_and_each_entry_was_reviewed() -> None:
    baseline = json.loads((ROOT / ".secrets.baseline").read_text())
    entries = [entry for entries in baseline["results"].values() for entry in entries]
    assert len(entries) <= 30
    assert all(entry["is_secret"] is False for entry in entries)
    assert not any("verif" in used["path"] for used in baseline["filters_used"]), "a scan asks no service"


def listing(*packages: tuple[str, str]) -> dict[str, Any]:
    """What cyclonedx-py says about an environment."""
    components = [
        {"type": "library", "name": name, "version": version, "bom-ref": f"{name}=={version}"}
        for name, version in packages
    ]
    edges = [{"ref": component["bom-ref"], "dependsOn": []} for component in components]
    document = {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "metadata": {"properties": []}}
    return {**document, "components": components, "dependencies": edges}


SIX = ("six", "1.0", ["a" * 64])
# What is installed, what is locked, what is said about it.
BILLS: list[tuple[list[tuple[str, str]], tuple[str, str, list[str]], list[str]]] = [
    ([("Six", "1.0")], SIX, []),
    ([("six", "1.0"), ("local_azure", "9")], SIX, []),
    ([("six", "1.0"), ("more", "2")], SIX, ["more is in .venv and in no lock"]),
    ([("six", "1.1")], SIX, ["six is locked at 1.0, in .venv is 1.1"]),
    ([], SIX, ["six is locked at 1.0, in .venv is none"]),
    ([("six", "1.0")], ("six", "1.0", []), ["six is locked without a hash"]),
    ([("six", "1.0")], ("six", "1.0", ["no hash"]), ["no CycloneDX 1.6: "]),
]


@needs_tools
@SHIPPED
def test_a_file_of_others_is_scanned_as_soon_as_it_is_not_as_it_was_published(tmp_path: Path) -> None:
    assert tool(SCANNED, str(tmp_path)) == [True, True]


@needs_tools
def test_a_bill_that_differs_from_its_lock_fails() -> None:
    given = [{"installed": listing(*installed), "pins": [pin]} for installed, pin, _ in BILLS]
    found = tool(BILL, given=json.dumps(given))
    for faults, (_, _, expected) in zip(found, BILLS, strict=True):
        assert len(faults) == len(expected)
        assert all(fault.startswith(f"dev: {said}") for fault, said in zip(faults, expected, strict=True))


@needs_tools
def test_the_bills_of_this_checkout_list_each_locked_package_with_its_hashes() -> None:
    done = subprocess.run([TOOLS, "-m", "requirements.sbom"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for environment in ("dev", "training", "scoring"):
        bill = json.loads((ROOT / f"dist/sbom/{environment}.json").read_text())
        listed = {
            Locked(
                canonical(component["name"]),
                component["version"],
                frozenset(one["content"] for one in component["hashes"]),
            )
            for component in bill["components"]
            if component["name"] != "local-azure"
        }
        assert listed == set(locked(environment).values())


ACCEPTED = {"id": "PYSEC-0000-0", "package": "six", "reason": "a test", "until": date(2026, 12, 31)}


@pytest.mark.parametrize(("today", "late"), [(date(2026, 12, 31), 0), (date(2027, 1, 1), 1)])
def test_an_advisory_is_accepted_until_its_date(today: date, late: int) -> None:
    assert len(advisories.expired([ACCEPTED], today)) == late


def test_an_audit_that_reached_nobody_fails() -> None:
    command = advisories.command("dev", [ACCEPTED])
    assert "--strict" in command
    assert command[-1] == "--ignore-vuln=PYSEC-0000-0"
