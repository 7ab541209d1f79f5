"""The libraries of functions in ``plain/functions``: their source text by name, as an export needs it."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Language = Literal["c", "js"]
FOLDER = Path(__file__).parent / "functions"
FILES: dict[Language, tuple[str, ...]] = {
    "js": ("input_stages", "basics", "activations", "images", "normalization", "recurrent", "attention", "tables"),
    "c": ("input_stages", "basics", "activations", "images", "normalization", "recurrent", "attention", "tables", "int8"),
}
DEFINITION = re.compile(r"^(?:static |typedef |function )[^(;]*?(\w+)\(", re.MULTILINE)
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)


@dataclass(frozen=True)
class Library:
    """The functions of one language: ``sources`` is the text of each, with the comment before it, in the order of the files."""

    sources: dict[str, str]

    def needed(self, names: Iterable[str]) -> list[str]:
        """Return the sources of these functions, and of those that they call, in the order of the files."""
        needed: set[str] = set()
        left = list(names)
        while left:
            name = left.pop()
            if name not in needed:
                needed.add(name)
                left += set(re.findall(r"\w+", COMMENT.sub("", self.sources[name]))) & set(self.sources)
        return [source for name, source in self.sources.items() if name in needed]

    def extended(self, sources: dict[str, str]) -> Library:
        """Return the library with more functions at its end."""
        return Library(self.sources | sources)


@functools.cache
def library(language: Language) -> Library:
    """Return the functions of a language. In the files, blank lines separate the functions, and are nowhere inside them."""
    sources: dict[str, str] = {}
    for name in FILES[language]:
        for block in (FOLDER / f"{name}.{language}").read_text(encoding="utf-8").split("\n\n"):
            if (match := DEFINITION.search(block)) is not None:
                sources[match[1]] = block.strip("\n")
    return Library(sources)
