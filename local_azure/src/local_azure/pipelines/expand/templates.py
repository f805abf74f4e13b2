"""Template files, their declared parameters, and the binding of arguments to them."""

import posixpath
from collections.abc import Callable, Mapping
from pathlib import Path

from local_azure.pipelines.language.limits import MOST_FILES
from local_azure.pipelines.language.reader import read_file, read_text
from local_azure.pipelines.language.tree import (
    NOWHERE,
    Fields,
    Items,
    Location,
    PipelineError,
    Text,
    Value,
    fields_of,
    items_of,
    location_of,
    nearest,
)
from local_azure.pipelines.language.values import ExpressionError, kind, to_number, to_text

# The lists of a pipeline that templates can hold.
KINDS = ("stages", "jobs", "steps", "variables")
# Parameter types whose values are parts of a pipeline, with the list that holds such parts.
_PARTS = {
    "step": "steps",
    "steplist": "steps",
    "job": "jobs",
    "joblist": "jobs",
    "deployment": "jobs",
    "deploymentlist": "jobs",
    "stage": "stages",
    "stagelist": "stages",
}
# The type of parameters in the old form, a mapping of names to defaults: values of it stay as they are.
_UNTYPED = "legacyobject"
_LISTS_OF_PARTS = ("stages", "jobs", "steps")


class Declarations:
    """The `parameters:` of one file; `root` is the file of the pipeline itself."""

    def __init__(self, document: Fields, file: str, *, root: bool = False) -> None:
        self.file = file
        self.entries: dict[str, Fields] = {}
        self._types: dict[str, str] = {}
        block = document.get("parameters")
        # A template in the old form, or without any, takes arguments that it does not name; what is missing is null.
        self.untyped = not root and not isinstance(block, Items)
        for name, default in fields_of(block):
            self._declare(_untyped(name, default), document.location)
        for entry in items_of(block):
            self._declare(entry, document.location)

    def _declare(self, entry: Value, default_location: Location) -> None:
        if not isinstance(entry, Fields) or not isinstance(entry.get("name"), Text):
            raise PipelineError(location_of(entry, default_location), "A parameter needs a name. Write - name: ...")
        name, declared = str(entry.get("name")), str(entry.get("type") or "string")
        if name.lower() in self.entries:
            raise PipelineError(entry.location, f"The parameter '{name}' is declared twice. Remove one.")
        if declared.lower() not in (*_CONVERSIONS, *_PARTS):
            text = f"The parameter type '{declared}' is not supported here. {nearest(declared, _CONVERSIONS)}"
            raise PipelineError(entry.key("type").location, text)
        self.entries[name.lower()] = entry
        self._types[name.lower()] = declared.lower()

    def within(self, name: str) -> str:
        """Return the list (`steps`, ...) whose parts a parameter holds, if it does."""
        declared = self._types.get(name.lower(), "")
        if declared == _UNTYPED:
            return name.lower() if name.lower() in _LISTS_OF_PARTS else ""
        return _PARTS.get(declared, "")

    def bind(self, arguments: Fields, caller: Location) -> Fields:
        """Return the values of all parameters; raises PipelineError for unknown, missing and invalid arguments."""
        names = [str(entry.get("name")) for entry in self.entries.values()]
        for key in arguments.names():
            if key.lower() not in self.entries and not self.untyped:
                raise PipelineError(key.location, f"{self.file} has no parameter '{key}'. {nearest(key, names)}")
        bound = Fields(location=caller)
        for name in names:
            value, location = self._argument(name, arguments, caller)
            bound.append((Text(name, location), self._converted(value, name, location_of(value, location))))
        bound += [(key, value) for key, value in arguments if key.lower() not in self.entries]
        return bound

    def samples(self) -> dict[str, str]:
        """Return a value for each parameter that has no default, for a check that nobody queues."""
        found = {}
        for name, entry in self.entries.items():
            values = [to_text(part) for part in items_of(entry.get("values"))]
            sample = values[0] if values else _SAMPLES.get(self._types[name])
            if entry.get("default") is None and sample is not None:
                found[str(entry.get("name"))] = sample
        return found

    def _argument(self, name: str, arguments: Fields, caller: Location) -> tuple[Value, Location]:
        """Return what was given for a parameter, else its default, and its location."""
        given = arguments.lookup(name)
        if given is not None:
            return given, location_of(given, caller)
        entry = self.entries[name.lower()]
        default = entry.get("default")
        if default is None:
            raise PipelineError(caller, f"The parameter '{name}' of {self.file} needs a value: -p {name}=VALUE.")
        return default, entry.location

    def _converted(self, value: Value, name: str, location: Location) -> Value:
        declared = self._types[name.lower()]
        convert = _CONVERSIONS.get(declared, _part)
        try:
            converted = convert(value)
            allowed = [to_text(part) for part in items_of(self.entries[name.lower()].get("values"))]
            if allowed and not {to_text(converted), to_text(value)} & set(allowed):
                raise ExpressionError(
                    f"'{to_text(value)}' is not one of its values. Allowed values: {', '.join(allowed)}."
                )
        except ExpressionError as error:
            raise PipelineError(location, f"The parameter '{name}' is of type {declared}: {error}") from None
        return Text(converted, location) if isinstance(converted, str) else converted


