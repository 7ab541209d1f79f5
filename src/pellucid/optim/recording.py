"""Recorded updates: the kernels of an optimizer as calls on a tape, which follow the passes of a recorded step.

The arrays of an update are the same at every step. What differs are numbers: the learning rate, the number of the step, and
what components compute from them. They are written into the words of the tape before each replay. What a kernel reads from
memory, such as the norm of the gradient for ClipNorm, is computed by a call before it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from pellucid.core.memory import Array
from pellucid.optim.updater import Updater, apply_all


class RecordedUpdate:
    """The update of the parameters θ with the gradient g by an optimizer, recorded on ``tape``.

    The tape begins with the sum of the squares of g over the trained parameters, and the limit ``max_squares`` for it: where it
    is exceeded, a replay ends before the update. ``squares[0]`` is this sum; until a replay has computed it, NaN.
    """

    def __init__(self, updater: Updater, theta: Array, g: Array, recorder: Any, max_squares: float):
        """``recorder`` is a recording kernel set. Raises ``recorder.NotRecordable`` for an update that cannot be recorded."""
        self.tape = recorder.new_tape()
        self.tape.note(recorder.function("sum_of_squares"), (updater.trained(g),))
        self._squares: Array = self.tape.result
        self.squares: Any = self._squares.data  # quicker to read and to write
        self.tape.limit(self._squares, 1.0, max_squares)
        self._bound = updater.bound(theta, g)
        self._numbers: list[list[tuple[Any, int, int]]] = []  # of each call: see Tape.note

        def note(name: str, arguments: tuple[Any, ...]) -> None:
            self._numbers.append(self.tape.note(recorder.function(name), arguments))

        apply_all(self._bound, 0.0, 1, self._squares, _Calls(note))  # type: ignore[arg-type]  # it takes the place of kernels
        self._following = iter(self._numbers)
        self._calls: Any = _Calls(self._write)

    def prepare(self, rate: float, step: int) -> None:
        """Write the numbers of this step: see ``Updater.update``."""
        self.squares[0] = math.nan
        self._following = iter(self._numbers)
        apply_all(self._bound, rate, step, self._squares, self._calls)

    def _write(self, name: str, arguments: tuple[Any, ...]) -> None:
        """Write the numbers among the arguments of the following call."""
        for memory, place, index in next(self._following):
            memory[place] = arguments[index]


class _Calls:
    """A kernel set that computes nothing, but calls ``function(name, arguments)`` for each call of a kernel."""

    def __init__(self, function: Callable[[str, tuple[Any, ...]], None]):
        self._function = function

    def __getattr__(self, name: str) -> Callable[..., None]:
        function = self._function

        def call(*arguments: Any) -> None:
            function(name, arguments)

        setattr(self, name, call)
        return call
