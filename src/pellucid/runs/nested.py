"""Nested validation: the whole search of a sweep on several splits of the data, each of which has a test set of its own.

On each split the settings are chosen by its validation set, and what was chosen is evaluated on its test set, once. The mean
of these scores is an estimate of what the procedure gives, the search included. The test sets are drawn at random and overlap,
so the splits are not independent: the standard deviation between them says how much they differ, not how exact the mean is
(Nadeau and Bengio, "Inference for the generalization error", 2003). Data sets that come with a test set have the same one on
each split.
"""

from __future__ import annotations

import dataclasses
import math
import os
import statistics
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pellucid.core.files import write_text
from pellucid.core.json_text import json_text
from pellucid.data.sources.registry import SOURCES, checked_name, reads_windows
from pellucid.errors import ConfigError, FileError
from pellucid.runs.cells import ACCURACY, NAMES, R_SQUARED, formatted
from pellucid.runs.plan import RunSettings, check_time_budget
from pellucid.runs.selection import Look, Selection
from pellucid.runs.sweep import Grid, Sweep

NESTED = "nested.json"


def sweeps(base: RunSettings, grid: Grid, out: Path, splits: int) -> list[Sweep]:
    """Return the sweep of each split, in the folders ``split=0``, ``split=1``, … of ``out``.

    Raises ConfigError for data that have one split only, and FileError if ``out`` is the folder of a single sweep.
    """
    if checked_name(base.data, base.reading) not in SOURCES and reads_windows(base.data, base.reading):
        raise ConfigError("--splits does not apply to text in windows, which is split by place")
    if os.path.exists(out / "sweep.json"):
        raise FileError(f"{out} is a sweep on one split of the data: choose another folder with --out")
    return [Sweep(dataclasses.replace(base, split_seed=number), grid, out / f"split={number}") for number in range(splits)]


class TimeLeft:
    """A time budget of ``seconds`` from now on, in parts for what is left to do. Raises ConfigError unless it is above 0."""

    def __init__(self, seconds: float):
        self.end = time.time() + check_time_budget(seconds)

    def part(self, left: int) -> float:
        """Return the seconds for the next one of ``left`` equal parts: at least a little, so that it says what is missing."""
        return max((self.end - time.time()) / left, 1e-3)


def record(sweep: Sweep, selection: Selection, look: Look) -> dict[str, Any]:
    """Return the result of one split as plain JSON."""
    ensemble = None if selection.ensemble is None or look.ensemble is None else dict(look.ensemble)
    return {
        "split": sweep.base.split_seed,
        "settings": dict(zip(sweep.grid.values, selection.combination, strict=True)),
        **selection.record(),
        "validation": selection.winner.validation,
        "test": dict(look.winner),
        "ensemble_test": ensemble,
        "samples": look.samples,
        "earlier_looks": look.earlier,
    }


def write(out: Path, results: Sequence[Mapping[str, Any]]) -> None:
    """Write nested.json."""
    write_text(out / NESTED, json_text(list(results)))


def _known(values: Iterable[float | None]) -> list[float]:
    """Return the scores that are defined: R² is not where all targets are equal."""
    return [value for value in values if value is not None and math.isfinite(value)]


def lines(results: Sequence[Mapping[str, Any]], splits: int) -> list[str]:
    """Return lines for the user: the choice of each split, and the mean of the test scores."""
    if not results:
        return ["no run was trained"]
    score = ACCURACY if results[0]["test"].get(ACCURACY) is not None else R_SQUARED
    shown = []
    for one in results:
        settings = ", ".join(f"{name} {value}" for name, value in one["settings"].items())
        ensemble = "" if one["ensemble_test"] is None else f", ensemble {formatted(one['ensemble_test'][score], score)}"
        validation, test = (formatted(one[part][score], score) for part in ("validation", "test"))
        shown.append(f"  split {one['split'] + 1}: test {test}{ensemble}, validation {validation}, {settings}")
    parts = {"test": "best run"} | ({"ensemble_test": "ensemble"} if results[0]["ensemble_test"] is not None else {})
    for part, name in parts.items():
        values = _known(one[part][score] for one in results if one[part] is not None)
        if not values:
            shown.append(f"{name:<9} test {NAMES[score]} undefined: the targets of each test set are all equal")
            continue
        spread = ""
        if len(values) > 1:
            deviation = formatted(statistics.stdev(values), score)
            low, high = formatted(min(values), score), formatted(max(values), score)
            spread = f", standard deviation {deviation}, from {low} to {high}"
        shown.append(f"{name:<9} test {NAMES[score]} {formatted(statistics.fmean(values), score)}{spread}")
    tested = len(_known(one["test"][score] for one in results))
    pairs = [_known((one["validation"][score], one["test"][score])) for one in results]
    differences = [pair[0] - pair[1] for pair in pairs if len(pair) == 2]
    if tested:
        higher = ""
        if differences:
            mean = statistics.fmean(differences)
            direction = "higher" if mean >= 0 else "lower"
            higher = f"; the validation scores of the chosen runs are {formatted(abs(mean), score)} {direction}"
        shown.append(f"          the mean of {tested} split{'s' * (tested > 1)}, the score to report{higher}")
    if 0 < tested < len(results):
        shown.append(f"          {NAMES[score]} is undefined on the others, where all targets of the test set are equal")
    if len(results) < splits:
        shown.append(f"          {splits - len(results)} of {splits} splits have no trained run")
    if looked := sum(one["earlier_looks"] > 0 for one in results):
        shown.append(
            f"          on {looked} of them the test set was used before, for other runs: if that has influenced the search, "
            "this score is too high as well"
        )
    counts = Counter(tuple(one["settings"].items()) for one in results)
    if len(counts) > 1:
        shown.append(f"          {len(counts)} different settings were chosen: the choice depends on the split")
    return shown
