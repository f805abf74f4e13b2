"""Finds and loads template files, within the limits of the service."""

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from local_azure.pipelines.parameters import Declarations
from local_azure.pipelines.reader import read_file
from local_azure.pipelines.tree import Fields, PipelineError, Place, Text, Value, nearest

KINDS = ("stages", "jobs", "steps", "variables")
_MOST_FILES = 100


@dataclass(frozen=True)
class Template:
    """A loaded template: its declarations and the part that it contributes."""

    file: str
    declarations: Declarations
    body: Value


class Templates:
    """Loads files once each; `documents` holds all that were read, by their path below the root."""

    def __init__(self, root: Path, repositories: Mapping[str, Path]) -> None:
        self._roots = {"": root, **repositories}
        self.documents: dict[str, Value] = {}

    def document(self, file: str, place: Place) -> Fields:
        """The tree of one file, which `place` asks for; raises PipelineError."""
        alias, _, below = file.rpartition("@")
        root = self._roots[alias]
        if file not in self.documents:
            if len(self.documents) >= _MOST_FILES:
                raise PipelineError(place, f"More than {_MOST_FILES} files are included; the service refuses that.")
            if not (root / below).is_file():
                others = [str(path.relative_to(root)) for path in sorted((root / below).parent.glob("*.y*ml"))]
                raise PipelineError(place, f"The file {below} was not found. {nearest(below, others)}")
            self.documents[file] = read_file(root, below)
        found = self.documents[file]
        if not isinstance(found, Fields):
            raise PipelineError(Place(file, 1), "A pipeline or template is a mapping, such as steps: [...].")
        return found

    def _resolved(self, path: Text, including: str) -> str:
        """The file that a reference names; relative to the including file unless it begins with '/'."""
        name, at, alias = path.partition("@")
        repository, _, base = including.rpartition("@")
        if at:
            repository = "" if alias == "self" else alias
        if repository not in self._roots:
            what = f"The repository '{repository}' of the template '{path}' is not known here."
            raise PipelineError(path.place, f"{what} Give its local folder: --repository {repository}=FOLDER.")
        from_root = at or name.startswith("/")
        below = posixpath.normpath(posixpath.join("" if from_root else posixpath.dirname(base), name.lstrip("/")))
        if below.startswith(".."):
            raise PipelineError(path.place, f"The template '{path}' lies outside of the repository. Keep it inside.")
        return f"{repository}@{below}" if repository else below

    def load(self, path: Text, including: str, within: str) -> Template:
        """The template of one kind (`steps`, ...; the empty text: `extends`) that a reference names."""
        file = self._resolved(path, including)
        document = self.document(file, path.place)
        declarations = Declarations(document, file)
        if not within:
            body = Fields([pair for pair in document if pair[0] != "parameters"], document.place)
            return Template(file, declarations, body)
        for key in document.names():
            if key not in ("parameters", within):
                raise PipelineError(key.place, f"A template of {within}, included at {path.place}, holds no '{key}'.")
        if not document.has(within):
            raise PipelineError(path.place, f"The template {file} holds no '{within}'.")
        return Template(file, declarations, document.get(within))
