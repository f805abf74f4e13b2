"""The files of one web service below the state folder."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from local_azure.machine_learning.domain.workspace.redaction import last_lines
from local_azure.machine_learning.storage.store import Document

LOG_BYTES = 2 * 1024**2  # more is never read back


class ServiceFolder:
    """Log, keys, home and one application folder a release."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.log = root / "service.log"
        self.keys = root / "keys.json"
        self.home = root / "home"

    def write_keys(self, service: Document) -> None:
        """Replace the file that the running service reads; one writer at a time."""
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        document = {"authEnabled": service["authEnabled"], "keys": list(service["keys"].values())}
        partial = self.root / "keys.partial"
        partial.unlink(missing_ok=True)
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            json.dump(document, stream)
        partial.replace(self.keys)

    def read_log(self, lines: int) -> str:
        """The last lines of the log, without the keys of the service."""
        if not self.log.exists() or lines < 1:
            return ""
        text = last_lines(self.log, lines, LOG_BYTES)
        if self.keys.exists():
            for key in json.loads(self.keys.read_text(encoding="utf-8"))["keys"]:
                text = text.replace(key, "<key>")
        return text

    def clear_log(self) -> None:
        """Begin the log of a new release."""
        self.log.write_bytes(b"")
        self.log.chmod(0o600)

    def remove_releases(self, keep: Path | None = None) -> None:
        """Delete the application folders of earlier releases."""
        for folder in self.root.glob("app-*"):
            if folder != keep:
                shutil.rmtree(folder, ignore_errors=True)
