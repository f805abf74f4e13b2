"""Microsoft's schema is a file of the package, as it was published."""

from __future__ import annotations

import hashlib
import json

import yaml

from local_azure.pipelines.check.schema.service_schema import SCHEMA_FILE


def test_the_file_is_the_recorded_one() -> None:
    content = SCHEMA_FILE.read_bytes()
    origin = yaml.safe_load((SCHEMA_FILE.parent / "origin.yml").read_text(encoding="utf-8"))

    assert hashlib.sha256(content).hexdigest() == origin["sha256"]
    assert json.loads(content)["$comment"] == origin["version"]
    assert len(origin["commit"]) == 40
    assert "MIT License" in (SCHEMA_FILE.parent / "LICENSE").read_text(encoding="utf-8")
