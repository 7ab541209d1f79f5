"""The events of a training, and the history made of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pellucid.metrics import Value


@dataclass(frozen=True, slots=True)
class StepEvent:
    """One update of the parameters, from one batch, or from several where gradients are accumulated.

    ``epoch`` and ``batch`` (of ``batches``) count from 1, ``step`` counts all updates of the model. ``loss`` is the mean loss
    of the batch before the update, without the penalties of L1 and L2; ``samples`` is the size of the batch. ``scores()``
    returns the loss and the metrics over the epoch so far. ``forward_passes`` counts the forward passes over a batch.

    With LBFGS, whose batch is the training set, loss and scores are those after the update, and ``learning_rate`` is the step
    length that the line search has found.
    """

    epoch: int
    batch: int
    batches: int
    step: int
    loss: float
    samples: int
    learning_rate: float
    scores: Callable[[], Mapping[str, Value]]
    forward_passes: int = 1


@dataclass(frozen=True, slots=True)
class EpochEvent:
    """The end of an epoch, with its scores. ``is_last`` says that the training has no epoch after it.

    The ``train`` scores were accumulated during the epoch, in training mode, or computed again at its end if
    ``exact_training_metrics`` was set.
    """

    epoch: int
    seconds: float
    learning_rate: float
    train: Mapping[str, Value]
    validation: Mapping[str, Value] | None
    is_last: bool = False

    def row(self) -> dict[str, float]:
        """Return one row of a history: ``train_loss``, ``validation_accuracy``, …

        Vectors become one column per entry (``train_recall_0``, …); matrices are left out.
        """
        row: dict[str, float] = {"epoch": self.epoch, "seconds": self.seconds, "learning_rate": self.learning_rate}
        for part, values in (("train", self.train), ("validation", self.validation or {})):
            for name, value in values.items():
                if np.ndim(value) == 0:
                    row[f"{part}_{name}"] = float(value)
                elif np.ndim(value) == 1:
                    row |= {f"{part}_{name}_{i}": float(entry) for i, entry in enumerate(np.asarray(value))}
        return row


Event = StepEvent | EpochEvent


@dataclass
class History:
    """The scores of a training, one row per epoch; ``history["validation_loss"]`` is a column.

    ``best_epoch`` is set by policies that keep the best parameters. ``forward_passes`` counts the forward passes over a
    training batch. ``stopped`` says why early stopping or the optimizer ended the training; it is None if the number of
    epochs or an interruption did.
    ``problems`` are lines about what did not work and did not end the training, such as a checkpoint on a full disk.
    ``findings`` are those of a :class:`~pellucid.doctor.watch.Watch`, in the order in which they arose.
    """

    rows: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int | None = None
    forward_passes: int = 0
    stopped: str | None = None
    problems: list[str] = field(default_factory=list)
    findings: list[Any] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[dict[str, float]]:
        return iter(self.rows)

    @property
    def columns(self) -> list[str]:
        """The names of the columns, in order."""
        return list(dict.fromkeys(name for row in self.rows for name in row))

    def __getitem__(self, column: str) -> list[float]:
        if column not in self.columns:
            raise KeyError(f"no column {column!r}; the columns are {', '.join(self.columns)}")
        return [row.get(column, float("nan")) for row in self.rows]

    def chosen_epoch(self) -> int | None:
        """Return the epoch that early stopping chose; without it, the one with the lowest validation loss, or None."""
        if self.best_epoch is not None or "validation_loss" not in self.columns:
            return self.best_epoch
        epochs = [
            (loss, epoch) for loss, epoch in zip(self["validation_loss"], self["epoch"], strict=True) if np.isfinite(loss)
        ]
        return int(min(epochs)[1]) if epochs else None

    def to_csv(self) -> str:
        """Return the table as comma-separated values with a header."""
        import csv
        import io

        text = io.StringIO()
        writer = csv.DictWriter(text, self.columns, lineterminator="\n", restval="")
        writer.writeheader()
        for row in self.rows:
            writer.writerow({name: int(v) if name == "epoch" else f"{v:.6g}" for name, v in row.items()})
        return text.getvalue()

    def __repr__(self) -> str:
        last = ", ".join(f"{name}={value:.4g}" for name, value in self.rows[-1].items()) if self.rows else "no epoch yet"
        stopped = "" if self.stopped is None else f"; stopped: {self.stopped}"
        return f"History({len(self.rows)} epochs; {last}{stopped})"

    def _repr_html_(self) -> str:
        from pellucid.notebook import histories

        return histories.history(self.rows, self.chosen_epoch())
