"""Lazy exports: a package's names are imported on first use.

A package lists what it exports once, in its stub file ``__init__.pyi``::

    from pellucid.layers.dense import Dense as Dense

Type checkers and editors read the stub directly. At run time :func:`attach` reads the same file, so that importing the
package costs next to nothing and ``package.Dense`` imports ``pellucid.layers.dense`` when it is first used (PEP 562).
"""

from __future__ import annotations

import importlib
import os
import sys

TYPE_CHECKING = False  # as in typing, which takes longer to import than all of this
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_HOMES: dict[str, str] = {}  # every exported name -> the module that defines it


def attach(package: str, file: str) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Return ``__getattr__``, ``__dir__`` and ``__all__`` for the ``package`` whose ``__init__.py`` is ``file``.

    The package's modules that define these names are found as attributes too, as if the package had imported them. No exported
    name may equal the name of a module in the package: importing that module would replace the exported object.
    """
    homes = exports(f"{os.path.splitext(file)[0]}.pyi")
    modules = {home.removeprefix(f"{package}.").split(".")[0] for home in homes.values() if home.startswith(f"{package}.")}
    _HOMES.update(homes)

    def find(name: str) -> Any:
        if name in homes:
            value = getattr(importlib.import_module(homes[name]), name)
            setattr(sys.modules[package], name, value)  # the next access finds it directly
            return value
        if name in modules:
            return importlib.import_module(f"{package}.{name}")
        raise AttributeError(f"module {package!r} has no attribute {name!r}{_name_here(name)}")

    def names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *homes})

    return find, names, sorted(homes)


def exports(stub: str | os.PathLike[str]) -> dict[str, str]:
    """Return the exported names of a stub file, each with the module that defines it.

    A stub holds only statements of the form ``from module import A as A, B as B``, in parentheses if they are long. Reading
    them line by line takes a tenth of the time of Python's parser, and needs no import.
    """
    found: dict[str, str] = {}
    module = ""
    with open(stub, encoding="utf-8") as lines:
        for line in lines:
            if line.startswith("from "):
                _, module, _, line = line.split(maxsplit=3)
            for item in line.strip("(), \n").split(","):
                name, separator, _ = item.partition(" as ")
                if separator:
                    found[name.strip()] = module
    return found


def _name_here(name: str) -> str:
    """Return the end of a message about a name that is not exported: what another library's class is called here."""
    if name.startswith("__"):
        return ""
    from pellucid.core import habits  # here, because its import takes time and only errors need it

    if text := habits.instead(name, habits.NAMES):
        return text
    if not name[:1].isupper():
        return ""
    names = [other for other in habits.object_names(name, _HOMES) if other != name]
    return f"; here it is {' or '.join(names)}" if names else ""


def exported() -> list[str]:
    """Return the exported names of all packages that are imported."""
    return list(_HOMES)


def load(name: str) -> None:
    """Import the module that defines the exported name ``name``, if there is one."""
    if name in _HOMES:
        getattr(importlib.import_module(_HOMES[name]), name)  # the module may be a package that exports the name lazily


def load_all() -> None:
    """Import the modules of all exported names."""
    done: set[str] = set()
    while missing := [name for name in _HOMES if name not in done]:  # an imported package may export more names
        for name in missing:
            load(name)
        done.update(missing)
