"""Peak memory of a fresh process that loads the data and trains one epoch, compared with one that only imports NumPy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.cases.epoch import BATCH, TRAINING_IMAGES, data_argument, data_name
from benchmarks.contenders import contender, contenders
from benchmarks.harness import OTHER, Case, Settings, open_session, report_crash, rotations
from benchmarks.results import Cell, Result, Row
from benchmarks.session import Crashed

#: Few, since peaks hardly vary from process to process, and each process trains an epoch.
PROCESSES = 3


def run(case: Case, settings: Settings) -> Result:
    """Return two rows: the peaks, and their difference to NumPy's median."""
    arguments = {"data_dir": data_argument(settings), "samples": TRAINING_IMAGES, "batch": BATCH}
    peaks, result = measure_processes(case, "memory", arguments, settings)
    result.notes.append(f"Data: {data_name(settings)}.")
    add_rows(result, "peak", peaks, case)
    return result


def measure_processes(
    case: Case, function: str, arguments: dict[str, Any], settings: Settings
) -> tuple[dict[str, list[Any]], Result]:
    """Return what a function of each contender returns, in a fresh process each time, and a result without rows."""
    result = Result(case.name, case.title)
    chosen = {one.name: one for one in settings.select(case.contenders)}
    values: dict[str, list[Any]] = {name: [] for name in chosen}
    for order in rotations(list(chosen), min(PROCESSES, settings.repeats)):
        for name in order:
            if name not in values:
                continue
            session = open_session(chosen[name], result, settings)
            if session is None:
                del values[name]
                continue
            with session:
                try:
                    value = session.request("call", function=function, arguments=arguments)["value"]
                    result.contenders[name] = session.request("describe")
                except Crashed as crash:
                    report_crash(result, name, function, crash, settings)
                    del values[name]
                else:
                    values[name].append(value)
                    peaks = value if isinstance(value, list) else [value]
                    settings.notify(f"  {name}: {' to '.join(f'{one:.0f}' for one in peaks)} MiB")
    return values, result


def add_rows(result: Result, label: str, peaks: Mapping[str, Sequence[float]], case: Case) -> None:
    """Add a row of the peaks, and a row of their difference to NumPy's median."""
    baselines = tuple(
        name for name in peaks if name == OTHER or any(one.baseline and one.name == name for one in case.contenders)
    )
    row = Row(label, "MiB", {name: Cell(list(values)) for name, values in peaks.items()}, baselines, compared=False)
    result.rows.append(row)
    if "numpy" in row.cells:
        floor = row.cells["numpy"].spread.median
        above = {name: Cell([peak - floor for peak in cell.values]) for name, cell in row.cells.items() if name != "numpy"}
        result.rows.append(Row("above NumPy", "MiB", above, (OTHER,)))


CASE = Case(
    "memory",
    "Peak resident memory of a process that loads the images and trains one epoch at batch 100.",
    (contender("numpy", baseline=True), *contenders("pellucid", "torch", "sklearn")),
    run,
)
