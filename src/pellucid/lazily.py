"""Names of a package that are loaded when they are first used: an import costs what is used of it, not what there is.

Such a package says three times what it exports, for three readers: to type checkers and editors in an import under
``TYPE_CHECKING``, to ``from … import *`` in ``__all__``, and here, at run time, in the table handed to :func:`names`. A test
holds the three against each other.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any

_HOMES: dict[str, str] = {}  # of every name so exported: the module to ask for it


def names(package: str, homes: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """``__getattr__`` and ``__dir__`` of a package (PEP 562), from its modules and what each holds: ``{"dense": "Dense", …}``.

    No name may be that of a module beside it: an import of that module would put it into the name's place. The modules
    themselves are found, too, as if the package had imported them.
    """
    where = {name: f"{package}.{module}" for module, held in homes.items() for name in held.split()}
    _HOMES.update(where)

    def found(name: str) -> Any:
        if name in homes:
            return importlib.import_module(f"{package}.{name}")
        if name not in where:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(where[name]), name)
        setattr(sys.modules[package], name, value)  # the next time it is found at once
        return value

    def known() -> list[str]:
        return sorted({*vars(sys.modules[package]), *where})

    return found, known


def load(name: str) -> None:
    """Loads the module in which an exported thing of that name stands, if there is one."""
    if name in _HOMES:
        getattr(importlib.import_module(_HOMES[name]), name)


def load_all() -> None:
    """Loads everything that is exported."""
    done: set[str] = set()
    while missing := [name for name in _HOMES if name not in done]:  # what is loaded may export more
        for name in missing:
            load(name)
        done.update(missing)
