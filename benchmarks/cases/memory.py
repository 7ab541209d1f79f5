"""Peak memory of a fresh process that loads the data and trains one epoch, beside one that only imports NumPy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.cases.epoch import BATCH, TRAINING_IMAGES, data_name, folder
from benchmarks.contenders import contender, contenders
from benchmarks.harness import Case, Settings, begin, report_crash, turns
from benchmarks.results import Cell, Result, Row
from benchmarks.session import Crashed

#: Peaks hardly vary from one process to the next; each process trains an epoch.
PROCESSES = 3


def run(case: Case, settings: Settings) -> Result:
    """Two rows: the peaks, and how far they lie above NumPy's (the medians' difference)."""
    arguments = {"data_dir": folder(settings), "samples": TRAINING_IMAGES, "batch": BATCH}
    peaks, result = measured(case, "memory", arguments, settings)
    result.notes.append(f"Data: {data_name(settings)}.")
    add_rows(result, "peak", peaks, case)
    return result


def measured(case: Case, job: str, arguments: dict[str, Any], settings: Settings) -> tuple[dict[str, list[Any]], Result]:
    """What a job of each contender returns, in a fresh process each time; and a result, which has no rows yet."""
    result = Result(case.name, case.title)
    chosen = {one.name: one for one in settings.chosen(case.contenders)}
    values: dict[str, list[Any]] = {name: [] for name in chosen}
    for order in turns(list(chosen), min(PROCESSES, settings.repeats)):
        for name in order:
            if name not in values:
                continue
            session = begin(chosen[name], result, settings)
            if session is None:
                del values[name]
                continue
            with session:
                try:
                    value = session.ask("once", job=job, arguments=arguments)["value"]
                    result.contenders[name] = session.ask("describe")
                except Crashed as crash:
                    report_crash(result, name, job, crash, settings)
                    del values[name]
                else:
                    values[name].append(value)
                    figures = value if isinstance(value, list) else [value]
                    settings.say(f"  {name}: {' to '.join(f'{one:.0f}' for one in figures)} MiB")
    return values, result


def add_rows(result: Result, label: str, peaks: Mapping[str, Sequence[float]], case: Case) -> None:
    """The peaks, and how far they lie above NumPy's."""
    baselines = tuple(one.name for one in case.contenders if one.baseline)
    row = Row(label, "MiB", {name: Cell(list(values)) for name, values in peaks.items()}, baselines, compared=False)
    result.rows.append(row)
    if "numpy" in row.cells:
        floor = row.cells["numpy"].spread.median
        above = {name: Cell([peak - floor for peak in cell.values]) for name, cell in row.cells.items() if name != "numpy"}
        result.rows.append(Row("above NumPy", "MiB", above))


CASE = Case(
    "memory",
    "Peak resident memory of a process that loads the images and trains one epoch at batch 100.",
    (contender("numpy", baseline=True), *contenders("pellucid", "torch", "sklearn")),
    run,
)
