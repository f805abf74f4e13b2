"""Import third-party packages once, and note what makes a process that has imported them differ from a new one."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import inspect
import os
import re
import signal
import ssl
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

# What programs of the SDK v1 import, and what command lines and checks of tables are made with. Left out: what the
# SDK imports when it signs in, because it then asks the server for its list of clouds.
MODULES = (
    "azureml.core", "azureml.core.authentication", "azureml.core.webservice", "azureml.data", "azureml.pipeline.core",
    "azureml.pipeline.steps", "azureml._restclient.metrics_client", "azureml._run_impl.run_history_facade",
    "adal", "msal", "msrestazure.azure_active_directory", "azure.identity", "azure.core.rest._requests_basic",
    "numpy", "pandas", "pydantic.main", "pydantic.json_schema", "pydantic.type_adapter", "pydantic.dataclasses",
    "pydantic_settings", "typer", "rich.console", "rich.table", "yaml", "jinja2", "requests", "netrc",
    "encodings.utf_8_sig", "pandera.pandas",
)  # fmt: skip
_CUSTOM = frozenset(("sitecustomize", "usercustomize"))
_PTH_VARIABLE = re.compile(r"""['"]([A-Z][A-Z0-9_]{2,})['"]""")


class _Traced(os._Environ[str]):
    """An environment that notes which variables are asked for."""

    names: set[str]

    def __getitem__(self, name: str) -> str:
        self.names.add(name)
        return super().__getitem__(name)

    def __contains__(self, name: object) -> bool:
        self.names.add(str(name))
        return super().__contains__(name)


class _Certificates:
    """Notes who reads certificates into a new context."""

    read: ClassVar[list[str]] = []

    @classmethod
    @contextlib.contextmanager
    def noted(cls) -> Iterator[None]:
        """Note it for a while."""
        load = ssl.SSLContext.load_verify_locations, ssl.SSLContext.set_default_verify_paths
        for method in load:
            setattr(ssl.SSLContext, method.__name__, cls._noting(method))
        try:
            yield
        finally:
            for method in load:
                setattr(ssl.SSLContext, method.__name__, method)

    @classmethod
    def _noting(cls, method: Callable[..., None]) -> Callable[..., None]:
        def noted(context: ssl.SSLContext, *places: Any, **more: Any) -> None:
            cls.read.append(method.__name__)
            method(context, *places, **more)

        return noted


@dataclass(frozen=True)
class Preloaded:
    """A process after its imports.

    variables: names that were read at import. modules: all names in sys.modules but `own`, which are ours.
    tops: top-level names that a program may shadow with a module of its own. namespaces: those that are joined from
    several folders. path: sys.path of a plain start. settings: environment variables that a package sets at import.
    files, folders: what was imported and where packages are, with the time of the last change.
    """

    variables: frozenset[str]
    modules: frozenset[str]
    own: tuple[str, ...]
    tops: frozenset[str]
    namespaces: frozenset[str]
    path: tuple[str, ...]
    settings: dict[str, dict[str, str]]
    files: dict[str, int]
    folders: dict[str, int]

    def is_current(self, *, thoroughly: bool = False) -> bool:
        """Whether the installed packages are what was imported."""
        known = {**self.folders, **(self.files if thoroughly else {})}
        return all(_changed_at(path) == moment for path, moment in known.items())


