"""Ranks in lock-step: checks that all of them train the same model on the same data, and one decision when to stop.

Ranks exchange sums and outputs only, because each of them computes the same updates from these. That needs the same beginning,
the same arithmetic of the machines, and the same events on all of them.
"""

from __future__ import annotations

import contextlib
import math
import zlib
from collections.abc import Generator
from typing import Any

import numpy as np

from pellucid.core.named_arrays import array_list
from pellucid.training.checkpoint import Progress, recorded_options
from pellucid.training.events import EpochEvent, Event
from pellucid.training.inputs import Samples
from pellucid.training.loop import Control
from pellucid.training.options import FitOptions
from pellucid.training.ranks import RankGroup
from pellucid.training.resuming import SavedTraining
from pellucid.training.state import ModelState

SAME_ARITHMETIC = (
    "all ranks must compute the same: give them the same processors and versions, and change nothing in the model of one rank "
    "alone"
)


def check_start(
    group: RankGroup, progress: Progress, options: FitOptions, samples: Samples | None, resumed: SavedTraining | None
) -> None:
    """Raise ConfigError unless the ranks begin the same training, or ``resumed`` from the same checkpoint.

    ``samples`` are None for a stream of batches.
    """
    state = progress.state
    sets = () if samples is None else (samples.targets, samples.weights)
    values = {
        "networks": str(state.network),
        "losses": str(state.loss),
        "optimizers": str(state.updater.optimizer),
        **recorded_options(options),
        "checkpoints to resume from": None if resumed is None else resumed.path.name,
        "seeds": state.seed,
        "learning rates": progress.control.learning_rate,
        "steps so far": state.steps,
        "epochs so far": state.epochs,
        "parameters": _digest(state.parameters, state.statistics),
        "optimizer states": _digest(*state.updater.state.values()),
        "numbers of samples": 0 if samples is None else len(samples.targets),
        "targets": _digest(*(array for one in sets if one is not None for array in array_list(one))),
    }
    group.check_same(values, "fit")


def compared(events: Generator[Event, None, None], group: RankGroup, state: ModelState) -> Generator[Event, None, None]:
    """Yield the same events. At the end of an epoch, raise ConfigError unless scores and parameters agree on all ranks."""
    with contextlib.closing(events):
        for event in events:
            if isinstance(event, EpochEvent):
                scores = {name: value for name, value in event.row().items() if name != "seconds"}
                values = {"parameters": _digest(state.parameters, state.statistics), "scores": repr(scores)}
                group.check_same(values, f"epoch {event.epoch}", SAME_ARITHMETIC)
            yield event


def agreed(events: Generator[Event, None, None], group: RankGroup, control: Control) -> Generator[Event, None, None]:
    """Yield the same events. After each, all ranks take the learning rate of rank 0, and stop if one of them stops
    (``control.stop``).

    A rank that closes this generator ends the training of the others at the same event: they raise KeyboardInterrupt.
    """
    with contextlib.closing(events):
        for event in events:
            try:
                yield event
            except GeneratorExit:
                _decide(group, control, closed=True)
                raise
            if _decide(group, control, closed=False):
                raise KeyboardInterrupt


def _decide(group: RankGroup, control: Control, *, closed: bool) -> bool:
    """Agree on the learning rate and on stopping, and return whether a rank has closed its events."""
    rate = math.nan if control.learning_rate is None else control.learning_rate
    own = np.array([[rate, control.stop, closed]], np.float64)
    decisions = np.concatenate([one for (one,) in group.exchange([own], [[(1, 3)]] * group.size)])
    control.learning_rate = None if math.isnan(decisions[0, 0]) else float(decisions[0, 0])
    control.stop = bool(decisions[:, 1].any())
    return bool(decisions[:, 2].any())


def _digest(*arrays: Any) -> str:
    """Return a checksum of arrays as text, for comparisons."""
    checksum = 0
    for array in arrays:
        checksum = zlib.crc32(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data, checksum)
    return f"{checksum:08x}"
