"""The harness: contenders in processes of their own, measured in turn.

Round 1 measures a burst of each contender in the order A, B, C, round 2 in the order B, C, A, and so on. So whatever else
happens on the machine during a benchmark affects all of them. Contenders that are not being measured wait in a read. Before
each burst the harness pauses, because the threads of the previous contender may spin for a while.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks.results import OURS, Cell, Failure, Result, Row
from benchmarks.session import Contender, Crashed, NotInstalled, Session

#: Seconds without work before each burst. The threads of OpenBLAS spin for 2^28 ticks of the processor's clock after their
#: last work, a tenth of a second, and would take a core away from the next contender.
PAUSE = 0.2
#: The columns of another version of Pellucid, and of the products that show the speed of the machine.
OTHER, PRODUCTS = "before", "products"


@dataclass(frozen=True)
class Settings:
    """How much is measured.

    ``burst`` and ``warm_up`` are the minimal seconds of a measurement and of the warm-up, ``pause`` the seconds before each
    burst, ``timeout`` the seconds after which a contender without an answer is stopped. ``rows`` are texts of which the label
    of a row must contain one. ``against`` is a folder with another version of the package ``pellucid``, which is measured too.
    """

    repeats: int = 15
    burst: float = 0.25
    warm_up: float = 1.0
    pause: float = PAUSE
    timeout: float = 900.0  # compiling six networks on a slow machine takes minutes
    quick: bool = False
    only: tuple[str, ...] = ()
    rows: tuple[str, ...] = ()
    against: Path | None = None
    data_dir: Path | None = None
    notify: Callable[[str], None] = field(default=lambda line: print(line, file=sys.stderr, flush=True), repr=False)

    @classmethod
    def for_quick_run(cls, **changes: Any) -> Settings:
        """Return settings with few and short repetitions, which show whether everything works, not how fast it is."""
        return cls(**{"repeats": 3, "burst": 0.05, "warm_up": 0.2, "quick": True, **changes})

    def select(self, contenders: Iterable[Contender]) -> list[Contender]:
        """Return the contenders named in ``only`` (all if it is empty), and the baselines.

        With ``against``, the other version of Pellucid follows this one, as a baseline.
        """
        chosen = [one for one in contenders if not self.only or one.baseline or one.name in self.only]
        ours = next((place for place, one in enumerate(chosen) if one.name == OURS), None)
        if self.against is not None and ours is not None:
            chosen.insert(ours + 1, replace(chosen[ours], name=OTHER, baseline=True, source=self.against))
        return chosen

    def shows(self, label: str) -> bool:
        """Return whether a row with that label is measured."""
        return not self.rows or any(text in label for text in self.rows)


@dataclass(frozen=True)
class Case:
    """A benchmark: its name on the command line, its title, its contenders, and the function that runs it."""

    name: str
    title: str
    contenders: tuple[Contender, ...]
    run: Callable[[Case, Settings], Result]


@dataclass(frozen=True)
class Workload:
    """One row of a benchmark: the name of the contenders' function that creates the job, and its arguments."""

    label: str
    job: str
    arguments: dict[str, Any]


def rotations(names: Sequence[str], rounds: int) -> list[list[str]]:
    """Return the order of the names in each round. It is rotated by one from round to round."""
    return [[*names[shift:], *names[:shift]] for shift in (turn % max(1, len(names)) for turn in range(rounds))]


def open_session(contender: Contender, result: Result, settings: Settings) -> Session | None:
    """Return a session that is ready, or None if it cannot start; the reason is then recorded in ``result``."""
    session = Session(contender, settings.timeout)
    try:
        session.start()
    except NotInstalled as missing:
        result.skipped[contender.name] = f"{missing} is not installed"
        settings.notify(f"  {contender.name}: skipped, {missing} is not installed")
    except Crashed as crash:
        report_crash(result, contender.name, "start", crash, settings)
    else:
        return session
    session.close()
    return None


def report_crash(result: Result, contender: str, row: str, crash: Crashed, settings: Settings) -> None:
    """Record a crash in ``result`` and report it. The other contenders continue."""
    result.failures.append(Failure(contender, row, crash.reason, crash.stderr))
    settings.notify(f"  {contender}: FAILED at {row}: {crash.reason}")
    for line in crash.stderr[-3:]:
        settings.notify(f"    {line}")


def measure(case: Case, workloads: Sequence[Workload], settings: Settings, products: Workload | None = None) -> Result:
    """Time each workload in all contenders of a case, interleaved. Return a row in milliseconds for each workload.

    ``products`` is a job of the contender ``numpy`` that takes turns with them and has no column.
    """
    result = Result(case.name, case.title)
    workloads = [workload for workload in workloads if settings.shows(workload.label)]
    if not workloads:
        return result
    with ExitStack() as stack:
        alive: dict[str, Session] = {}
        chosen = settings.select(case.contenders)
        baselines = tuple(one.name for one in chosen if one.baseline)
        if products is not None:
            chosen.append(Contender(PRODUCTS, "benchmarks.contenders.numpy"))
        for contender in chosen:
            if session := open_session(contender, result, settings):
                alive[contender.name] = stack.enter_context(session)

        def request(name: str, row: str, command: str, **arguments: Any) -> dict[str, Any] | None:
            try:
                return alive[name].request(command, **arguments)
            except Crashed as crash:
                report_crash(result, name, row, crash, settings)
                del alive[name]
                return None

        for workload in workloads:
            row = Row(workload.label, "ms", baselines=baselines)
            result.rows.append(row)
            variants: dict[str, str] = {}
            job = {
                "job": workload.job,
                "arguments": workload.arguments,
                "warm_up": settings.warm_up,
                "burst": settings.burst,
            }
            for name in list(alive):
                mine = {**job, "job": products.job, "arguments": products.arguments} if products and name == PRODUCTS else job
                if ready := request(name, workload.label, "prepare", **mine):
                    variants[name] = ready["variant"]
                    settings.notify(f"  {workload.label}: {name} is ready ({ready['check']}; {ready['runs']} runs per burst)")
            for order in rotations(list(variants), settings.repeats):
                for name in order:
                    if name not in alive:
                        continue
                    time.sleep(settings.pause)
                    if timed := request(name, workload.label, "measure"):
                        row.cells.setdefault(name, Cell([], variants[name])).values.append(timed["seconds"] * 1e3)
            # The columns keep the order of the contenders. A contender that crashed has no cell.
            row.cells = {name: row.cells[name] for name in variants if name in alive and name in row.cells}
            row.products = row.cells.pop(PRODUCTS, None)
            medians = ", ".join(f"{name} {cell.spread.median:.3g}" for name, cell in row.cells.items())
            settings.notify(f"  {workload.label}: {medians} ms")
        for name in [name for name in alive if name != PRODUCTS]:
            if facts := request(name, "describe", "describe"):
                result.contenders[name] = facts
    return result
