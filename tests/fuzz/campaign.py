"""A campaign of fuzzing: ``python -m tests.fuzz.campaign --inputs 1000000 --jobs 2``.

Every input is made from its target, the seed of the campaign and its number, so that a campaign repeats exactly; another
``--seed`` makes other inputs. ``--targets idx,tables`` runs only these. The inputs are given to processes in blocks. A process
that ends (a crash), or that does not end with one input (a hang in C code, or a deadlock), is replaced, and its input counts as
a failure.

``--out`` names a folder. In it, ``progress.json`` has the number of inputs of each target so far, and each kind of failure has
a text with the traceback and a file with the input, which ``--replay FILE`` runs again. The campaign ends with the exit code 1
if there was a failure. ``--table OUT…`` prints how many inputs each target had.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import json
import multiprocessing
import os
import re
import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.fuzz.running import Failure, check, limit_address_space, time_limited, warm_up
from tests.fuzz.target import MEGABYTE, Target, scratch_folder

HANG = 60.0  # seconds of processor time for one input; those that Python can interrupt end after TIME_LIMIT
DEADLOCK = 3600.0  # seconds of any time for one input, on a machine that does much else
BLOCK = 200  # inputs that a process gets at a time
MEASURED = 8  # of so many inputs, the memory of one is measured
EXTRA_MEMORY = 512 * MEGABYTE  # of address space that a process may take beyond what it has when its targets are ready
KEPT = 3  # inputs of each kind of failure


def all_targets() -> dict[str, type[Target]]:
    """Return the targets by name."""
    from tests.fuzz import data_targets, model_targets, text_targets

    modules = (model_targets, data_targets, text_targets)
    found = [one for module in modules for one in vars(module).values() if isinstance(one, type) and issubclass(one, Target)]
    return {one.name: one for one in found if one is not Target}


def counts(inputs: int, names: Sequence[str]) -> dict[str, int]:
    """Return the number of inputs of each target: together ``inputs``, in proportion to their shares."""
    shares = {name: target.share for name, target in all_targets().items() if name in names}
    result = {name: int(inputs * share / sum(shares.values())) for name, share in shares.items()}
    result[next(iter(result))] += inputs - sum(result.values())
    return result


@contextlib.contextmanager
def opened(name: str) -> Iterator[Target]:
    """Make a target with a folder of its own, which is removed at the end."""
    folder = scratch_folder(name)
    try:
        target = all_targets()[name](folder)
        warm_up(target)
        yield target
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def work(tasks: Any, results: Any, seed: int, current: Any) -> None:
    """Run blocks of inputs, the body of a process.

    ``current`` is the input that it works on: its number, when it began, and the processor time of the process then.
    """
    with contextlib.ExitStack() as stack:
        targets: dict[str, Target] = {}
        with time_limited():
            while (task := tasks.get()) is not None:
                name, numbers = task
                if name not in targets:
                    targets[name] = stack.enter_context(opened(name))
                    limit_address_space(EXTRA_MEMORY)
                for number in numbers:
                    current[:] = number, time.time(), time.process_time()
                    failure = check(targets[name], targets[name].input(seed, number), measure=number % MEASURED == 0)
                    if failure is not None:
                        results.put(("failure", failure, number))
                current[1] = 0.0
                results.put(("done", name, len(numbers)))


@dataclass
class Worker:
    """A process and what it works on."""

    process: Any
    tasks: Any
    results: Any
    current: Any
    task: tuple[str, Sequence[int]] | None = None

    @classmethod
    def start(cls, context: Any, seed: int) -> Worker:
        tasks, results, current = context.SimpleQueue(), context.SimpleQueue(), context.Array("d", 3)
        process = context.Process(target=work, args=(tasks, results, seed, current), daemon=True)
        process.start()
        return cls(process, tasks, results, current)

    def give(self, task: tuple[str, Sequence[int]] | None) -> None:
        self.task, self.current[1] = task, 0.0
        self.tasks.put(task)

    def lost(self) -> str | None:
        """Return what happened to the process, or None if it works."""
        if not self.process.is_alive():
            return f"the process ended with the exit code {self.process.exitcode}"
        _, began, processor_time = self.current[:]
        if began and _processor_time(self.process.pid) - processor_time > HANG:
            return f"no end after {HANG:g} s of processor time"
        if began and time.time() - began > DEADLOCK:
            return f"no end after {DEADLOCK:g} s"
        return None


def _processor_time(process: int) -> float:
    """Return the seconds of processor time of a process, 0 where the system does not say."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return 0.0


