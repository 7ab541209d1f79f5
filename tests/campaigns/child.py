"""One training of the campaign in a process of its own, with planned faults. It starts, or goes on from its checkpoints.

``python -m tests.campaigns.child PLAN`` writes ``final.pellucid``, ``history.json`` and ``problems.json`` into the folder of
the plan when the training ends, and a byte to a pipe after each event ("." for an update). The driver, ``kills.py``, counts
them and kills this process. Faults at a planned operation on a file are injected here.
"""

from __future__ import annotations

import builtins
import contextlib
import errno
import json
import os
import random
import resource
import signal
import stat
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pellucid import Checkpoint, StepEvent
from pellucid.core import files
from pellucid.model import file as model_file
from pellucid.training import threads
from tests.campaigns.trainings import TRAININGS

EVENTS = "PELLUCID_TEST_EVENTS"  # the environment variable with the number of the pipe for the events
OPERATIONS = ("open", "write", "sync file", "rename", "sync folder", "delete")


@dataclass(frozen=True)
class Plan:
    """What a process does: the training and its folder, how often it writes checkpoints, and the fault.

    - ``pause``: seconds of sleep after each event, and in the operations on files (up to that much each), so that a kill from
      outside hits them.
    - ``fault`` happens at the operation ``operation`` of the checkpoint number ``checkpoint`` of this process, and of
      ``repeated`` − 1 further ones: "kill" (by SIGKILL, a random part of a piece written), "full" (ENOSPC), "failed" (EIO), or
      None. "small" lets no file be larger than a random part of a checkpoint (EFBIG, by the operating system).
    - ``clock``: "back" lets the clocks jump back at random.
    """

    training: str
    folder: str
    seed: int = 0
    threads: int | None = None
    checkpoint: dict[str, Any] = field(default_factory=dict)
    pause: float = 0.0
    fault: str | None = None
    operation: str = "write"
    at: int = 0
    repeated: int = 1
    clock: str | None = None

    def json(self) -> str:
        """Return the plan as one argument of a command."""
        return json.dumps(asdict(self))


class Faults:
    """The operations on files of the checkpoints, with pauses and a planned fault."""

    def __init__(self, plan: Plan):
        self.plan, self.random = plan, random.Random(plan.seed)
        self.written = -1  # the number of the checkpoint that is being written
        self._replace, self._fsync, self._unlink = os.replace, os.fsync, os.unlink

    def install(self) -> None:
        """Replace the functions with which the library works on files."""
        os.replace, os.fsync, os.unlink = self.replace, self.fsync, self.unlink  # type: ignore[assignment]
        files.open = self.open  # type: ignore[attr-defined]

    def reach(self, operation: str) -> None:
        """Pause, and let the fault happen if it is planned for this operation."""
        if self.plan.pause:
            time.sleep(self.random.uniform(0, self.plan.pause))
        if self.due(operation):
            self.happen(operation)

    def due(self, operation: str) -> bool:
        plan = self.plan
        return plan.fault is not None and operation == plan.operation and 0 <= self.written - plan.at < plan.repeated

    def happen(self, operation: str) -> None:
        if self.plan.fault == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        number = errno.ENOSPC if self.plan.fault == "full" else errno.EIO
        raise OSError(number, os.strerror(number))

    def open(self, path: Any, mode: str) -> Any:
        if "x" not in mode or not str(path).endswith(".part"):
            return builtins.open(path, mode)
        self.written += 1
        self.reach("open")
        return _File(builtins.open(path, mode), self)

    def fsync(self, descriptor: int) -> None:
        self.reach("sync folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "sync file")
        self._fsync(descriptor)

    def replace(self, source: Any, target: Any) -> None:
        self.reach("rename")
        self._replace(source, target)

    def unlink(self, path: Any, **settings: Any) -> None:
        if not str(path).endswith(".part"):
            self.reach("delete")
        self._unlink(path, **settings)


class _File:
    """A file whose pieces are written with pauses; at the fault only a part of the piece is."""

    def __init__(self, file: Any, faults: Faults):
        self._file, self._faults = file, faults
        self._pieces = faults.random.randrange(8)  # before the fault

    def __enter__(self) -> _File:
        return self

    def __exit__(self, *exception: object) -> None:
        self._file.close()

    def write(self, piece: bytes) -> None:
        faults = self._faults
        if faults.due("write"):
            if self._pieces == 0:
                self._file.write(piece[: faults.random.randrange(len(piece) + 1)])
                self._file.flush()
                faults.happen("write")
            self._pieces -= 1
        if faults.plan.pause:
            time.sleep(faults.random.uniform(0, faults.plan.pause / 4))
        self._file.write(piece)

    def flush(self) -> None:
        self._file.flush()
        if self._faults.due("write"):  # fewer pieces than planned
            self._faults.happen("write")

    def fileno(self) -> int:
        return int(self._file.fileno())


def turn_clocks_back(seed: int) -> None:
    """Let the clocks of Python jump back at random, by up to a day."""
    chance, offset = random.Random(seed), [0.0]

    def unsteady(clock: Any) -> Any:
        def read() -> float:
            if chance.random() < 0.05:
                offset[0] -= chance.choice([0.001, 1.0, 3600.0, 86_400.0])
            return float(clock()) + offset[0]

        return read

    for name in ("time", "perf_counter", "monotonic"):
        setattr(time, name, unsteady(getattr(time, name)))


def limit_file_size(plan: Plan) -> None:
    """Let no file be larger than a random part of a usual checkpoint, from now on."""
    size = random.Random(plan.seed).randrange(100, 20_000)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


def run(plan: Plan) -> tuple[Any, list[str]]:
    """Run a training, or go on with it, and return the model and the problems."""
    training, folder = TRAININGS[plan.training], Path(plan.folder) / "checkpoints"
    faults = Faults(plan)
    with contextlib.ExitStack() as stack:
        if plan.fault is not None or plan.pause:
            faults.install()
        if plan.clock == "back":
            turn_clocks_back(plan.seed)
        if plan.fault == "small":
            before = resource.getrlimit(resource.RLIMIT_FSIZE)
            stack.callback(resource.setrlimit, resource.RLIMIT_FSIZE, before)
            limit_file_size(plan)
        threads.limit_threads(plan.threads)
        model, data = training.model(), training.data()
        options = training.options_with([Checkpoint(folder, **plan.checkpoint)], resume=folder)
        x, y = data.pop("x"), data.pop("y", None)
        pipe = int(os.environ[EVENTS])
        os.write(pipe, b"b")
        steps = None
        for event in model.fit_events(x, y, options, **data):
            os.write(pipe, b"." if isinstance(event, StepEvent) and event.step != steps else b",")
            steps = model.state.steps
            if plan.pause:
                time.sleep(plan.pause)
    return model, model.history.problems


def outcome(model: Any) -> tuple[bytes, str]:
    """Return all that must be the same however often a training is interrupted: the bytes of the model file with the
    optimizer's state, and the history without its times."""
    content = b"".join(model_file.content(model.state, model.config(), training_state=True))
    history = model.history
    rows = [{name: value for name, value in row.items() if name != "seconds"} for row in history.rows]
    return content, json.dumps([rows, history.best_epoch, history.stopped, history.forward_passes], indent=1)


def main() -> None:
    plan = Plan(**json.loads(sys.argv[1]))
    model, problems = run(plan)
    content, history = outcome(model)
    folder = Path(plan.folder)
    (folder / "problems.json").write_text(json.dumps(problems))
    (folder / "history.json").write_text(history)
    (folder / "final.pellucid").write_bytes(content)


if __name__ == "__main__":
    main()
