"""What a language model writes while it trains: samples of text, printed and kept in ``samples.json`` of the run folder.

The file holds a list of ``{"epoch": …, "step": …, "text": …}``, or with ``"lines": […]`` for a model of lines. Samples are
taken up to ten times in a training, at the ends of epochs, always from the same random numbers.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Sequence
from typing import Any

from pellucid.core.files import read_json
from pellucid.data.text import Tokens
from pellucid.errors import PellucidError
from pellucid.model.model import Model
from pellucid.runs.folder import SAMPLES, RunFolder
from pellucid.training import EpochEvent, Event

COUNT = 10  # in a training
LENGTH = 240  # tokens of a sample
LINES = 10  # of a sample of a model of lines


class TextSamples:
    """Takes the samples of one training of ``epochs`` epochs, and writes them into the folder of its run."""

    def __init__(self, model: Model, folder: RunFolder, epochs: int, *, resumed: bool):
        self._model, self._folder, self._epochs = model, folder, epochs
        self._samples: list[dict[str, Any]] = []
        self._lines: list[str] = []
        if resumed:
            with contextlib.suppress(PellucidError, OSError):
                self._samples = [one for one in read_json(folder.path / SAMPLES) if isinstance(one, dict)]

    def followed(self, events: Generator[Event, None, None]) -> Generator[Event, None, None]:
        """Yield the same events, and take samples."""
        with contextlib.closing(events):
            for event in events:
                if isinstance(event, EpochEvent) and self._folder.writes and self._is_due(event.epoch):
                    self._take(event.epoch)
                yield event

    def new_lines(self) -> Sequence[str]:
        """Return the lines of text about the samples since the last call."""
        lines, self._lines = self._lines, []
        return lines

    def _is_due(self, epoch: int) -> bool:
        return epoch * COUNT // self._epochs > (epoch - 1) * COUNT // self._epochs

    def _take(self, epoch: int) -> None:
        try:
            sample = write_sample(self._model)
        except PellucidError:  # a network of one's own that is not a language model, or one that has diverged
            return
        self._samples = [one for one in self._samples if one.get("epoch", epoch) < epoch]
        self._samples.append({"epoch": epoch, "step": self._model.state.steps, **sample})
        with contextlib.suppress(OSError):
            self._folder.write_samples(self._samples)
        if "lines" in sample:
            self._lines += ["writes    " + ", ".join(sample["lines"])]
        else:
            self._lines += [
                f"after epoch {epoch} it writes:",
                *(f"  {line}" for line in sample["text"].strip("\n").split("\n")),
            ]


def write_sample(model: Model, seed: int = 0) -> dict[str, Any]:
    """Return a sample of what a language model writes, as ``{"text": …}`` or ``{"lines": […]}``.

    Raises the errors of ``Model.generate``.
    """
    stage = model.input_stage
    if isinstance(stage, Tokens) and stage.separator is not None:
        lines = [""] * LINES
        for step in model.generate([""] * LINES, length=model.input_shape[0], seed=range(seed, seed + LINES)):
            lines = [line + (piece or "") for line, piece in zip(lines, step, strict=True)]
        return {"lines": lines}
    return {"text": "".join(model.generate(beginning(model), length=LENGTH, seed=seed))}


def beginning(model: Model) -> str:
    """Return the text that a sample goes on from: the end of a line, or the first token for a model without one."""
    try:
        model.tokenizer.encode("\n")
    except PellucidError:
        return model.tokenizer.decode([0])
    return "\n"
