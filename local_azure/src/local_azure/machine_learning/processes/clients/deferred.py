"""Environment variables that a preloaded package sets at import are set when the program imports it."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Mapping, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType


class DeferredSettings(MetaPathFinder, Loader):
    """Finds the preloaded packages that set variables, once each."""

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
    """Let the program import these packages itself."""
    if settings:
        sys.meta_path.insert(0, DeferredSettings(settings))
