"""The scripts of a page, joined to one: a script with the scripts that it imports, each once, before those that import it.

The scripts are JavaScript modules in this folder. Their imports are lines of the form ``import {a, b} from "./name.js";``, and
they export functions and constants where they declare them. In the joined script each module is a function with a scope of its
own, which returns what the module exports.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.resources import files

FOLDER = "pellucid.export.web_page"
_IMPORT = re.compile(r'^import (\{[^}]*\}) from "\./([\w-]+)\.js";$', re.MULTILINE)
_EXPORT = re.compile(r"^export ((?:async )?function|const|class) (\w+)", re.MULTILINE)


def read(name: str) -> str:
    """Return the text of a file of this folder."""
    return files(FOLDER).joinpath(name).read_text(encoding="utf-8")


def joined(first: str, generated: Mapping[str, str]) -> str:
    """Return the module ``first``.js and all that it needs as one script without imports and exports.

    ``generated`` are the texts of modules that are not files, by name.
    """
    return "\n".join(_as_function(name, text) for name, text in needed(first, generated).items())


def needed(first: str, generated: Mapping[str, str]) -> dict[str, str]:
    """Return the texts of the module ``first`` and of all that it imports, by name, in the order in which they run."""
    found: dict[str, str] = {}

    def add(name: str) -> None:
        text = generated[name] if name in generated else read(f"{name}.js")
        for _, other in _IMPORT.findall(text):
            if other not in found:
                add(other)
        found[name] = text

    add(first)
    return found


def _as_function(name: str, text: str) -> str:
    """Return a module as a function that is called once; the constant that is named after the module has its exports."""
    exports = ", ".join(exported for _, exported in _EXPORT.findall(text))
    body = _IMPORT.sub(lambda match: f"const {match[1]} = {_constant(match[2])};", text)
    body = _EXPORT.sub(r"\1 \2", body).strip()
    returned = f"\nreturn {{{exports}}};" if exports else ""
    return f"const {_constant(name)} = (() => {{\n{body}{returned}\n}})();\n"


def _constant(name: str) -> str:
    return f"module_{name.replace('-', '_')}"
