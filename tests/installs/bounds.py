"""The lower bounds in pyproject.toml, and whether exactly these versions are installed.

    python tests/installs/bounds.py

The resolver that installs the lowest versions skips releases that do not fit the others, or that no longer exist. A bound is
true only if its own version was tested, so any other version is an error.
"""

from __future__ import annotations

import importlib.metadata
import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENT = re.compile(r"([A-Za-z0-9_-]+)(?:\[[^]]*\])?(?:>=([0-9.]+)(?:,<[0-9.]+)?)?(?:;.*)?")


def lower_bounds(requirements: list[str]) -> dict[str, str]:
    """Return the lower bound of each required package; extras of Pellucid itself are left out."""
    found = {}
    for requirement in requirements:
        match = REQUIREMENT.fullmatch(requirement)
        if match is None or (match[2] is None and match[1] != "pellucid"):
            raise ValueError(f"expected NAME>=VERSION, got {requirement!r}")
        if match[1] != "pellucid":
            found[match[1]] = match[2]
    return found


def requirements_by_extra() -> dict[str, dict[str, str]]:
    """Return the lower bounds of the core, under "", and of each extra."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"].items()
    return {"": lower_bounds(project["dependencies"])} | {name: lower_bounds(packages) for name, packages in extras}


def same(bound: str, version: str) -> bool:
    """Return whether a version is that of a bound, which may leave out zeros: 2.0 is 2.0.0."""
    parts, expected = version.split("."), bound.split(".")
    return parts[: len(expected)] == expected and set(parts[len(expected) :]) <= {"0"}


def main() -> int:
    """Print what is installed in another version than its lower bound, and return the exit code."""
    bounds = {name: bound for packages in requirements_by_extra().values() for name, bound in packages.items()}
    wrong = 0
    for name, bound in sorted(bounds.items()):
        version = importlib.metadata.version(name)
        if not same(bound, version):
            wrong += 1
            print(f"{name}>={bound}: the lowest version that can be installed is {version}")
    print(f"{len(bounds) - wrong} of {len(bounds)} dependencies are installed in the version of their lower bound")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
