"""Finds the one object that each module of a walked folder declares (`FORMAT`, `DETECTOR`, `CAUSE`)."""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType
from typing import TypeVar

T = TypeVar("T")


def load(package: ModuleType, attribute: str, kind: type[T]) -> dict[str, T]:
    """Import every module of `package` and return its `attribute`, keyed by module name, in that order.

    Raises:
        TypeError: a module lacks the attribute, or it isn't a `kind`: a mistake of whoever added the module.
    """
    found: dict[str, T] = {}
    for info in sorted(pkgutil.iter_modules(package.__path__), key=lambda item: item.name):
        if info.name.startswith("_"):
            continue
        module = importlib.import_module(f"{package.__name__}.{info.name}")
        declared = getattr(module, attribute, None)
        if not isinstance(declared, kind):
            raise TypeError(f"{module.__name__} must declare {attribute}, a {kind.__name__}")
        found[info.name] = declared
    return found
