"""Symptoms of a training: the findings that its learning curves show, while it runs and from its history afterwards."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pellucid.doctor.finding import Finding
from pellucid.doctor.kinds import DIVERGENCE, OVERFITTING, PLATEAU, RATE_TOO_HIGH, RATE_TOO_LOW
from pellucid.training.events import History

WINDOW = 5  # epochs in which rises of the loss are added up
MIN_EPOCHS = 3  # since the lowest validation loss: fewer may be noise
MIN_STEPS = 200  # of a plateau, or of a slow training: some networks take that long to begin
FLAT = 0.02  # of the loss: by less than that, a plateau falls in the second half of the epochs
STEADY_FALL = 0.001  # of the loss at the start, in an epoch: less is a plateau
STEADY_EPOCHS = 4  # with falling loss, for a rate that is too low, or with none, for a plateau
SLOW_FALL = 0.05  # of the loss at the start, in an epoch: with more, twenty epochs are enough
LATE = 0.5  # how much of the fall in the first half of the epochs that in the second half must be, to be steady
MOVEMENT = 0.02  # of the weights in an epoch: in fifty epochs they could be others
FALLS = 0.9  # what is left of the training loss since the lowest validation loss
MATERIAL = 0.05  # of the loss at the start, by which the validation loss must rise to count


@dataclass(frozen=True)
class Background:
    """What is known about a training beside its history; None is unknown.

    - ``start``: the training loss before the first step
    - ``constant``: the loss of the best constant prediction
    - ``steps``: the number of steps
    - ``movement``: the mean norm of the change of the weights in an epoch, divided by their norm
    """

    start: float | None = None
    constant: float | None = None
    steps: int | None = None
    movement: float | None = None


def curve_findings(history: History, background: Background | None = None) -> list[Finding]:
    """Return the findings that the learning curves of a history show, each with the epoch in which it began."""
    background = background or Background()
    losses = _column(history, "train_loss")
    if not len(losses):
        return []
    epochs = [int(row["epoch"]) for row in history]
    if not np.isfinite(losses).all():
        broken = np.flatnonzero(~np.isfinite(losses))
        text = f"it is {losses[broken[0]]:g}."
        return [DIVERGENCE.finding("training loss", len(broken), text, epochs[int(broken[0])])]
    known = background.start
    start = max(known, losses[0]) if known is not None and math.isfinite(known) else float(losses[0])
    if not start > 0:  # a loss that may be negative, such as a log-likelihood of densities, has no zero to compare with
        return []
    rates = _column(history, "learning_rate")
    findings = [
        *_rising(losses, epochs, background),
        *(slow := _slow(losses, rates, epochs, start, background)),
        *_overfitted(history, losses, epochs, start),
    ]
    return findings if slow else [*findings, *_flat(losses, epochs, background)]


def _is_short(background: Background) -> bool:
    return background.steps is not None and background.steps < MIN_STEPS


def _column(history: History, name: str) -> np.ndarray:
    return np.array(history[name], np.float64) if name in history.columns else np.empty(0)


def _rising(losses: np.ndarray, epochs: Sequence[int], background: Background) -> list[Finding]:
    before = float(losses[0])
    if background.start is not None and background.constant is not None:
        before = max(background.start, background.constant)  # the first batch alone may be an easy one
    rises = np.maximum(np.diff([before, *losses]), 0) / before
    sums = np.cumsum([0.0, *rises])
    first = np.maximum(np.arange(1, len(sums)) - WINDOW, 0)  # of the window that ends with each epoch
    totals = sums[1:] - sums[first]
    over = np.flatnonzero(totals > RATE_TOO_HIGH.threshold)
    if not len(over):
        return []
    window = slice(first[over[0]], over[0] + 1)
    began = epochs[window.start + int(np.flatnonzero(rises[window])[0])]
    total = float(totals[over[0]])
    text = f"the training loss rises: within {WINDOW} epochs by {total:.0%} of the loss at the start ({before:.3g})."
    return [RATE_TOO_HIGH.finding("training loss", total, text, began)]


def _slow(losses: np.ndarray, rates: np.ndarray, epochs: Sequence[int], start: float, background: Background) -> list[Finding]:
    if background.movement is None or not 0 < background.movement < MOVEMENT or _is_short(background):
        return []
    steady = losses if len(rates) != len(losses) else losses[rates >= rates.max() / 2]  # a schedule slows down by itself
    if len(steady) < STEADY_EPOCHS or steady[-1] < RATE_TOO_LOW.threshold * start:
        return []
    falls, half = -np.diff(steady), len(steady) // 2
    if (falls <= 0).any() or not STEADY_FALL * start < falls.mean() < SLOW_FALL * start:
        return []
    if falls[-half:].mean() < LATE * falls[:half].mean():
        return []
    share = float(losses[-1] / start)
    text = (
        f"after {len(losses)} epochs, {share:.0%} of the training loss at the start is left; it falls steadily, by "
        f"{falls.mean() / start:.1%} of it an epoch, and an epoch changes the weights by {background.movement:.1%}."
    )
    return [RATE_TOO_LOW.finding("training loss", share, text, epochs[0])]


def _overfitted(history: History, losses: np.ndarray, epochs: Sequence[int], start: float) -> list[Finding]:
    validation = _column(history, "validation_loss")
    if len(validation) <= MIN_EPOCHS or history.best_epoch is not None or not np.isfinite(validation).all():
        return []  # early stopping keeps the parameters of the best epoch
    best = int(validation.argmin())
    late = float(validation[-MIN_EPOCHS:].min())  # one epoch may be a spike
    lowest = float(validation[best])
    ratio = late / lowest if lowest > 0 else 1.0
    if len(validation) - 1 - best < MIN_EPOCHS or ratio < OVERFITTING.threshold or late - lowest < MATERIAL * start:
        return []
    if losses[-1] > FALLS * losses[best]:
        return []
    text = (
        f"it is lowest in epoch {epochs[best]} ({lowest:.3g}); since then it is at least {late:.3g}, {ratio:.2f} times "
        f"as much, while the training loss has fallen from {losses[best]:.3g} to {losses[-1]:.3g}."
    )
    return [OVERFITTING.finding("validation loss", ratio, text, epochs[best] + 1)]


def _flat(losses: np.ndarray, epochs: Sequence[int], background: Background) -> list[Finding]:
    constant = background.constant
    if len(losses) < STEADY_EPOCHS or constant is None or not constant > 0:
        return []
    if _is_short(background):
        return []
    share = float(losses.min()) / constant
    early = losses[: len(losses) // 2].min()
    if share < PLATEAU.threshold or early - losses.min() > FLAT * early:
        return []
    text = (
        f"in {len(losses)} epochs it has not fallen below {losses.min():.3g}; a prediction that is the same for all samples "
        f"has {constant:.3g}."
    )
    return [PLATEAU.finding("training loss", share, text, epochs[0])]
