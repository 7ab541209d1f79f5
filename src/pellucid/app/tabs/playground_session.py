"""Training sessions of the playground.

The page requests the next few steps after it has drawn the last ones, so that training is as fast as page and machine allow.
The server keeps a limited number of sessions and drops the least recently used one. The page then starts it again: because
all random numbers depend only on the seeds, the network is the same.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import numpy as np

from pellucid import FitOptions
from pellucid.app.api import NotFoundError, pack
from pellucid.app.tabs.playground_settings import EXTENT, PlaygroundSettings, WeightEdit
from pellucid.app.tabs.playground_surface import LossSurface, Path, loss_surface
from pellucid.core.memory import Array
from pellucid.data.planar import features
from pellucid.errors import DivergedError
from pellucid.model.activations import activations
from pellucid.training import Control, StepEvent

MAX_SESSIONS = 64
MAX_SECONDS = 0.25  # then a request is answered, even if it asked for more steps
FINE, COARSE = 50, 20  # points across the plane: for the decision, and for each unit
UNLIMITED = 10**9  # epochs
_DROPPED = "this training session was dropped: start it again"


def grid(size: int) -> Array:
    """Return the centres of size × size squares that cover the plane, row by row from the top left: (size², 2)."""
    centres = (EXTENT * ((2 * np.arange(size) + 1) / size - 1)).astype(np.float32)
    return np.stack([np.tile(centres, size), np.repeat(centres[::-1], size)], axis=1)


class Session:
    """One training, paused between requests. Only one request at a time may use it: hold the ``lock``."""

    def __init__(self, settings: PlaygroundSettings):
        self.lock = threading.Lock()
        self.settings = settings
        self.train, self.validation = settings.datasets()
        self.classes = self.train.classes or ()
        self.model = settings.model()
        self.learning_rates = dict(settings.learning_rates)
        self.step, self.diverged = 0, ""
        self.path = Path()
        self._fine, self._coarse = (features(grid(size), settings.features) for size in (FINE, COARSE))
        batch_size = min(settings.batch_size or len(self.train), len(self.train))
        self.batches = -(-len(self.train) // batch_size)
        self._control = Control()
        self._events = self.model.fit_events(
            self.train, options=FitOptions(epochs=UNLIMITED, batch_size=batch_size), control=self._control
        )
        self._arrive(0)

    def advance(self, steps: int) -> None:
        """Train ``steps`` steps, or fewer if they take more than MAX_SECONDS. After a divergence, do nothing."""
        deadline = time.perf_counter() + MAX_SECONDS
        last = self.step + steps
        while self.step < last and not self.diverged and time.perf_counter() < deadline:
            self._control.learning_rate = self.learning_rates.get(self.step, self._control.learning_rate)
            try:
                event = next(self._events, None)
            except DivergedError as error:
                self.diverged = str(error)
                break
            if event is None:  # the session was dropped while this request waited for the lock
                raise NotFoundError(_DROPPED)
            if isinstance(event, StepEvent):
                self._arrive(event.step)
        self.model.history.rows.clear()  # not used here, and it would grow without limit

    def _arrive(self, step: int) -> None:
        self.step = step
        self.path.add(step, self.model.parameters)
        self.edit([edit for edit in self.settings.edits if edit.step == step])

    def edit(self, edits: Sequence[WeightEdit]) -> None:
        """Set weights of the network."""
        for edit in edits:
            self.model.weights[edit.array][edit.place] = edit.value
        if edits:
            self.path.add(self.step, self.model.parameters)

    def surface(self) -> LossSurface | None:
        """Return the training loss around the path of the parameters, or None if there is no path yet."""
        return None if self.diverged else loss_surface(self.model, self.settings.activation, self.train, self.path)

    def close(self) -> None:
        """End the training."""
        self._events.close()

    def data(self) -> dict[str, Any]:
        """Return the points, which never change."""
        train, validation = self.settings.points_split()
        points = {
            name: {"x": pack(dataset.x), "y": dataset.y} for name, dataset in (("train", train), ("validation", validation))
        }
        return {
            "classes": self.classes,
            "regression": self.settings.is_regression,
            "batches": self.batches,
            "points": points,
        }

    def state(self, unit: int | None) -> dict[str, Any]:
        """Return the scores, the parameters, and images of the plane.

        The images are the probabilities of each class, or the output of a regression as signed bytes; and the activations of
        each hidden unit. The image of the hidden unit ``unit``, counted over all layers, is also returned with FINE × FINE
        points.
        """
        model, weights = self.model, self.model.weights
        layers = range(1, len(self.settings.hidden) + 2)
        outputs = np.nan_to_num(model.predict(self._fine).T)
        if self.settings.is_regression:
            decision = _signed_bytes(outputs, np.ones(1))
        else:
            decision = np.rint(255 * outputs).astype(np.uint8)
        return {
            "step": self.step,
            "diverged": self.diverged,
            "train": model.evaluate(self.train),
            "validation": model.evaluate(self.validation),
            "decision": pack(decision),
            **self._units(unit),
            "weights": [{"W": pack(weights[f"dense{i}.W"]), "b": pack(weights[f"dense{i}.b"])} for i in layers],
        }

    def _units(self, unit: int | None) -> dict[str, Any]:
        """Return the images of the hidden units as signed bytes, and the largest absolute activation of each."""
        outputs = self._activations(self._coarse)
        unit_max = np.abs(outputs).max(axis=1, initial=0)
        answer = {"units": pack(_signed_bytes(outputs, unit_max)), "unit_max": unit_max}
        if unit is None or unit >= len(outputs):
            return answer
        only = slice(unit, unit + 1)
        return answer | {"unit": unit, "unit_map": pack(_signed_bytes(self._activations(self._fine)[only], unit_max[only]))}

    def _activations(self, x: Array) -> Array:
        """Return the activation of each hidden unit for the inputs x (points, features): (units, points)."""
        prefix = self.settings.activation
        outputs = [y for path, y in activations(self.model, x).items() if path.startswith(prefix)]
        return np.nan_to_num(np.concatenate([y.T for y in outputs])) if outputs else np.zeros((0, len(x)), np.float32)


def _signed_bytes(values: Array, scale: Array) -> Array:
    """Return rows of values as bytes: 128 is zero, 1 and 255 are −scale and +scale."""
    fraction = values / np.where(scale > 0, scale, 1)[:, None]
    return (128 + np.rint(127 * np.clip(fraction, -1, 1))).astype(np.uint8)


class Sessions:
    """The sessions that the server keeps: the ``limit`` most recently used ones."""

    def __init__(self, limit: int = MAX_SESSIONS):
        self.limit = limit
        self._lock = threading.Lock()
        self._sessions: OrderedDict[str, Session] = OrderedDict()

    def add(self, session: Session) -> str:
        """Keep a session and return its name. If there are too many, drop the least recently used one."""
        name = secrets.token_urlsafe(9)
        with self._lock:
            self._sessions[name] = session
            dropped = self._sessions.popitem(last=False)[1] if len(self._sessions) > self.limit else None
        if dropped is not None:
            with dropped.lock:
                dropped.close()
        return name

    def get(self, name: str) -> Session:
        """Return the session of that name. Raises NotFoundError."""
        with self._lock:
            if name not in self._sessions:
                raise NotFoundError(_DROPPED)
            self._sessions.move_to_end(name)
            return self._sessions[name]
