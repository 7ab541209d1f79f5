"""Stored results: a folder with one JSON file per experiment and size, which is written after every seed.

A file records the fingerprint of the code that measured it. If the code has changed since, the experiment is measured again.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pellucid.core.files import read_json, write_text
from pellucid.core.json_text import jsonable
from pellucid.errors import FileError
from pellucid.lab.experiment import Result, Size


@dataclass
class StoredResults:
    """The stored results of one experiment.

    ``results`` holds the measured values by seed, and ``about`` how each seed was measured: seconds, energy, date, versions.
    ``code`` is the fingerprint of the code that measured them.
    """

    name: str
    size: Size
    code: str
    results: dict[int, Result] = field(default_factory=dict)
    about: dict[int, dict[str, Any]] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """The total time of all seeds."""
        return float(sum(one["seconds"] for one in self.about.values()))

    def by_seed(self, seeds: int | None = None) -> list[Result]:
        """Return the results in the order of their seeds: all, or those of the first ``seeds`` seeds."""
        return [self.results[seed] for seed in sorted(self.results) if seeds is None or seed < seeds]


class Results:
    """A folder of stored results."""

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)

    def path(self, name: str, size: Size) -> Path:
        """Return the path of the file for this experiment and size."""
        return self.folder / f"{name}.{size.value}.json"

    def read(self, name: str, size: Size, code: str | None = None) -> StoredResults | None:
        """Return the stored results, or None if there are none, or if ``code`` is given and their fingerprint differs from it.

        Raises FileError if the file cannot be read.
        """
        path = self.path(name, size)
        if not os.path.exists(path):
            return None
        data = read_json(path)
        try:
            stored = StoredResults(name, size, data["code"])
            for seed, one in data["seeds"].items():
                stored.results[int(seed)], stored.about[int(seed)] = one["result"], one["about"]
        except (KeyError, TypeError, AttributeError, ValueError):
            raise FileError(f"{path} does not contain results of an experiment; delete it to measure them again") from None
        return stored if code is None or code == stored.code else None

    def write(self, stored: StoredResults) -> None:
        """Write the results of one experiment to its file. Raises FileError if this fails."""
        seeds = {str(seed): {"about": stored.about[seed], "result": stored.results[seed]} for seed in sorted(stored.results)}
        data = {"experiment": stored.name, "size": stored.size.value, "code": stored.code, "seeds": seeds}
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FileError(f"cannot create the folder {self.folder}: {error.strerror or error}") from error
        text = json.dumps(jsonable(data), ensure_ascii=False, separators=(",", ":"))
        write_text(self.path(stored.name, stored.size), text + "\n")
