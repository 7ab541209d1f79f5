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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.results import Cell, Failure, Result, Row
from benchmarks.session import Contender, Crashed, NotInstalled, Session

#: Seconds without work before each burst. The threads of OpenBLAS spin for 2^28 ticks of the processor's clock after their
#: last work, a tenth of a second, and would take a core away from the next contender.
PAUSE = 0.2


@dataclass(frozen=True)
class Settings:
    """How much is measured.

    ``burst`` and ``warm_up`` are the minimal seconds of a measurement and of the warm-up, ``pause`` the seconds before each
    burst, ``timeout`` the seconds after which a contender without an answer is stopped.
    """

    repeats: int = 15
    burst: float = 0.25
    warm_up: float = 1.0
    pause: float = PAUSE
    timeout: float = 900.0  # compiling six networks on a slow machine takes minutes
    quick: bool = False
    only: tuple[str, ...] = ()
    data_dir: Path | None = None
    notify: Callable[[str], None] = field(default=lambda line: print(line, file=sys.stderr, flush=True), repr=False)

    @classmethod
    def for_quick_run(cls, **changes: Any) -> Settings:
        """Return settings with few and short repetitions, which show whether everything works, not how fast it is."""
        return cls(**{"repeats": 3, "burst": 0.05, "warm_up": 0.2, "quick": True, **changes})

    def select(self, contenders: Iterable[Contender]) -> list[Contender]:
        """Return the contenders named in ``only`` (all if it is empty), and the baselines."""
        return [one for one in contenders if not self.only or one.baseline or one.name in self.only]


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


def measure(case: Case, workloads: Sequence[Workload], settings: Settings) -> Result:
    """Time each workload in all contenders of a case, interleaved. Return a row in milliseconds for each workload."""
    result = Result(case.name, case.title)
    with ExitStack() as stack:
        alive: dict[str, Session] = {}
        for contender in settings.select(case.contenders):
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
            row = Row(workload.label, "ms")
            result.rows.append(row)
            variants: dict[str, str] = {}
            job = {
                "job": workload.job,
                "arguments": workload.arguments,
                "warm_up": settings.warm_up,
                "burst": settings.burst,
            }
            for name in list(alive):
                if ready := request(name, workload.label, "prepare", **job):
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
            medians = ", ".join(f"{name} {cell.spread.median:.3g}" for name, cell in row.cells.items())
            settings.notify(f"  {workload.label}: {medians} ms")
        for name in list(alive):
            if facts := request(name, "describe", "describe"):
                result.contenders[name] = facts
    return result
