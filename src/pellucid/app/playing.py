"""The tab Playground: small networks that train here, a few steps at a time, while the page shows what they see.

A training is a session. The page asks for some more steps when it has drawn the last ones, so the pace is what the machine can
do. A session that nobody has asked for a long while goes when others need its place; the page then starts it again, and since
all chance has a name, it becomes what it was.
"""

from __future__ import annotations

import functools
import secrets
import threading
import time
from collections import OrderedDict
from typing import Any

import numpy as np
from starlette.routing import BaseRoute

from pellucid.app.body import Body, Missing, answer
from pellucid.app.drawing import packed
from pellucid.app.playground import FIELDS, LAYERS, REACH, UNITS, Settings
from pellucid.core.memory import Array
from pellucid.errors import DivergedError
from pellucid.model.activations import activations
from pellucid.training import Control, StepEvent

KEPT = 64  # sessions
STEPS = 200  # of one request at most
SECONDS = 0.25  # after which a request is answered with the steps done so far
FINE, COARSE = 50, 20  # dots across the plane: for the decision, and for each unit
FOREVER = 10**9  # epochs
_GONE = "that training is no longer kept: start it again"


def plane(dots: int) -> Array:
    """The middles of dots × dots squares that tile the plane, row by row from the top left."""
    middles = (REACH * ((2 * np.arange(dots) + 1) / dots - 1)).astype(np.float32)
    return np.stack([np.tile(middles, dots), np.repeat(middles[::-1], dots)], axis=1)


class Session:
    """One training, stopped between two steps. One request at a time may use it: take the ``lock``."""

    def __init__(self, settings: Settings):
        self.lock = threading.Lock()
        self.settings = settings
        self.train, self.validation = settings.sets()
        self.classes = self.train.classes or ()
        self.model = settings.model(len(self.classes))
        self.rates = dict(settings.rates)
        self.step, self.diverged = 0, ""
        size = min(settings.batch or len(self.train), len(self.train))
        self.batches = -(-len(self.train) // size)
        self._control = Control()
        self._events = self.model.fit_events(self.train, epochs=FOREVER, batch_size=size, control=self._control)

    def advance(self, steps: int) -> None:
        """So many steps, or fewer: as many as the time allows, and none after a divergence."""
        until = time.perf_counter() + SECONDS
        last = self.step + steps
        while self.step < last and not self.diverged and time.perf_counter() < until:
            self._control.learning_rate = self.rates.get(self.step, self._control.learning_rate)
            try:
                event = next(self._events, None)
            except DivergedError as error:
                self.diverged = str(error)
                break
            if event is None:  # closed while this request waited for it
                raise Missing(_GONE)
            if isinstance(event, StepEvent):
                self.step = event.step
        self.model.history.rows.clear()  # nobody reads it, and it would grow for ever

    def close(self) -> None:
        """Ends the training."""
        self._events.close()

    def data(self) -> dict[str, Any]:
        """The points, which never change."""
        sets = {"train": self.train, "validation": self.validation}
        points = {name: {"x": packed(one.x), "y": one.y} for name, one in sets.items()}
        return {"classes": self.classes, "batches": self.batches, "reach": REACH, "points": points}

    def state(self, focus: int | None) -> dict[str, Any]:
        """Where the training stands, and what the network sees: probabilities of each class over the plane, each hidden unit
        over the plane, and the parameters; the unit number ``focus``, counted over all layers, in finer dots."""
        model, weights = self.model, self.model.weights
        layers = range(1, len(self.settings.hidden) + 2)
        chances = model.predict(_FINE).T
        return {
            "step": self.step,
            "diverged": self.diverged,
            "train": model.evaluate(self.train),
            "validation": model.evaluate(self.validation),
            "decision": packed(np.rint(255 * np.nan_to_num(chances)).astype(np.uint8)),
            **self._units(focus),
            "weights": [{"W": packed(weights[f"dense{i}.W"]), "b": packed(weights[f"dense{i}.b"])} for i in layers],
        }

    def _units(self, focus: int | None) -> dict[str, Any]:
        """``units``: bytes, 128 for zero and 1 or 255 for −most or +most, with ``most`` for each unit."""
        seen = self._seen(_COARSE)
        most = np.abs(seen).max(axis=1, initial=0)
        units = {"units": packed(_signed(seen, most)), "most": most}
        if focus is None or focus >= len(seen):
            return units
        return units | {
            "focus": focus,
            "focused": packed(_signed(self._seen(_FINE)[focus : focus + 1], most[focus : focus + 1])),
        }

    def _seen(self, x: Array) -> Array:
        """(units, points): what each hidden unit puts out at the points x."""
        outputs = [y for path, y in activations(self.model, x).items() if path.startswith(self.settings.activation)]
        return np.nan_to_num(np.concatenate([y.T for y in outputs])) if outputs else np.zeros((0, len(x)), np.float32)


_FINE, _COARSE = plane(FINE), plane(COARSE)


def _signed(values: Array, most: Array) -> Array:
    share = values / np.where(most > 0, most, 1)[:, None]
    return (128 + np.rint(127 * np.clip(share, -1, 1))).astype(np.uint8)


class Sessions:
    """The trainings that are kept: the ``most`` that were asked last."""

    def __init__(self, most: int = KEPT):
        self.most = most
        self._lock = threading.Lock()
        self._sessions: OrderedDict[str, Session] = OrderedDict()

    def add(self, session: Session) -> str:
        """Keeps it; returns its name. The one that was not asked for longest goes."""
        name = secrets.token_urlsafe(9)
        with self._lock:
            self._sessions[name] = session
            gone = self._sessions.popitem(last=False)[1] if len(self._sessions) > self.most else None
        if gone is not None:
            with gone.lock:
                gone.close()
        return name

    def get(self, name: str) -> Session:
        """The session of that name. Raises Missing."""
        with self._lock:
            if name not in self._sessions:
                raise Missing(_GONE)
            self._sessions.move_to_end(name)
            return self._sessions[name]


def routes() -> list[BaseRoute]:
    """The routes of this tab."""
    sessions = Sessions()
    return [
        answer("/api/playground/start", functools.partial(_start, sessions), *FIELDS),
        answer("/api/playground/advance", functools.partial(_advance, sessions), "session", "steps", "rate", "focus"),
        answer("/api/playground/python", _python, *FIELDS, "steps"),
    ]


def _start(sessions: Sessions, body: Body) -> dict[str, Any]:
    session = Session(Settings.of(body))
    return {"session": sessions.add(session), **session.data(), **session.state(None)}


def _advance(sessions: Sessions, body: Body) -> dict[str, Any]:
    steps, rate = body.whole("steps", 0, STEPS), body.number("rate", 1e-6, 1000, None)
    focus = body.whole("focus", 0, LAYERS * UNITS - 1, None)
    session = sessions.get(body.text("session"))
    with session.lock:
        if rate is not None:
            session.rates[session.step] = rate
        session.advance(steps)
        return session.state(focus)


def _python(body: Body) -> dict[str, str]:
    return {"code": Settings.of(body).code(body.whole("steps", 0, 10_000_000, 0))}
