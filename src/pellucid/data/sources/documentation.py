"""The documentation of this package as a text, for machines without a network: the docstrings of its modules and classes."""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path

from pellucid.errors import DataError

PACKAGE = Path(__file__).resolve().parents[2]
_WORD = re.compile(r"(?<![\w`.])[a-z]{3,15}(?![\w`])")


@functools.cache
def documentation() -> str:
    """Return the docstrings of the package, in the order of its files; those with characters beyond ASCII are left out.

    Reading them takes some seconds. Raises DataError where the source files are not installed.
    """
    found = list[str]()
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
                text = ast.get_docstring(node)
                if text and text.isascii():
                    found.append(text)
    if not found:
        raise DataError(f"{PACKAGE} has no source files, so there is no documentation to serve as a text")
    return "\n\n".join(found) + "\n"


def words() -> list[str]:
    """Return the different words of the documentation, of 3 to 15 small letters, in alphabetical order."""
    return sorted(set(_WORD.findall(documentation())))
