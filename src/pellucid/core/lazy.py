"""Lazy exports: a package's names are imported on first use.

A package lists what it exports once, in its stub file ``__init__.pyi``::

    from pellucid.layers.dense import Dense as Dense

Type checkers and editors read the stub directly. At run time :func:`attach` reads the same file, so that importing the
package costs next to nothing and ``package.Dense`` imports ``pellucid.layers.dense`` when it is first used (PEP 562).
"""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

_HOMES: dict[str, str] = {}  # every exported name -> the module that defines it

# A stub holds only statements of the form "from module import A as A, B as B", in parentheses if long. A regular
# expression reads them ten times faster than the parser of Python would.
_STATEMENT = re.compile(r"^from (\S+) import (?:\(([^)]*)\)|(.*))$", re.MULTILINE)
_NAME = re.compile(r"(\w+) as \1")


def attach(package: str, file: str) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Return ``__getattr__``, ``__dir__`` and ``__all__`` for the ``package`` whose ``__init__.py`` is ``file``.

    The modules of the package are found as attributes too, as if the package had imported them. No exported name may equal
    the name of a module in the package: importing that module would replace the exported object.
    """
    homes = exports(Path(file).with_suffix(".pyi"))
    modules = {home.removeprefix(f"{package}.").split(".")[0] for home in homes.values() if home.startswith(f"{package}.")}
    _HOMES.update(homes)

    def find(name: str) -> Any:
        if name in homes:
            value = getattr(importlib.import_module(homes[name]), name)
            setattr(sys.modules[package], name, value)  # the next access finds it directly
            return value
        if name in modules:
            return importlib.import_module(f"{package}.{name}")
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    def names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *homes})

    return find, names, sorted(homes)


def exports(stub: Path) -> dict[str, str]:
    """Return the exported names of a stub file, each with the module that defines it."""
    found: dict[str, str] = {}
    for module, several, one in _STATEMENT.findall(stub.read_text(encoding="utf-8")):
        found.update(dict.fromkeys(_NAME.findall(several or one), module))
    return found


def load(name: str) -> None:
    """Import the module that defines the exported name ``name``, if there is one."""
    if name in _HOMES:
        getattr(importlib.import_module(_HOMES[name]), name)


def load_all() -> None:
    """Import the modules of all exported names."""
    done: set[str] = set()
    while missing := [name for name in _HOMES if name not in done]:  # an imported package may export more names
        for name in missing:
            load(name)
        done.update(missing)
