"""The tab Playground: small networks that are trained on points in the plane, a few steps for each request."""

from __future__ import annotations

import functools
from typing import Any

from starlette.routing import BaseRoute

from pellucid.app.api import RequestFields, pack, post
from pellucid.app.state import AppState
from pellucid.app.tabs.playground_program import program
from pellucid.app.tabs.playground_session import Session, Sessions
from pellucid.app.tabs.playground_settings import FIELDS, MAX_LAYERS, MAX_UNITS, PlaygroundSettings

MAX_STEPS = 200  # of one request


def routes(state: AppState) -> list[BaseRoute]:
    """Return the routes of this tab."""
    sessions = Sessions()
    return [
        post("/api/playground/start", functools.partial(_start, sessions), *FIELDS),
        post(
            "/api/playground/advance",
            functools.partial(_advance, sessions),
            "session",
            "steps",
            "learning_rate",
            "unit",
            "edits",
        ),
        post("/api/playground/surface", functools.partial(_surface, sessions), "session"),
        post("/api/playground/python", _python, *FIELDS, "steps"),
    ]


def _start(sessions: Sessions, request: RequestFields) -> dict[str, Any]:
    session = Session(PlaygroundSettings.of(request))
    return {"session": sessions.add(session), **session.data(), **session.state(None)}


def _advance(sessions: Sessions, request: RequestFields) -> dict[str, Any]:
    steps = request.integer("steps", 0, MAX_STEPS)
    learning_rate = request.number("learning_rate", 1e-6, 1000, None)
    unit = request.integer("unit", 0, MAX_LAYERS * MAX_UNITS - 1, None)
    session = sessions.get(request.text("session"))
    with session.lock:
        if learning_rate is not None:
            session.learning_rates[session.step] = learning_rate
        session.edit(session.settings.read_edits(request.values.get("edits", [])))
        session.advance(steps)
        return session.state(unit)


def _surface(sessions: Sessions, request: RequestFields) -> dict[str, Any]:
    session = sessions.get(request.text("session"))
    with session.lock:
        surface = session.surface()
    if surface is None:
        return {"path": []}
    return {**vars(surface), "heights": pack(surface.heights)}


def _python(request: RequestFields) -> dict[str, str]:
    return {"code": program(PlaygroundSettings.of(request), request.integer("steps", 0, 10_000_000, 0))}
