"""One file as a page shows it, whatever others have written into it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from local_azure.machine_learning.domain.data.blobs import content
from local_azure.machine_learning.domain.workspace.redaction import Redactor
from local_azure.studio.views import previews
from local_azure.studio.views.documents import DocumentKind, board_in, kind_of_document
from local_azure.studio.views.previews import Kind, Table

NOTHING = Markup("")
MOST_BYTES = 512 * 1024  # of a file that is read for a preview


@dataclass(frozen=True)
class ShownFile:
    """A file and its preview; what of the preview is set follows from `kind`. raw: address of the bytes."""

    name: str
    kind: Kind
    size: int
    raw: str
    table: Table | None = None
    beginning: str = ""
    markdown: Markup = NOTHING
    document_kind: DocumentKind = ""
    document: Any = None
    is_cut: bool = False

    @property
    def text(self) -> str:
        """The text of a preview. That of JSON is made here, because most pages show a document in its own form."""
        return previews.pretty(self.document) if self.kind == "json" else self.beginning


def shown_file(name: str, path: Path, redactor: Redactor, raw: str) -> ShownFile:
    """Read the beginning of a file, as far as its kind of preview needs it."""
    kind, size = previews.kind_of(name), path.stat().st_size
    if kind in ("image", "page", "other"):
        return ShownFile(name, kind, size, raw)
    beginning = b"".join(content(redactor, path, 0, min(size, MOST_BYTES))).decode(errors="replace")
    whole = size <= MOST_BYTES
    if kind == "table":
        table = previews.table_of(beginning, whole=whole, tabs=name.lower().endswith(".tsv"))
        return ShownFile(name, kind, size, raw, table=table, is_cut=table.is_cut)
    if kind == "markdown" and whole:
        return ShownFile(name, kind, size, raw, markdown=previews.markdown(beginning))
    found = board_in(previews.json_of(beginning)) if kind == "json" and whole else None
    if found is not None:
        told = kind_of_document(found)
        return ShownFile(name, kind, size, raw, document_kind=told, document=found)
    return ShownFile(name, "text", size, raw, beginning=beginning, is_cut=not whole)
