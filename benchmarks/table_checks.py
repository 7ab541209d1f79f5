"""Checks of Pellucid's default training on tables: ``python -m benchmarks.tables --check rising``, ``sparse`` or ``coverage``.

**rising.** ``pellucid train`` is run with its defaults on each of the tables and on 50 random subsets of 100 to 1,000 rows,
five of each table. A training must not end with parameters whose validation loss is more than 2 % above the lowest of its
epochs, whatever came after that epoch. Both losses are those in the run folder.

**sparse.** A classifier is trained on 10,000 synthetic texts as a sparse matrix of 20,000 columns: four subjects, about 80
words from a Zipf distribution in each text, TF-IDF in float64. Measured are the seconds and the peak of memory during the fit,
which together with the matrix should be at most three times the matrix and the parameters.

**coverage.** ``pellucid train`` is run with its defaults on the regressions, each with several splits into training,
validation and test part. The prediction intervals of 90 % of ``pellucid evaluate``, calibrated on the validation part, should
contain 88 to 92 % of the truths in the test part, in the mean over the splits. A table has as many splits as that mean needs
for a standard error of 1 %, if the splits are taken for independent.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.contenders.tables import contender
from benchmarks.harness import Settings, open_session, report_crash
from benchmarks.public_tables import TABLES
from benchmarks.report import format_value
from benchmarks.results import Result
from benchmarks.session import Contender, Crashed, Session

SUBSETS = 50
FEWEST, MOST = 100, 1_000  # rows of a subset
RISE = 0.02
SPARSE = {"rows": 10_000, "columns": 20_000}
SPARSE_CONTENDERS = ("pellucid", "mlp")
MOST_MEMORY = 3.0  # times the matrix and the parameters
TRAININGS = Contender("pellucid train", "benchmarks.contenders.tables.trainings")
COVERED = (0.88, 0.92)
COVERAGE_ERROR = 0.01  # the standard error of a mean
FEWEST_SPLITS, PART = 3, 0.1  # the parts for validation and test
MIB = 2**20


@dataclass(frozen=True)
class Found:
    """The text of a check, and whether it has failed."""

    text: str
    failed: bool


@dataclass(frozen=True)
class Subset:
    """A number of rows of a table, drawn with a seed; all rows if ``rows`` is None."""

    table: str
    rows: int | None
    seed: int


def subsets(tables: Sequence[str], count: int = SUBSETS) -> list[Subset]:
    """Return each table whole, and ``count`` subsets, spread over all of the ten tables.

    The logarithm of the number of rows is uniform. It is at most four fifths of the table.
    """
    stream = random.Random(0)
    whole = [Subset(table, None, 0) for table in tables]
    names, parts = list(TABLES), []
    for number in range(count):
        name = names[number % len(names)]
        most = min(MOST, int(0.8 * TABLES[name].rows))
        size = round(math.exp(stream.uniform(math.log(FEWEST), math.log(most))))
        parts.append(Subset(name, size, number))
    return whole + [part for part in parts if part.table in tables]


def rise_of(best: float, end: float) -> float:
    """Return by which part the loss at the end is above the lowest one."""
    if end <= best:
        return 0.0
    return (end - best) / best if best > 0 else math.inf


def rising(facts: dict[str, Any], tables: Sequence[str], out: Path, settings: Settings, count: int = SUBSETS) -> Found:
    """Train on all tables and subsets, and write ``rising.json`` and ``rising.md``."""
    result, found = Result("rising", ""), []
    session: Session | None = None
    with ExitStack() as stack:
        for subset in subsets(tables, count):
            label = f"{subset.table}, {'all' if subset.rows is None else f'{subset.rows:,}'} rows, seed {subset.seed}"
            if missing := TABLES[subset.table].missing_package():
                result.skipped[subset.table] = f"{missing} is not installed"
                continue
            if session is None:
                session = open_session(TRAININGS, result, settings)
                if session is None:
                    break
                stack.enter_context(session)
            try:
                trained = session.request("call", function="train", arguments=asdict(subset))["value"]
            except Crashed as crash:
                report_crash(result, TRAININGS.name, label, crash, settings)
                session = None  # its process has ended; the next training gets another one
                continue
            found.append({**asdict(subset), **trained, "rise": rise_of(trained["best"], trained["end"])})
            settings.notify(f"{label}: ends {100 * found[-1]['rise']:.2f} % above its lowest validation loss")
    return _written("rising", facts, result, found, rising_text(result, found), out, any(one["rise"] > RISE for one in found))


def rising_text(result: Result, found: Sequence[dict[str, Any]]) -> str:
    """Return the results of the check in Markdown, the worst trainings first."""
    above = sorted((one for one in found if one["rise"] > RISE), key=lambda one: -one["rise"])
    lines = ["# Trainings that end above their lowest validation loss", ""]
    lines.append(
        f"{len(found)} trainings with the defaults of `pellucid train`; {len(above)} of them end more than {100 * RISE:.0f} % "
        "above the lowest validation loss of their epochs."
    )
    lines += ["", "| table | rows | seed | epochs | lowest at epoch | lowest loss | loss at the end | above |"]
    lines.append("|---|" + "---:|" * 7)
    for one in above or sorted(found, key=lambda one: -one["rise"])[:5]:
        cells = [one["table"], f"{one['used_rows']:,}", one["seed"], one["epochs"], one["best_epoch"]]
        cells += [f"{one['best']:.4g}", f"{one['end']:.4g}", f"{100 * one['rise']:.2f} %"]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join([*lines, *_problems(result)]) + "\n"


def sparse(facts: dict[str, Any], tables: Sequence[str], out: Path, settings: Settings) -> Found:
    """Train on a sparse matrix, and write ``sparse.json`` and ``sparse.md``. ``tables`` has no effect."""
    result, found = Result("sparse", ""), []
    only = facts["settings"]["only"]
    for one in (contender(name) for name in SPARSE_CONTENDERS if not only or name in only):
        session = open_session(one, result, settings)
        if session is None:
            continue
        with session:
            try:
                measured = session.request("call", function="sparse", arguments=SPARSE)["value"]
                described = session.request("describe")
            except Crashed as crash:
                report_crash(result, one.name, "sparse", crash, settings)
                continue
        found.append({"contender": one.name, **measured, "share": memory_share(measured), "describe": described})
        settings.notify(f"{one.name}: {measured['fit']:.1f} s, accuracy {measured['accuracy']:.4f}")
    # The aim is Pellucid's: what another library needs is shown beside it.
    ours = [one for one in found if one["contender"] == SPARSE_CONTENDERS[0]]
    failed = not ours or (ours[0]["share"] or 0) > MOST_MEMORY
    return _written("sparse", facts, result, found, sparse_text(result, found), out, failed)


def memory_share(measured: dict[str, Any]) -> float | None:
    """Return the matrix and the peak of the fit, divided by the matrix and the parameters; None if no peak was measured."""
    if measured["peak"] is None:
        return None
    return (measured["matrix"] + measured["peak"]) / (measured["matrix"] + measured["parameters"])


def sparse_text(result: Result, found: Sequence[dict[str, Any]]) -> str:
    """Return the results of the check in Markdown."""
    head = ["contender", "seconds to fit", "accuracy", "matrix, MiB", "parameters, MiB", "peak of the fit, MiB"]
    head += ["matrix and peak / matrix and parameters"]
    lines = ["# Training on a sparse matrix", ""]
    lines.append(
        f"{SPARSE['rows']:,} texts, {SPARSE['columns']:,} columns. The aim is at most {MOST_MEMORY:g} in the last column."
    )
    lines += ["", f"| {' | '.join(head)} |", "|---|" + "---:|" * (len(head) - 1)]
    for one in found:
        sizes = [one["matrix"], one["parameters"], one["peak"]]
        cells = [one["contender"], format_value(one["fit"]), f"{one['accuracy']:.4f}"]
        cells += ["–" if size is None else format_value(size / MIB) for size in sizes]
        lines.append("| " + " | ".join([*cells, "–" if one["share"] is None else f"{one['share']:.2f}"]) + " |")
    return "\n".join([*lines, *_problems(result)]) + "\n"


def split_count(rows: int) -> int:
    """Return the number of splits of a table.

    With n rows each for validation and test, the coverage of one split has the variance 2·0.9·0.1/n: one half from the
    calibration and one from the measurement.
    """
    return max(FEWEST_SPLITS, math.ceil(2 * 0.9 * 0.1 / (PART * rows) / COVERAGE_ERROR**2))


def coverage(facts: dict[str, Any], tables: Sequence[str], out: Path, settings: Settings) -> Found:
    """Measure the coverage on the regressions among the tables, and write ``coverage.json`` and ``coverage.md``."""
    result, found = Result("coverage", ""), list[dict[str, Any]]()
    for name in (one for one in tables if not TABLES[one].classifies):
        if missing := TABLES[name].missing_package():
            result.skipped[name] = f"{missing} is not installed"
            continue
        session = open_session(TRAININGS, result, settings)
        if session is None:
            break
        splits, label = list[dict[str, Any]](), ""
        with session:
            try:
                for seed in range(split_count(TABLES[name].rows)):
                    label = f"{name}, split {seed}"
                    measured = session.request("call", function="cover", arguments={"table": name, "seed": seed})["value"]
                    splits.append({"seed": seed, **measured})
                    settings.notify(f"{label}: {100 * splits[-1]['covered']:.1f} % of {splits[-1]['test_rows']:,} rows")
            except Crashed as crash:
                report_crash(result, TRAININGS.name, label, crash, settings)
        if splits:
            found.append({"table": name, **_means(splits), "splits": splits})
    low, high = COVERED
    failed = not found or any(not low <= one["covered"] <= high for one in found)
    return _written("coverage", facts, result, found, coverage_text(result, found), out, failed)


def _means(splits: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Return the means over the splits, and the standard error of the mean coverage that is expected of independent splits."""
    means = {key: sum(one[key] for one in splits) / len(splits) for key in ("test_rows", "covered", "expected", "width")}
    return means | {"error": math.sqrt(sum(one["deviation"] ** 2 for one in splits)) / len(splits)}