@dataclass
class Campaign:
    """The state of a campaign: its blocks that are left, and what was found."""

    seed: int
    out: Path
    blocks: list[tuple[str, Sequence[int]]]
    done: Counter[str] = field(default_factory=Counter)
    kinds: Counter[tuple[str, str]] = field(default_factory=Counter)

    def record(self, failure: Failure, number: int) -> None:
        """Store a failure, unless there are enough of its kind, and print it."""
        key = failure.target, failure.kind
        self.kinds[key] += 1
        if self.kinds[key] > KEPT:
            return
        print(describe(failure, self.seed, number), flush=True)
        kind = re.sub(r"\W+", "-", failure.kind)[:60]
        stem = self.out / f"{failure.target}.{kind}.{self.seed}-{number}"
        stem.with_name(stem.name + ".txt").write_text(describe(failure, self.seed, number), encoding="utf-8")
        stem.with_name(stem.name + ".input").write_bytes(failure.data)

    def write(self, start: float) -> None:
        """Write progress.json."""
        failures = [{"target": target, "kind": kind, "inputs": n} for (target, kind), n in sorted(self.kinds.items())]
        data = {"seed": self.seed, "inputs": self.done.total(), "by_target": self.done, "failures": failures}
        text = json.dumps({**data, "seconds": round(time.time() - start)}, indent=1)
        (self.out / "progress.json").write_text(text, encoding="utf-8")

    def run(self, jobs: int) -> None:
        """Run all blocks in ``jobs`` processes."""
        context = multiprocessing.get_context("spawn")
        start = written = time.time()
        workers = [Worker.start(context, self.seed) for _ in range(jobs)]
        while workers:
            for worker in list(workers):
                if worker.task is None:
                    if not self.blocks:
                        worker.give(None)
                        workers.remove(worker)
                        continue
                    worker.give(self.blocks.pop())
                while not worker.results.empty():
                    self._take(worker, worker.results.get())
                if worker.task is not None and (reason := worker.lost()) is not None:
                    workers[workers.index(worker)] = self._replace(worker, reason, context)
            if time.time() - written > 10:
                written = time.time()
                self.write(start)
            time.sleep(0.02)
        self.write(start)

    def _take(self, worker: Worker, message: tuple[str, Any, int]) -> None:
        what, value, number = message
        if what == "failure":
            self.record(value, number)
        else:
            self.done[value] += number
            worker.task = None

    def _replace(self, worker: Worker, reason: str, context: Any) -> Worker:
        """Record the input of a process that is lost, and let a new one do the rest of its block."""
        assert worker.task is not None
        name, numbers = worker.task
        number = int(worker.current[0])
        worker.process.kill()
        with opened(name) as target:
            self.record(Failure(name, reason, reason, target.input(self.seed, number)), number)
        rest = numbers[numbers.index(number) + 1 :] if number in numbers else numbers
        self.done[name] += len(numbers) - len(rest)
        if rest:
            self.blocks.append((name, rest))
        return Worker.start(context, self.seed)


def describe(failure: Failure, seed: int, number: int) -> str:
    """Return a failure in words, with all that is needed to run its input again."""
    shown = base64.b64encode(failure.data[:600]).decode()
    more = "" if len(failure.data) <= 600 else f" … ({len(failure.data):,} bytes)"
    again = f"python -m tests.fuzz.campaign --targets {failure.target} --seed {seed} --first {number} --inputs 1"
    return f"{failure.target}: {failure.kind}\n{failure.text}\ninput     {shown}{more} (base64)\nagain     {again}\n"


def blocks_of(wanted: dict[str, int], first: int) -> list[tuple[str, Sequence[int]]]:
    """Return the blocks of all targets, interleaved, so that a campaign that is stopped has tried all of them."""
    blocks = [
        (start / max(n, 1), name, range(first + start, first + min(start + BLOCK, n)))
        for name, n in wanted.items()
        for start in range(0, n, BLOCK)
    ]
    return [(name, numbers) for _, name, numbers in sorted(blocks, key=lambda block: block[0], reverse=True)]


def table(folders: Sequence[Path]) -> str:
    """Return the numbers of inputs of all campaigns in these folders together, as a Markdown table for the documentation."""
    done: Counter[str] = Counter()
    for folder in folders:
        done.update(json.loads((folder / "progress.json").read_text(encoding="utf-8"))["by_target"])
    rows = [f"| `{name}` | {done[name]:,} |" for name in all_targets()]
    return "\n".join(["| target | inputs |", "|---|---:|", *rows, f"| together | {done.total():,} |"])


def main() -> int:
    """Run the campaign of the command line and return the exit code."""
    known = all_targets()
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.campaign", description="Run a campaign of fuzzing.")
    parser.add_argument("--inputs", type=int, default=1_000_000, help="the number of inputs of all targets together")
    parser.add_argument("--jobs", type=int, default=2, help="the number of processes")
    parser.add_argument("--seed", type=int, default=0, help="selects the inputs")
    parser.add_argument("--first", type=int, default=0, help="the number of the first input of each target")
    parser.add_argument("--targets", default=",".join(known), help=f"of {', '.join(known)}")
    parser.add_argument("--out", type=Path, default=Path("runs/fuzz"), help="the folder for progress and failures")
    parser.add_argument("--replay", type=Path, help="run the input in this file again, as TARGET.….input in --out")
    parser.add_argument("--table", type=Path, nargs="+", metavar="OUT", help="print the inputs of earlier campaigns as a table")
    options = parser.parse_args()
    if options.table is not None:
        print(table(options.table))
        return 0
    names = options.targets.split(",")
    if unknown := set(names) - set(known):
        parser.error(f"there is no target {sorted(unknown)[0]!r}: choose of {', '.join(known)}")
    if options.replay is not None:
        data = options.replay.read_bytes()
        with opened(options.replay.name.split(".")[0]) as target, time_limited():
            failure = check(target, data)
        print("the input is read as it should be" if failure is None else describe(failure, 0, 0))
        return failure is not None
    options.out.mkdir(parents=True, exist_ok=True)
    campaign = Campaign(options.seed, options.out, blocks_of(counts(options.inputs, names), options.first))
    campaign.run(options.jobs)
    print((options.out / "progress.json").read_text(encoding="utf-8"))
    return bool(campaign.kinds)


if __name__ == "__main__":
    sys.exit(main())