def _untyped(name: Text, default: Value) -> Fields:
    """Return the declaration of a parameter in the old form."""
    entries = (("name", name), ("type", Text(_UNTYPED, name.location)), ("default", default))
    return Fields([(Text(key, name.location), value) for key, value in entries], name.location)


def _boolean(value: Value) -> Value:
    if to_text(value).lower() not in ("true", "false"):
        raise ExpressionError(f"'{to_text(value)}' is neither true nor false.")
    return to_text(value).lower() == "true"


def _object(value: Value) -> Value:
    """Convert a value to an object; one from the command line is YAML text."""
    if isinstance(value, Text) and value.location == NOWHERE and value.strip().startswith(("[", "{", "- ")):
        return read_text(str(value), NOWHERE.file)
    return value


def _part(value: Value) -> Value:
    """Convert a value to a part of a pipeline or a list of them; raises ExpressionError."""
    value = _object(value) or Items()
    if not isinstance(value, Items | Fields):
        raise ExpressionError(f"A {kind(value)} cannot be part of a pipeline.")
    return value


_CONVERSIONS: dict[str, Callable[[Value], Value]] = {
    "string": to_text,
    "number": to_number,
    "boolean": _boolean,
    "object": _object,
    _UNTYPED: _object,
}

# By type; a part of a pipeline has none.
_SAMPLES = {"string": "VALUE", "number": "1", "boolean": "true", "object": "{}"}


def _is_file(path: Path) -> bool:
    """Return whether there is a file; a path that the system refuses names none."""
    try:
        return path.is_file()
    except OSError:
        return False


def _beside(root: Path, below: str) -> list[str]:
    """Return the YAML files in the folder of one that was not found."""
    folder = posixpath.dirname(below)
    try:
        return [posixpath.join(folder, path.name) for path in sorted((root / folder).glob("*.y*ml"))]
    except (OSError, ValueError):
        return []


class Templates:
    """Loads files once each; `documents` holds all that were read, by their path below the root."""

    def __init__(self, root: Path, repositories: Mapping[str, Path]) -> None:
        self._roots = {"": root, **repositories}
        self.documents: dict[str, Value] = {}

    def document(self, file: str, location: Location) -> Fields:
        """Return the tree of one file, which is included at `location`; raises PipelineError."""
        if file not in self.documents:
            self.documents[file] = self._read(file, location)
        found = self.documents[file]
        if not isinstance(found, Fields):
            raise PipelineError(Location(file, 1), "A pipeline or template must be a mapping, such as steps: [...].")
        return found

    def _read(self, file: str, location: Location) -> Value:
        if len(self.documents) >= MOST_FILES:
            raise PipelineError(location, f"More than {MOST_FILES} files are included, which the service rejects.")
        alias, _, below = file.rpartition("@")
        root = self._roots[alias]
        if not _is_file(root / below):
            raise PipelineError(location, f"The file {below} was not found. {nearest(below, _beside(root, below))}")
        if not (root / below).resolve().is_relative_to(root.resolve()):
            raise PipelineError(location, f"The file {below} is outside of the repository. Keep it inside.")
        return read_file(root, below)

    def _resolved(self, path: Text, including: str) -> str:
        """Return the file that a reference names; relative to the including file unless it begins with '/'."""
        name, at, alias = path.partition("@")
        repository, _, base = including.rpartition("@")
        if at:
            repository = "" if alias == "self" else alias
        if repository not in self._roots:
            raise PipelineError(
                path.location,
                f"No local folder for repository '{repository}'. Pass --repository {repository}=FOLDER.",
            )
        from_root = at or name.startswith("/")
        folder = "" if from_root else posixpath.dirname(base)
        below = posixpath.normpath(posixpath.join(folder, name.lstrip("/")))
        if below.startswith(".."):
            raise PipelineError(path.location, f"The template '{path}' is outside of the repository. Keep it inside.")
        return f"{repository}@{below}" if repository else below

    def load(self, path: Text, including: str, within: str) -> tuple[Declarations, Value]:
        """Return parameters and content of the template of one kind (`steps`, ...; the empty text: `extends`)."""
        file = self._resolved(path, including)
        document = self.document(file, path.location)
        declarations = Declarations(document, file)
        if not within:
            body = Fields([pair for pair in document if pair[0] != "parameters"], document.location)
            return declarations, body
        if not document.has(within):
            raise PipelineError(path.location, f"The template {file} has no '{within}', which are expected here.")
        return declarations, document.get(within)
