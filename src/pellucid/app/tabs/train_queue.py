"""The queue of training jobs: one job runs at a time, in a separate process.

The queue keeps everything that a job reports, so that a page that is opened later shows the whole job. It sends every change to
all pages that listen.
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

from pellucid.app.api import NotFoundError
from pellucid.app.networks import Networks
from pellucid.app.tabs.train_job import FINISHED, PAIR, Job, read_rows, settings_for_another_try
from pellucid.app.tabs.train_worker import work
from pellucid.core.json_text import jsonable
from pellucid.errors import ConfigError, FileError, PellucidError
from pellucid.runs.folder import InterruptedRun, RunFolder, interrupted_runs, is_complete
from pellucid.runs.plan import RunPlan, RunSettings
from pellucid.runs.resuming import saved_plan

MAX_QUEUED = 8
MAX_FINISHED = 30  # the most that are kept
MAX_LOG_LINES = 50  # of each job
GRACE_PERIOD = 5.0  # seconds for a process to save its run when the server ends
Listener = Callable[[str | None], None]  # receives JSON, and None at the end


class TrainingQueue:
    """The queue of training jobs. All methods may be called from any thread."""

    def __init__(self, networks: Networks, runs: Path, data_dir: Path | None = None) -> None:
        self.networks, self.runs, self.data_dir = networks, runs, data_dir
        self._jobs: dict[int, Job] = {}
        self._change = threading.Condition()
        self._listeners: list[Listener] = []
        self._thread: threading.Thread | None = None
        self._closed = False

    # -- requests -------------------------------------------------------------------------------------------------

    def start(self, settings: RunSettings, name: str | None = None) -> int:
        """Add a job to the queue and return its number.

        Its run folder has the ``name``, or the name of the preset and a number. Raises ConfigError for settings that are not
        allowed, and if too many jobs wait.
        """
        plan = RunPlan.of(settings)
        with self._change:
            number = self._next_number()
            epochs = plan.recipe.fit.epochs
            self._add(Job(number, settings, plan, name or settings.model, numbered=name is None, epochs=epochs))
        return number

    def resume(self, name: str) -> int:
        """Add a job that resumes an interrupted run, and return its number.

        ``name`` is one of those in :meth:`interrupted`. Raises NotFoundError for another one, ConfigError if too many jobs
        wait or the run has diverged, and FileError if the run cannot be read.
        """
        with self._change:
            run = self._interrupted_run(name)
            if run.status == "diverged":
                raise ConfigError(f"{name} has diverged, and would diverge again: start a new run with a lower learning rate")
            number, plan = self._next_number(), saved_plan(run.path)
            epochs = run.epochs or plan.recipe.fit.epochs
            job = Job(number, plan.settings, plan, name, numbered=False, epochs=epochs, resumed=True)
            job.rows = read_rows(run.path)
            self._add(job)
        return number

    def try_again(self, name: str) -> int:
        """Add a job with the settings of a run that has diverged, at a lower learning rate, and return its number.

        Raises NotFoundError for a name that is not in :meth:`interrupted`, ConfigError if that run has not diverged or too many
        jobs wait, and FileError if the run cannot be read.
        """
        with self._change:
            run = self._interrupted_run(name)
            if run.status != "diverged":
                raise ConfigError(f"{name} has not diverged: resume it")
            return self.start(settings_for_another_try(run))

    def _interrupted_run(self, name: str) -> InterruptedRun:
        run = next((one for one in self.interrupted() if one.name == name), None)
        if run is None:
            raise NotFoundError(f"there is no interrupted run {name!r}: it may have been resumed in the meantime")
        return run

    def interrupted(self) -> list[InterruptedRun]:
        """Return the runs in the folder of the server that are not complete, the last one to be interrupted first.

        All but those that have diverged can be resumed. Runs that a job or another process is training are left out.
        """
        with self._change:
            active = {job.folder_name for job in self._jobs.values() if job.state not in FINISHED}
            return [run for run in interrupted_runs(self.runs) if run.name not in active]

    def _next_number(self) -> int:
        return max(self._jobs, default=0) + 1

    def _add(self, job: Job) -> None:
        """Add a job to the queue. Raises ConfigError if too many jobs wait."""
        if sum(one.state == "queued" for one in self._jobs.values()) >= MAX_QUEUED:
            raise ConfigError(f"the queue is full with {MAX_QUEUED} jobs: stop one of them, or wait")
        self._jobs[job.number] = job
        for old in [one.number for one in self._jobs.values() if one.state in FINISHED][:-MAX_FINISHED]:
            del self._jobs[old]
        self._send_job(job)
        if job.rows:
            self._send("rows", job, {"rows": job.rows})
        if self._thread is None:
            self._thread = threading.Thread(target=self._run_jobs, name="training-jobs", daemon=True)
            self._thread.start()
        self._change.notify_all()

    def start_pair(self) -> list[int]:
        """Add the jobs of the two networks for drawings, unless they are in the queue already. Raises like :meth:`start`.

        Interrupted runs of these names are resumed, unless they have diverged. If one of the two is complete, only the other
        one is trained.
        """
        with self._change:
            active = {job.name: job.number for job in self._jobs.values() if job.state not in FINISHED}
            interrupted = {run.name for run in self.interrupted() if run.status != "diverged"}
            complete = {name for name in PAIR if is_complete(self.runs / name)}
            numbers = []
            for name, settings in PAIR.items():
                if name in complete and len(complete) < len(PAIR):
                    continue
                if name in active:
                    numbers.append(active[name])
                elif name in interrupted:
                    numbers.append(self.resume(name))
                else:
                    numbers.append(self.start(dataclasses.replace(settings, data_dir=self.data_dir), name))
            return numbers

    def resume_pair(self) -> None:
        """Finish the two networks for drawings if one of them was interrupted, not if it failed. Raises like :meth:`start`."""
        with self._change:
            if any(run.name in PAIR and run.status not in ("failed", "diverged") for run in self.interrupted()):
                self.start_pair()

    def control(self, number: int, action: str, value: float | None = None) -> None:
        """Pass a command to a job: "pause", "resume", "stop" or "learning_rate" (None: that of the recipe).

        Raises NotFoundError, and ConfigError if the job is not in a state for this command.
        """
        with self._change:
            job = self._jobs.get(number)
            if job is None:
                raise NotFoundError(f"there is no training job {number}")
            if job.state in (*FINISHED, "stopping", "evaluating"):
                raise ConfigError(f"training job {number} {'has ended' if job.state in FINISHED else 'is about to end'}")
            if job.state in ("queued", "starting") and action != "stop":
                raise ConfigError(f"training job {number} has not started")
            if job.state == "queued":
                job.state, job.error = "stopped", "removed from the queue before it started"
            else:
                with contextlib.suppress(OSError):  # the process may have just ended
                    if job.channel is not None:
                        job.channel.send((action, value))
                if action == "stop":
                    job.state = "stopping"
                elif action == "learning_rate":
                    job.manual_learning_rate = value
            self._send_job(job)

    def close(self) -> None:
        """Stop the running job, and wait up to GRACE_PERIOD for it to save its run."""
        with self._change:
            self._closed = True
            self._change.notify_all()
            for job in self._jobs.values():
                if job.channel is not None:
                    with contextlib.suppress(OSError):
                        job.channel.send(("stop", None))
        self.close_streams()
        if self._thread is not None:
            self._thread.join(GRACE_PERIOD)
            for job in self._jobs.values():
                if (process := job.process) is not None:
                    process.terminate()
            self._thread.join(GRACE_PERIOD)

    # -- events ---------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def listening(self, listener: Listener) -> Iterator[str]:
        """Yield all jobs as JSON; within the ``with`` block, ``listener`` receives every later change."""
        with self._change:
            curves = "rows", "points", "findings"
            jobs = [{**job.describe(), **{name: getattr(job, name) for name in curves}} for job in self._jobs.values()]
            state = _json({"kind": "jobs", "jobs": jobs})
            self._listeners.append(listener)
            if self._closed:
                listener(None)
        try:
            yield state
        finally:
            with self._change:
                self._listeners.remove(listener)

    def close_streams(self) -> None:
        """Send None to all listeners: there will be no more events."""
        with self._change:
            for listener in self._listeners:
                listener(None)

    def _send(self, kind: str, job: Job, values: Mapping[str, Any]) -> None:
        text = _json({"kind": kind, "job": job.number, **values})
        for listener in self._listeners:
            listener(text)

    def _send_job(self, job: Job) -> None:
        self._send("job", job, job.describe())

    # -- the thread that runs the jobs ----------------------------------------------------------------------------

    def _run_jobs(self) -> None:
        while True:
            with self._change:
                while not self._closed and self._next() is None:
                    self._change.wait()
                job = self._next()
                if self._closed or job is None:
                    return
                job.state = "starting"
                self._send_job(job)
            try:
                self._run(job)
            except Exception as error:  # a bug: it must not block the other jobs
                traceback.print_exc()
                self._finish(job, "failed", error=f"{type(error).__name__}: {error} (see the server's terminal)")

    def _next(self) -> Job | None:
        return next((job for job in self._jobs.values() if job.state == "queued"), None)

    def _run(self, job: Job) -> None:
        spawn = multiprocessing.get_context("spawn")  # a fork would copy locks that other threads hold
        try:
            job.folder = self._folder(job)
            here, there = spawn.Pipe()
            settings = None if job.resumed else job.settings
            arguments = there, settings, job.epochs, job.folder.path.resolve()
            process = spawn.Process(target=work, args=arguments, daemon=True)
            process.start()
            there.close()
        except OSError as error:  # FileError is one
            self._finish(job, "failed", error=str(error))
            return
        with self._change:
            job.channel, job.process = here, process
            stop = self._closed or job.state == "stopping"
        with contextlib.suppress(EOFError, OSError):
            if stop:
                here.send(("stop", None))
            while True:
                self._receive(job, *here.recv())
        process.join()
        here.close()
        with self._change:
            job.channel = job.process = None
        if job.state not in FINISHED:
            last = f"; its last output: {job.log[-1]}" if job.log else ""
            self._finish(job, "failed", error=f"the process of this job died ({_exit_text(process.exitcode)}){last}")

    def _folder(self, job: Job) -> RunFolder:
        """Create the run folder of a job, or open that of a run that goes on. Raises FileError."""
        folder = self.runs / job.name
        if job.resumed:
            return RunFolder.of_run(folder)
        free = not job.numbered and not folder.exists()
        # A job that failed may have left no folder: its name stays its own, or the list would have two jobs of that name.
        taken = {one.folder_name for one in self._jobs.values() if one.folder_name is not None}
        return RunFolder(folder if free else None, job.name, parent=self.runs, taken=taken)

    def _receive(self, job: Job, kind: str, value: Any) -> None:
        if kind == "done":
            self._done(job, value)
            return
        if kind == "diverged":
            result, error = value
            self._done(job, result, error)
            return
        if kind == "failed":
            self._finish(job, "failed", error=value)
            return
        with self._change:
            if kind == "log":
                job.log = [*job.log, value][-MAX_LOG_LINES:]
            elif kind == "learning_rate":
                job.manual_learning_rate = value
            elif kind == "rate":
                job.rate_changes.append(value)
            elif kind == "explosion":
                job.explosion = value
            elif kind == "paused":
                job.state = "stopping" if job.state == "stopping" else "paused" if value else "training"
            elif kind == "step":
                job.progress = value
                if value["point"] is not None:
                    job.points.append(value["point"])
                if job.state != "starting":
                    self._send("step", job, {"progress": value})
                    return
                job.state = "training"
            elif kind == "finding":
                job.findings.append(value)
                self._send("finding", job, {"finding": value})
                return
            elif kind == "epoch":
                job.rows = [*(row for row in job.rows if row["epoch"] < value["epoch"]), value]
                if value["epoch"] == job.epochs:
                    job.state = "evaluating"
                elif job.state == "starting":
                    job.state = "training"
                self._send("epoch", job, {"row": value})
            self._send_job(job)

    def _done(self, job: Job, result: dict[str, Any], diverged: str | None = None) -> None:
        """Finish a job with results; ``diverged`` is the error that has ended its training, if one has."""
        assert job.folder is not None
        network, error = None, diverged
        try:
            (network,) = self.networks.add(job.folder.path)
        except (ConfigError, FileError) as reason:
            error = diverged or f"the network is not available on the tab Draw: {reason}"
        state = "failed" if diverged else "stopped" if result["interrupted"] else "done"
        self._finish(job, state, result=result, network=network, error=error)

    def _finish(
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
            self._send_job(job)
            if network is not None:
                self._send("networks", job, {})


def _exit_text(code: int | None) -> str:
    return f"killed by signal {-code}" if code is not None and code < 0 else f"exit code {code}"


def _json(data: Any) -> str:
    return json.dumps(jsonable(data), ensure_ascii=False, allow_nan=False)