def coverage_text(result: Result, found: Sequence[dict[str, Any]]) -> str:
    """Return the results of the check in Markdown."""
    lines = ["# Coverage of prediction intervals of 90 %", ""]
    lines.append(
        f"Trainings with the defaults of `pellucid train`. The aim is {100 * COVERED[0]:.0f} to {100 * COVERED[1]:.0f} % for "
        "each table. The width is that of the intervals, in standard deviations of the target; without a model it would be 3.3 "
        "for normal values."
    )
    lines += ["", "| table | splits | test rows | covered | expected | width |", "|---|" + "---:|" * 5]
    for one in found:
        cells = [one["table"], len(one["splits"]), f"{one['test_rows']:,.0f}", f"{100 * one['covered']:.1f} %"]
        cells += [f"{100 * one['expected']:.1f} ± {100 * one['error']:.1f} %", f"{one['width']:.2f}"]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join([*lines, *_problems(result)]) + "\n"


def _problems(result: Result) -> list[str]:
    lines = [line for name, reason in result.skipped.items() for line in ("", f"Skipped: {name}: {reason}.")]
    for failure in result.failures:
        last = failure.stderr[-1:] or [""]
        lines += ["", f"Failed: {failure.contender} at {failure.row}: {failure.reason}. {last[0]}"]
    return lines


def _written(
    name: str, facts: dict[str, Any], result: Result, found: list[dict[str, Any]], text: str, out: Path, failed: bool
) -> Found:
    out.mkdir(parents=True, exist_ok=True)
    everything = {**facts, **result.problems(), "results": found}
    (out / f"{name}.json").write_text(json.dumps(everything, indent=1) + "\n", encoding="utf-8")
    (out / f"{name}.md").write_text(text, encoding="utf-8")
    return Found(text, failed or bool(result.failures))


CHECKS: dict[str, Callable[[dict[str, Any], Sequence[str], Path, Settings], Found]] = {
    "rising": rising,
    "sparse": sparse,
    "coverage": coverage,
}
