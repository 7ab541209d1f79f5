"""The tab Train: the form for a training job, the interrupted runs, the control of jobs, and the stream of events."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from pellucid.app.api import RequestFields, get, post
from pellucid.app.networks import SHAPE
from pellucid.app.state import AppState
from pellucid.app.tabs.train_job import command, describe_interrupted, peak_rate
from pellucid.app.tabs.train_queue import TrainingQueue
from pellucid.data.augmentation import AUGMENTATIONS
from pellucid.data.augmentation_text import format_augmentation
from pellucid.data.drawings.strokes import CLASSES
from pellucid.data.sources.registry import CLASS_MAPS, SOURCES, TEXTS
from pellucid.errors import PellucidError
from pellucid.runs.mlp import MLP
from pellucid.runs.plan import RunPlan, RunSettings
from pellucid.runs.presets import BATCH_OPTIMIZERS, CLASSIFIERS
from pellucid.runs.recipe import Recipe

FIELDS = (
    "data",
    "model",
    "epochs",
    "batch_size",
    "optimizer",
    "lr",
    "augmentation",
    "seed",
    "hidden",
    "early_stopping",
    "limit",
    "corrections",
)
DATA = [name for name in SOURCES if name not in (*CLASS_MAPS, *TEXTS)]  # the presets of the page give one class to each image
INCLUDE = "include"  # the value of ``corrections`` that adds them to the training set
ACTIONS = ("pause", "resume", "stop", "learning_rate")
HEARTBEAT = 15.0  # seconds without an event, after which a comment keeps the connection open
MAX_PENDING = 1000  # unread events of one page; with more, its stream ends, and the page loads everything again
MAX_STREAMS = 500


def routes(state: AppState) -> list[BaseRoute]:
    """Return the routes of this tab."""
    jobs, corrections = state.jobs, state.corrections.folder
    return [
        get("/api/train/choices", _choices),
        post("/api/train/check", functools.partial(_check, jobs, corrections), *FIELDS),
        post("/api/train/start", functools.partial(_start, jobs, corrections), *FIELDS),
        get("/api/train/interrupted", functools.partial(_interrupted, jobs)),
        post("/api/train/resume", functools.partial(_resume, jobs), "run"),
        post("/api/train/again", functools.partial(_try_again, jobs), "run"),
        post("/api/train/pair", functools.partial(_start_pair, jobs)),
        post("/api/train/control", functools.partial(_control, jobs), "job", "action", "value"),
        Route("/api/train/events", EventStream(jobs), methods=["GET"]),
    ]


def _choices() -> dict[str, Any]:
    return {
        "data": DATA,
        "presets": [{"name": name, **_describe(recipe)} for name, recipe in CLASSIFIERS.items()],
        "optimizers": list(BATCH_OPTIMIZERS),
        "augmentations": ["none", *AUGMENTATIONS],
    }


def _describe(recipe: Recipe) -> dict[str, Any]:
    built = recipe.network(10).build(SHAPE)
    return {
        "about": recipe.about,
        "epochs": recipe.fit.epochs,
        "batch_size": recipe.fit.batch_size,
        "optimizer": str(recipe.optimizer),
        "lr": peak_rate(recipe.optimizer),
        "augmentation": format_augmentation(recipe.fit.augmentation),
        "hidden": "x".join(map(str, recipe.network.hidden)) if isinstance(recipe.network, MLP) else None,
        "parameters": sum(slot.size for slot in built.slots.values() if not slot.state),
        "multiply_adds": built.multiply_adds,
    }


def _settings(jobs: TrainingQueue, corrections: Path, request: RequestFields) -> RunSettings:
    return RunSettings(
        data=request.text("data", DATA, "mnist"),
        model=request.text("model", CLASSIFIERS, "mlp"),  # only presets: no request names a file
        hidden=request.text("hidden", None, None),
        epochs=request.integer("epochs", 1, 10_000, None),
        batch_size=request.integer("batch_size", 1, 100_000, None),
        optimizer=request.text("optimizer", BATCH_OPTIMIZERS, None),
        lr=request.number("lr", 1e-9, 1e3, None),
        augmentation=request.text("augmentation", None, None),
        seed=request.integer("seed", 0, 2**31 - 1, 0),
        data_dir=jobs.data_dir,
        limit=request.integer("limit", 1, 10**9, None),
        early_stopping=request.integer("early_stopping", 1, 10_000, None),
        watch=True,
        corrections=request.text("corrections", (INCLUDE,), None) and str(corrections),
    )


def _check(jobs: TrainingQueue, corrections: Path, request: RequestFields) -> dict[str, Any]:
    """Return the recipe and the equivalent command, or the ``problem``: a half-filled form is not an error."""
    try:
        settings = _settings(jobs, corrections, request)
        return {**_describe(_plan(settings).recipe), "command": command(settings)}
    except PellucidError as error:
        return {"problem": str(error)}


def _start(jobs: TrainingQueue, corrections: Path, request: RequestFields) -> dict[str, Any]:
    settings = _settings(jobs, corrections, request)
    _plan(settings)
    return {"job": jobs.start(settings)}


def _plan(settings: RunSettings) -> RunPlan:
    """Return the plan for the settings of a form. Raises ConfigError, also for what does not fit into memory."""
    plan = RunPlan.of(settings)
    plan.check_memory(SHAPE, len(CLASSES))
    return plan


def _interrupted(jobs: TrainingQueue) -> dict[str, Any]:
    return {"runs": [describe_interrupted(run) for run in jobs.interrupted()]}


def _resume(jobs: TrainingQueue, request: RequestFields) -> dict[str, Any]:
    return {"job": jobs.resume(request.text("run"))}  # a name in the list: no request names a folder


def _try_again(jobs: TrainingQueue, request: RequestFields) -> dict[str, Any]:
    return {"job": jobs.try_again(request.text("run"))}


def _start_pair(jobs: TrainingQueue, request: RequestFields) -> dict[str, Any]:
    return {"jobs": jobs.start_pair()}


def _control(jobs: TrainingQueue, request: RequestFields) -> dict[str, Any]:
    action, number = request.text("action", ACTIONS), request.integer("job", 1, 10**9)
    jobs.control(number, action, request.number("value", 1e-9, 1e3, None))
    return {"job": number}


class EventStream:
    """An ASGI application that streams events: first all jobs, then every change."""

    def __init__(self, jobs: TrainingQueue):
        self.jobs, self.streams = jobs, 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if self.streams >= MAX_STREAMS or scope["method"] != "GET":  # HEAD would wait for the end of the stream
            response: Response = JSONResponse({"error": "too many open pages: close some of them"}, 503)
            await response(scope, receive, send)
            return
        self.streams += 1
        try:
            await StreamingResponse(self._events(), media_type="text/event-stream")(scope, receive, send)
        finally:
            self.streams -= 1

    async def _events(self) -> AsyncIterator[str]:
        loop, queue = asyncio.get_running_loop(), asyncio.Queue[str | None]()

        def put(text: str | None) -> None:
            if queue.qsize() < MAX_PENDING:  # otherwise the page does not read, and the queue would grow without limit
                queue.put_nowait(text)

        def listener(text: str | None) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(put, text)

        with self.jobs.listening(listener) as state:
            yield f"data: {state}\n\n"
            while queue.qsize() < MAX_PENDING:
                try:
                    text = await asyncio.wait_for(queue.get(), HEARTBEAT)
                except TimeoutError:
                    yield ": heartbeat\n\n"
                    continue
                if text is None:
                    return
                yield f"data: {text}\n\n"