def _changed_at(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns  # noqa: PTH116 - thousands of files
    except OSError:
        return 0


def preload(names: Iterable[str], started_with: frozenset[str]) -> tuple[Preloaded, str]:
    """Import what is installed of a list of modules; returns also the first that a fork would not survive, or "".

    started_with: names in sys.modules of an interpreter that has just started.
    """
    path = tuple(sys.path)
    folders = {place: _changed_at(place) for place in (*path, *map(str, _pth_files(path)))}
    traced, _Traced.names = type(os.environ), set()
    os.environ.__class__ = _Traced
    settings: dict[str, dict[str, str]] = {}
    try:
        with _Certificates.noted():
            offender = next(_offenders(names, settings), "")
        inspect.getmodule(None, "")  # fills its table of all modules, for which the SDK's logger asks first thing
    finally:
        os.environ.__class__ = traced
    modules = {name: module for name, module in sys.modules.items() if not _is_own(name)}
    tops = {name.partition(".")[0] for name in modules}
    files = {module.__file__ for module in modules.values() if getattr(module, "__file__", None)}
    preloaded = Preloaded(
        variables=frozenset(name for name in _Traced.names if isinstance(name, str)) | _variables_of_pth_files(path),
        modules=frozenset(modules),
        own=tuple(name for name in sys.modules if _is_own(name) and name != "__main__"),
        tops=frozenset(tops - {name.partition(".")[0] for name in started_with} | _CUSTOM),
        namespaces=frozenset(name for name in tops if _is_namespace(sys.modules.get(name))),
        path=path,
        settings=settings,
        files={file: _changed_at(file) for file in files if file},
        folders=folders,
    )
    return preloaded, offender


def _is_own(name: str) -> bool:
    return name.partition(".")[0] in ("local_azure", "__main__", "__mp_main__")


def _is_namespace(module: ModuleType | None) -> bool:
    return module is not None and getattr(module, "__file__", None) is None and hasattr(module, "__path__")


def _offenders(names: Iterable[str], settings: dict[str, dict[str, str]]) -> Iterator[str]:
    """Import one by one; yields a module after whose import something is there that a fork would not carry over.

    The environment stays as it was: what a module sets goes into `settings`, by its package.
    """
    before, variables = _state(), dict(os.environb)
    for name in names:
        try:
            importlib.import_module(name)
        except Exception:  # noqa: S112 - not installed, or broken: the program that wants it will say so
            continue
        changed = {key: value for key, value in os.environb.items() if variables.get(key) != value}
        for key, value in changed.items():
            settings.setdefault(name.partition(".")[0], {})[os.fsdecode(key)] = os.fsdecode(value)
        os.environb.clear()
        os.environb.update(variables)
        if _state() != before:
            yield name


def _state() -> tuple[object, ...]:
    """Threads of Python, open files, signal handlers, and how often certificates were read, which may change."""
    files = sorted(path.name for path in Path("/proc/self/fd").iterdir())
    handlers = [signal.getsignal(number) for number in sorted(signal.valid_signals())]
    return threading.active_count(), files, handlers, sys.getrecursionlimit(), len(_Certificates.read)


def _pth_files(path: Iterable[str]) -> list[Path]:
    return [file for place in path for file in sorted(Path(place).glob("*.pth"))]


def _variables_of_pth_files(path: Iterable[str]) -> frozenset[str]:
    """Names that code in .pth files may read, before anything could be traced."""
    texts = (file.read_text(encoding="utf-8", errors="replace") for file in _pth_files(path))
    return frozenset(name for text in texts for name in _PTH_VARIABLE.findall(text))


class DeferredSettings(MetaPathFinder, Loader):
    """Finds the preloaded packages that set variables at import, once each: the program imports them itself."""

    def __init__(self, settings: Mapping[str, Mapping[str, str]]) -> None:
        self._settings = settings
        self._modules = {name: sys.modules.pop(name) for name in settings if name in sys.modules}
        self._specs = {name: module.__spec__ for name, module in self._modules.items()}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The package with this loader, where it is one of them."""
        del path, target
        return importlib.util.spec_from_loader(fullname, self) if fullname in self._modules else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """The module that has been imported already."""
        return self._modules[spec.name]

    def exec_module(self, module: ModuleType) -> None:
        """Set what its import sets; variables that the program has set itself stay."""
        name = module.__name__
        module.__spec__ = self._specs.pop(name)
        module.__loader__ = module.__spec__.loader if module.__spec__ else None
        sys.modules[name] = self._modules.pop(name)
        for variable, value in self._settings[name].items():
            os.environ.setdefault(variable, value)
        if not self._modules:
            sys.meta_path.remove(self)


def defer(settings: Mapping[str, Mapping[str, str]]) -> None:
    """Let the variables that packages set at import be set when the program imports them."""
    if settings:
        sys.meta_path.insert(0, DeferredSettings(settings))
