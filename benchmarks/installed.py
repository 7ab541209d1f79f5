"""The room that a library takes on disk: its files and those of every package that it requires."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import sys
import tomllib
from pathlib import Path


def installed(*packages: str) -> dict[str, int]:
    """Bytes of each package and of all that they require, directly or not; extras are not required.

    A requirement that is absent here is one for another system (its marker says so) and counts for nothing. Bytecode
    and kernel caches (``__pycache__``) are left out: how much of them there is depends on what has been run.
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
    """The version of a package that is installed, or else runs from a checkout."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return str(getattr(sys.modules.get(package), "__version__", "of a checkout"))


def _required(text: str) -> str | None:
    """The name in a requirement such as ``rich>=13; python_version > "3.8"``, unless it belongs to an extra."""
    name = re.match(r"\s*([A-Za-z0-9._-]+)", text)
    return name[1] if name and not re.search(r";.*\bextra\s*==", text) else None


def _measure(name: str) -> tuple[int, list[str]] | None:
    """Bytes and requirements of one package, or None if it is not here."""
    try:
        distribution = importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        distribution = None
    if name == "pellucid":  # often run from a checkout, whose files no installer has listed
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
