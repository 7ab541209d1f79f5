"""Results: one JSON file for each experiment and size, in a folder; each seed is there as soon as it is measured.

A file belongs to the code that measured it: where that has changed since, it is measured anew.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pellucid.core.files import read_json, write_text
from pellucid.errors import FileError
from pellucid.lab.experiment import Result, Size
from pellucid.runs.folder import plain


@dataclass
class Kept:
    """What is known of one experiment: by seed its numbers, and ``about`` each seed's run: seconds, energy, date, versions."""

    name: str
    size: Size
    code: str  # the fingerprint of the code that measured it
    results: dict[int, Result] = field(default_factory=dict)
    about: dict[int, dict[str, Any]] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """The time that all seeds took."""
        return float(sum(one["seconds"] for one in self.about.values()))

    def in_order(self, seeds: int | None = None) -> list[Result]:
        """The results by seed, all or those of the first so many seeds."""
        return [self.results[seed] for seed in sorted(self.results) if seeds is None or seed < seeds]


class Results:
    """A folder of results."""

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)

    def path(self, name: str, size: Size) -> Path:
        return self.folder / f"{name}.{size.value}.json"

    def read(self, name: str, size: Size, code: str | None = None) -> Kept | None:
        """What is kept; None where there is nothing, or nothing that ``code`` (if given) measured. Raises FileError."""
        path = self.path(name, size)
        if not path.exists():
            return None
        data = read_json(path)
        try:
            kept = Kept(name, size, data["code"])
            for seed, one in data["seeds"].items():
                kept.results[int(seed)], kept.about[int(seed)] = one["result"], one["about"]
        except (KeyError, TypeError, AttributeError, ValueError):
            raise FileError(f"{path} is no file of results: delete it, and it is measured again") from None
        return kept if code is None or code == kept.code else None

    def write(self, kept: Kept) -> None:
        """Raises FileError."""
        seeds = {str(seed): {"about": kept.about[seed], "result": kept.results[seed]} for seed in sorted(kept.results)}
        data = {"experiment": kept.name, "size": kept.size.value, "code": kept.code, "seeds": seeds}
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FileError(f"cannot make the folder {self.folder}: {error.strerror or error}") from error
        write_text(self.path(kept.name, kept.size), json.dumps(plain(data), ensure_ascii=False, separators=(",", ":")) + "\n")
