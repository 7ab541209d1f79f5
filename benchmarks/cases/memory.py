"""Peak memory of a fresh process that loads the data and trains one epoch, beside one that only imports NumPy."""

from __future__ import annotations

from benchmarks.cases.epoch import BATCH, TRAINING_IMAGES, data_name, folder
from benchmarks.contenders import contender, contenders
from benchmarks.harness import Case, Settings, begin, report_crash, turns
from benchmarks.results import Cell, Result, Row
from benchmarks.session import Crashed

#: Peaks hardly vary from one process to the next; each process trains an epoch.
PROCESSES = 3


def run(case: Case, settings: Settings) -> Result:
    """Two rows: the peaks, and how far they lie above NumPy's (the medians' difference)."""
    result = Result(case.name, case.title, notes=[f"Data: {data_name(settings)}."])
    chosen = {one.name: one for one in settings.chosen(case.contenders)}
    baselines = tuple(name for name, one in chosen.items() if one.baseline)
    peaks = Row("peak", "MiB", {name: Cell([]) for name in chosen}, baselines, compared=False)
    arguments = {"data_dir": folder(settings), "samples": TRAINING_IMAGES, "batch": BATCH}
    for order in turns(list(chosen), min(PROCESSES, settings.repeats)):
        for name in order:
            if name not in peaks.cells:
                continue
            session = begin(chosen[name], result, settings)
            if session is None:
                del peaks.cells[name]
                continue
            with session:
                try:
                    peak = session.ask("once", job="memory", arguments=arguments)["value"]
                    result.contenders[name] = session.ask("describe")
                except Crashed as crash:
                    report_crash(result, name, peaks.label, crash, settings)
                    del peaks.cells[name]
                else:
                    peaks.cells[name].values.append(peak)
                    settings.say(f"  {name}: {peak:.0f} MiB")
    result.rows.append(peaks)
    if "numpy" in peaks.cells:
        floor = peaks.cells["numpy"].spread.median
        above = {name: Cell([peak - floor for peak in cell.values]) for name, cell in peaks.cells.items() if name != "numpy"}
        result.rows.append(Row("above NumPy", "MiB", above))
    return result


CASE = Case(
    "memory",
    "Peak resident memory of a process that loads the images and trains one epoch at batch 100.",
    (contender("numpy", baseline=True), *contenders("pellucid", "torch", "sklearn")),
    run,
)
