"""The tab Train: what can be trained, the trainings' queue, and the stream of events that tells every page of them."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from pellucid.app.body import Body, answer, tell
from pellucid.app.job import command
from pellucid.app.jobs import Jobs
from pellucid.data.augmentation import AUGMENTATIONS, written
from pellucid.data.sources.registry import SOURCES
from pellucid.errors import PellucidError
from pellucid.optim import Chain, Optimizer
from pellucid.optim.schedules import Clock, Schedule
from pellucid.runs.presets import MLP, OPTIMIZERS, PRESETS, Recipe
from pellucid.runs.run import Plan, Settings

__all__ = ["Jobs", "routes"]

FIELDS = (
    "data", "model", "epochs", "batch_size", "optimizer", "lr", "augmentation", "seed", "hidden", "early_stopping", "limit",
    "corrections",
)  # fmt: skip
LEARNED = "learned, too"  # what is said of corrections
ACTIONS = ("pause", "resume", "stop", "learning_rate")
HEARTBEAT = 15.0  # seconds of silence after which a page hears that the server is there
BEHIND = 1000  # messages that a page may be behind; then its stream ends, and it asks again for everything
PAGES = 500  # that listen at once


def routes(jobs: Jobs, corrections: Path) -> list[BaseRoute]:
    """The routes of this tab."""
    return [
        tell("/api/train/choices", _choices),
        answer("/api/train/check", functools.partial(_check, jobs, corrections), *FIELDS),
        answer("/api/train/start", functools.partial(_start, jobs, corrections), *FIELDS),
        answer("/api/train/pair", functools.partial(_pair, jobs)),
        answer("/api/train/control", functools.partial(_control, jobs), "job", "action", "value"),
        Route("/api/train/events", _Events(jobs), methods=["GET"]),
    ]


def _choices() -> dict[str, Any]:
    return {
        "data": list(SOURCES),
        "presets": [{"name": name, **_described(recipe)} for name, recipe in PRESETS.items()],
        "optimizers": list(OPTIMIZERS),
        "augmentations": ["none", *AUGMENTATIONS],
    }


def _described(recipe: Recipe) -> dict[str, Any]:
    built = recipe.network(10).build((28, 28, 1))
    return {
        "about": recipe.about,
        "epochs": recipe.epochs,
        "batch_size": recipe.batch_size,
        "optimizer": str(recipe.optimizer),
        "lr": _rate(recipe.optimizer),
        "augmentation": written(recipe.augmentation),
        "hidden": "x".join(map(str, recipe.network.hidden)) if isinstance(recipe.network, MLP) else None,
        "parameters": sum(slot.size for slot in built.slots.values() if not slot.state),
        "multiply_adds": built.multiply_adds,
    }


def _rate(optimizer: Optimizer) -> float:
    """The learning rate, of a schedule the highest."""
    rate = (optimizer.rule if isinstance(optimizer, Chain) else optimizer).learning_rate
    if isinstance(rate, Schedule):
        return max(rate.at(Clock(1, progress=percent / 100)) for percent in range(101))
    return rate


def _settings(jobs: Jobs, corrections: Path, body: Body) -> Settings:
    return Settings(
        data=body.text("data", SOURCES, "mnist"),
        model=body.text("model", PRESETS, "mlp"),  # a preset: no request names a file
        hidden=body.text("hidden", None, None),
        epochs=body.whole("epochs", 1, 10_000, None),
        batch_size=body.whole("batch_size", 1, 100_000, None),
        optimizer=body.text("optimizer", OPTIMIZERS, None),
        lr=body.number("lr", 1e-9, 1e3, None),
        augmentation=body.text("augmentation", None, None),
        seed=body.whole("seed", 0, 2**31 - 1, 0),
        data_dir=jobs.data_dir,
        limit=body.whole("limit", 1, 10**9, None),
        early_stopping=body.whole("early_stopping", 1, 10_000, None),
        corrections=body.text("corrections", (LEARNED,), None) and str(corrections),
    )


def _check(jobs: Jobs, corrections: Path, body: Body) -> dict[str, Any]:
    """What would be trained, and what to type for it; or the ``problem``: somebody is still typing, so that is no error."""
    try:
        settings = _settings(jobs, corrections, body)
        return {**_described(Plan.of(settings).recipe), "command": command(settings)}
    except PellucidError as error:
        return {"problem": str(error)}


def _start(jobs: Jobs, corrections: Path, body: Body) -> dict[str, Any]:
    return {"job": jobs.start(_settings(jobs, corrections, body))}


def _pair(jobs: Jobs, body: Body) -> dict[str, Any]:
    return {"jobs": jobs.start_pair()}


def _control(jobs: Jobs, body: Body) -> dict[str, Any]:
    action = body.text("action", ACTIONS)
    jobs.steer(body.whole("job", 1, 10**9), action, body.number("value", 1e-9, 1e3, None))
    return {"job": body.whole("job", 1, 10**9)}


class _Events:
    """The stream of events: all jobs first, then every change."""

    def __init__(self, jobs: Jobs):
        self.jobs, self.pages = jobs, 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if self.pages >= PAGES or scope["method"] != "GET":  # HEAD would wait for ever for nothing
            response: Response = JSONResponse({"error": "too many pages listen already"}, 503)
            await response(scope, receive, send)
            return
        self.pages += 1
        try:
            await StreamingResponse(self._stream(), media_type="text/event-stream")(scope, receive, send)
        finally:
            self.pages -= 1

    async def _stream(self) -> AsyncIterator[str]:
        loop, queue = asyncio.get_running_loop(), asyncio.Queue[str | None]()

        def put(text: str | None) -> None:
            if queue.qsize() < BEHIND:  # else nobody reads, and what is kept would grow for ever
                queue.put_nowait(text)

        def hear(text: str | None) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody listens any more
                loop.call_soon_threadsafe(put, text)

        with self.jobs.heard(hear) as state:
            yield f"data: {state}\n\n"
            while queue.qsize() < BEHIND:
                try:
                    text = await asyncio.wait_for(queue.get(), HEARTBEAT)
                except TimeoutError:
                    yield ": still here\n\n"
                    continue
                if text is None:
                    return
                yield f"data: {text}\n\n"
