"""Trainings that were asked for on the page: one at a time, each in a process of its own, the others wait.

What a training tells is kept, so that a page that is opened later, or again, sees all of it; and it is passed on to every page
that listens.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import multiprocessing
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pellucid.app.body import Missing
from pellucid.app.job import OVER, PAIR, Job
from pellucid.app.networks import Networks
from pellucid.app.worker import work
from pellucid.errors import ConfigError, FileError, PellucidError
from pellucid.runs.folder import RunFolder, plain
from pellucid.runs.run import Plan, Settings

WAITING = 8  # jobs in the queue at most
KEPT = 30  # jobs that are over and still shown
LINES = 50  # for people, kept of each job
GRACE = 5.0  # seconds that a training has to keep what it learned when the server ends
Hear = Callable[[str | None], None]  # is given JSON; None at the end


class Jobs:
    """The queue. All methods may be called from any thread."""

    def __init__(self, networks: Networks, runs: Path, data_dir: Path | None = None) -> None:
        self.networks, self.runs, self.data_dir = networks, runs, data_dir
        self._jobs: dict[int, Job] = {}
        self._change = threading.Condition()
        self._hearers: list[Hear] = []
        self._thread: threading.Thread | None = None
        self._closed = False

    # -- what is asked --------------------------------------------------------------------------------------------

    def start(self, settings: Settings, name: str | None = None) -> int:
        """Puts a training in the queue; its run folder is called ``name``, or after the preset with a number. Raises
        ConfigError for settings that no run can have, and where too many wait."""
        plan = Plan.of(settings)
        with self._change:
            if sum(job.state == "queued" for job in self._jobs.values()) >= WAITING:
                raise ConfigError(f"{WAITING} trainings wait already: stop one of them, or wait")
            number = max(self._jobs, default=0) + 1
            job = self._jobs[number] = Job(number, settings, plan, name or settings.model, numbered=name is None)
            for old in [one.number for one in self._jobs.values() if one.state in OVER][:-KEPT]:
                del self._jobs[old]
            self._tell(job)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="trainings", daemon=True)
                self._thread.start()
            self._change.notify_all()
        return number

    def start_pair(self) -> list[int]:
        """Puts the pair for drawings in the queue, if it is not under way. Raises as :meth:`start`."""
        with self._change:
            under_way = {job.name: job.number for job in self._jobs.values() if job.state not in OVER}
            return [
                under_way.get(name) or self.start(dataclasses.replace(settings, data_dir=self.data_dir), name)
                for name, settings in PAIR.items()
            ]

    def steer(self, number: int, action: str, rate: float | None = None) -> None:
        """Changes a training that is under way: "pause", "resume", "stop", "learning_rate" (None: what its recipe says). Raises
        Missing and ConfigError."""
        with self._change:
            job = self._jobs.get(number)
            if job is None:
                raise Missing(f"there is no training {number} here")
            if job.state in (*OVER, "stopping", "scoring"):
                raise ConfigError("this training is over" if job.state in OVER else "this training is about to end")
            if job.state in ("queued", "starting") and action != "stop":
                raise ConfigError("this training has not begun")
            if job.state == "queued":
                job.state, job.error = "stopped", "taken out of the queue before it began"
            else:
                with contextlib.suppress(OSError):  # it ends at this moment
                    if job.channel is not None:
                        job.channel.send((action, rate))
                if action == "stop":
                    job.state = "stopping"
                elif action == "learning_rate":
                    job.steered = rate
            self._tell(job)

    def close(self) -> None:
        """Ends what is under way, and lets it keep what it has learned if that takes no longer than GRACE."""
        with self._change:
            self._closed = True
            self._change.notify_all()
            for job in self._jobs.values():
                if job.channel is not None:
                    with contextlib.suppress(OSError):
                        job.channel.send(("stop", None))
        self.hush()
        if self._thread is not None:
            self._thread.join(GRACE)
            for job in self._jobs.values():
                if (process := job.process) is not None:
                    process.terminate()
            self._thread.join(GRACE)

    # -- what is heard --------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def heard(self, hear: Hear) -> Iterator[str]:
        """Gives all jobs as JSON; inside, ``hear`` is given every change after that."""
        with self._change:
            whole = [{**job.described(), "rows": job.rows, "points": job.points} for job in self._jobs.values()]
            state = _json({"kind": "jobs", "jobs": whole})
            self._hearers.append(hear)
            if self._closed:
                hear(None)
        try:
            yield state
        finally:
            with self._change:
                self._hearers.remove(hear)

    def hush(self) -> None:
        """Tells everybody who listens that nothing more will come."""
        with self._change:
            for hear in self._hearers:
                hear(None)

    def _say(self, kind: str, job: Job, values: Mapping[str, Any]) -> None:
        text = _json({"kind": kind, "job": job.number, **values})
        for hear in self._hearers:
            hear(text)

    def _tell(self, job: Job) -> None:
        self._say("job", job, job.described())

    # -- the thread that trains -----------------------------------------------------------------------------------

    def _work(self) -> None:
        while True:
            with self._change:
                while not self._closed and self._next() is None:
                    self._change.wait()
                job = self._next()
                if self._closed or job is None:
                    return
                job.state = "starting"
                self._tell(job)
            try:
                self._train(job)
            except Exception as error:  # a bug, which is not to keep the other trainings waiting for ever
                traceback.print_exc()
                self._end(job, "failed", error=f"{type(error).__name__}: {error} (the server's terminal says where)")

    def _next(self) -> Job | None:
        return next((job for job in self._jobs.values() if job.state == "queued"), None)

    def _train(self, job: Job) -> None:
        spawn = multiprocessing.get_context("spawn")  # a fork would copy threads and locks in the middle of their work
        try:
            folder = self.runs / job.name
            free = not job.numbered and not folder.exists()
            job.folder = RunFolder(folder if free else None, job.name, parent=self.runs)
            here, there = spawn.Pipe()
            process = spawn.Process(target=work, args=(there, job.settings, job.folder.path.resolve()), daemon=True)
            process.start()
            there.close()
        except OSError as error:  # FileError is one
            self._end(job, "failed", error=str(error))
            return
        with self._change:
            job.channel, job.process = here, process
            stops = self._closed or job.state == "stopping"
        with contextlib.suppress(EOFError, OSError):
            if stops:
                here.send(("stop", None))
            while True:
                self._heard(job, *here.recv())
        process.join()
        here.close()
        with self._change:
            job.channel = job.process = None
        if job.state not in OVER:
            last = f"; the last it said: {job.lines[-1]}" if job.lines else ""
            self._end(job, "failed", error=f"the process of this training died ({_exit(process.exitcode)}){last}")

    def _heard(self, job: Job, kind: str, value: Any) -> None:
        if kind == "done":
            self._done(job, value)
            return
        if kind == "failed":
            self._end(job, "failed", error=value)
            return
        with self._change:
            if kind == "told":
                job.lines = [*job.lines, value][-LINES:]
            elif kind == "paused":
                job.state = "stopping" if job.state == "stopping" else "paused" if value else "training"
            elif kind == "step":
                job.now = value
                if value["point"] is not None:
                    job.points.append(value["point"])
                if job.state != "starting":
                    self._say("step", job, {"now": value})
                    return
                job.state = "training"
            elif kind == "epoch":
                job.rows.append(value)
                last = len(job.rows) == job.plan.recipe.epochs
                job.state = "scoring" if last else "training" if job.state == "starting" else job.state
                self._say("epoch", job, {"row": value})
            self._tell(job)

    def _done(self, job: Job, result: dict[str, Any]) -> None:
        assert job.folder is not None
        network = note = None
        try:
            (network,) = self.networks.add(job.folder.path)
        except (ConfigError, FileError) as error:
            note = f"it is not on the tab Draw: {error}"
        self._end(job, "stopped" if result["interrupted"] else "done", result=result, network=network, error=note)

    def _end(
        self,
        job: Job,
        state: str,
        *,
        result: dict[str, Any] | None = None,
        network: str | None = None,
        error: str | None = None,
    ) -> None:
        if state == "failed" and job.folder is not None:
            with contextlib.suppress(PellucidError, OSError):
                job.folder.discard()
        with self._change:
            job.state, job.result, job.network, job.error = state, result, network, error
            self._tell(job)
            if network is not None:
                self._say("networks", job, {})


def _exit(code: int | None) -> str:
    return f"killed by signal {-code}" if code is not None and code < 0 else f"exit code {code}"


def _json(data: Any) -> str:
    return json.dumps(plain(data), ensure_ascii=False, allow_nan=False)
