"""The first use: the time from the start of a process to its first training step, before any kernel has been compiled."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.cases.epoch import data_argument, data_name
from benchmarks.contenders import contenders
from benchmarks.environment import child_environment
from benchmarks.harness import OTHER, Case, Settings, report_crash, rotations
from benchmarks.results import Cell, Result, Row
from benchmarks.session import LAST_LINES, Contender, Crashed

PRESETS = ("mlp", "cnn")
#: Few, since each takes up to a minute.
PROCESSES = 3
#: What ``benchmarks.first_training`` prints, and in the second process of a cache again.
TIMES = {"step": "first step", "epoch": "first epoch"}
CACHES = {"empty cache": True, "second process": False}


def run(case: Case, settings: Settings) -> Result:
    """Return rows in seconds, for each preset: the first step and the end of the first epoch, with an empty cache and again."""
    result = Result(case.name, case.title)
    chosen = {one.name: one for one in settings.select(case.contenders)}
    for preset in PRESETS:
        rows = {label: Row(label, "s", baselines=(OTHER,)) for label in labels(preset) if settings.shows(label)}
        result.rows += rows.values()
        for order in rotations(list(chosen), min(PROCESSES, settings.repeats) if rows else 0):
            for name in order:
                if name in chosen and not _measure(chosen[name], preset, rows, result, settings):
                    del chosen[name]
    result.notes.append(
        "A cache of kernels is in a temporary folder, which is empty at first; Python's bytecode exists. "
        f"One epoch over a thousand images, with validation. Data: {data_name(settings)}."
    )
    return result


def labels(preset: str) -> Iterator[str]:
    """Return the labels of the rows of a preset."""
    return (f"{preset}, {time}, {cache}" for cache in CACHES for time in TIMES.values())


def _measure(contender: Contender, preset: str, rows: dict[str, Row], result: Result, settings: Settings) -> bool:
    """Add a value to each of the rows. Return False, with an entry in ``result``, if a process fails."""
    with tempfile.TemporaryDirectory() as folder:
        for cache in CACHES:
            time.sleep(settings.pause)
            try:
                found = first_training(contender, preset, Path(folder), data_argument(settings), settings.timeout)
            except Crashed as crash:
                report_crash(result, contender.name, f"{preset}, {cache}", crash, settings)
                return False
            for key, label in TIMES.items():
                if row := rows.get(f"{preset}, {label}, {cache}"):
                    row.cells.setdefault(contender.name, Cell([])).values.append(found[key])
            settings.notify(
                f"  {preset}, {cache}: {contender.name} {found['step']:.2f} s, with the epoch {found['epoch']:.2f} s"
            )
    return True


def first_training(contender: Contender, preset: str, cache: Path, data_dir: str | None, timeout: float) -> dict[str, float]:
    """Return the seconds from the start of a process to its first step and to the end of its first epoch.

    Compiled kernels are cached in that folder and nowhere else. Raises Crashed if the process fails.
    """
    environment = child_environment(contender.source)
    # The first is Numba's, the second is the cache folder of the user.
    environment |= {"NUMBA_CACHE_DIR": str(cache / "numba"), "XDG_CACHE_HOME": str(cache / "user")}
    command = [sys.executable, "-m", "benchmarks.first_training", preset, str(time.time()), *filter(None, (data_dir,))]
    try:
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=timeout)
    except subprocess.TimeoutExpired:
        raise Crashed(f"it did not end in {timeout:.0f} s", []) from None
    if done.returncode:
        raise Crashed(f"its process ended with code {done.returncode}", done.stderr.splitlines()[-LAST_LINES:])
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


CASE = Case(
    "first-use",
    "Seconds from the start of a process to its first training step, and to the end of its first epoch.",
    contenders("pellucid"),
    run,
)
