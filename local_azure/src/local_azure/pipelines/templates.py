"""Finds and loads template files, within the limits of the service."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from local_azure.pipelines.parameters import Declarations, declared_in
from local_azure.pipelines.reader import read_file
from local_azure.pipelines.scope import Scope
from local_azure.pipelines.tree import Fields, Place, Text, Value, fault, nearest

KINDS = ("stages", "jobs", "steps", "variables")
_MOST_FILES = 100
_MOST_LEVELS = 100


@dataclass(frozen=True)
class Template:
    """A loaded template: its declarations and the part that it contributes."""

    file: str
    declarations: Declarations
    body: Value

    @property
    def structure(self) -> dict[str, str]:
        """Parameters that hold parts of a pipeline, by name in lower case: the list in which they may stand."""
        return {name.lower(): self.declarations.structure(name) for name in self.declarations.names()}

    def scope(self, arguments: Fields, caller: Place, outer: Scope) -> Scope:
        """What the template sees: its own parameters and the variables known so far."""
        return Scope(self.file, self.declarations.bind(arguments, caller), outer.variables)


class Templates:
    """Loads files once each; `documents` holds all that were read, by their path below the root."""

    def __init__(self, root: Path, repositories: Mapping[str, Path] | None = None) -> None:
        self._root = root
        self._repositories = repositories or {}
        self.documents: dict[str, Value] = {}
        self._levels = 0

    def document(self, file: str) -> Value:
        """The tree of one file; raises PipelineError."""
        if file not in self.documents:
            if len(self.documents) >= _MOST_FILES:
                raise fault(
                    Place(file, 1), f"More than {_MOST_FILES} files are included.", "The service refuses that."
                )
            alias, _, path = file.rpartition("@")
            root = self._repositories[alias] if alias else self._root
            tree = read_file(root, path)
            self.documents[file] = tree
        return self.documents[file]

    @contextmanager
    def nested(self, place: Place) -> Iterator[None]:
        """One level of inclusion."""
        self._levels += 1
        try:
            if self._levels > _MOST_LEVELS:
                raise fault(
                    place, f"Templates include each other more than {_MOST_LEVELS} levels deep.", "Break the circle."
                )
            yield
        finally:
            self._levels -= 1

    def resolve(self, path: Text, including: str) -> str:
        """The file that a template reference names; relative to the including file unless it begins with '/'."""
        name, at, alias = path.partition("@")
        if at and alias != "self":
            if alias not in self._repositories:
                what = f"The repository '{alias}' of the template '{path}' is not known here."
                raise fault(path.place, what, f"Give its local folder: --repository {alias}=FOLDER.")
            return f"{alias}@{posixpath.normpath(name.lstrip('/'))}"
        prefix, _, included_from = including.rpartition("@")
        base = "" if at or name.startswith("/") else posixpath.dirname(included_from)
        resolved = posixpath.normpath(posixpath.join(base, name.lstrip("/")))
        if resolved.startswith(".."):
            raise fault(path.place, f"The template '{path}' lies outside of the repository.", "Keep it inside.")
        return f"{prefix}@{resolved}" if prefix and not at else resolved

    def load(self, path: Text, including: str, within: str) -> Template:
        """The template of one kind (`steps`, ...) that a reference names; raises PipelineError."""
        file = self.resolve(path, including)
        document = self._found(file, path)
        if not isinstance(document, Fields):
            raise fault(
                Place(file, 1), f"A template must hold '{within}:'.", "See the including file: " + str(path.place)
            )
        for key in document.names():
            if key not in ("parameters", within):
                what = f"A template of {within} (included at {path.place}) cannot hold '{key}'."
                raise fault(key.place, what, nearest(key, ("parameters", within)))
        if within not in document:
            raise fault(
                path.place, f"The template {file} holds no '{within}'.", "Include it where its content belongs."
            )
        return Template(file, declared_in(document, file), document.get(within))

    def load_extended(self, path: Text, including: str) -> Template:
        """The template of `extends:`; its body is the whole document without its parameters."""
        file = self.resolve(path, including)
        document = self._found(file, path)
        if not isinstance(document, Fields):
            raise fault(
                Place(file, 1), "A template that is extended must be a mapping.", "It holds stages, jobs or steps."
            )
        body = Fields([pair for pair in document if pair[0] != "parameters"], document.place)
        return Template(file, declared_in(document, file), body)

    def _found(self, file: str, path: Text) -> Value:
        alias, _, below = file.rpartition("@")
        root = self._repositories[alias] if alias else self._root
        if not (root / below).is_file():
            near = nearest(below, self._neighbours(root, below))
            raise fault(
                path.place, f"The template {below} was not found.", near or "Paths are relative to this file."
            )
        return self.document(file)

    @staticmethod
    def _neighbours(root: Path, below: str) -> list[str]:
        folder = (root / below).parent
        if not folder.is_dir():
            return []
        return [str(path.relative_to(root)) for path in sorted(folder.iterdir()) if path.suffix in (".yml", ".yaml")]
