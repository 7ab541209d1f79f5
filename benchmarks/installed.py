"""The disk space of a library: its files and those of all packages that it requires."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import sys
import tomllib
from pathlib import Path


def installed(*packages: str) -> dict[str, int]:
    """Return the bytes of each package and of all its direct and indirect requirements, without extras.

    Requirements that are not installed, such as those for other systems, do not count. Bytecode and kernel caches
    (``__pycache__``) are left out, since their size depends on what has been run.
    """
    sizes: dict[str, int] = {}
    waiting = list(packages)
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop(0)).lower()
        if name in sizes:
            continue
        found = _measure(name)
        if found is not None:
            sizes[name], requirements = found
            waiting += [required for text in requirements if (required := _required(text))]
    return sizes


def version(package: str) -> str:
    """Return the version of a package, installed or run from a checkout."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return str(getattr(sys.modules.get(package), "__version__", "of a checkout"))


def _required(text: str) -> str | None:
    """Return the name in a requirement such as ``rich>=13; python_version > "3.8"``, or None for a requirement of an extra."""
    name = re.match(r"\s*([A-Za-z0-9._-]+)", text)
    return name[1] if name and not re.search(r";.*\bextra\s*==", text) else None


def _measure(name: str) -> tuple[int, list[str]] | None:
    """Return the bytes and requirements of one package, or None if it is not installed."""
    try:
        distribution = importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        distribution = None
    if name == "pellucid":  # often run from a checkout, which has no list of installed files
        spec = importlib.util.find_spec(name)
        if spec is None or not spec.submodule_search_locations:
            return None
        paths = [path for folder in spec.submodule_search_locations for path in Path(folder).rglob("*")]
        requirements = distribution.requires if distribution else _from_checkout()
    elif distribution is None:
        return None
    else:
        paths = [Path(str(distribution.locate_file(path))) for path in distribution.files or ()]
        requirements = distribution.requires
    kept = {path for path in paths if "__pycache__" not in path.parts and path.is_file()}
    return sum(path.stat().st_size for path in kept), list(requirements or ())


def _from_checkout() -> list[str]:
    pyproject = Path(__file__).resolve().parents[1] / "pyproject.toml"
    required: list[str] = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]["dependencies"]
    return required
