"""The kinds of findings about networks and trainings: what is measured, the threshold with its reason, and what to try."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pellucid.doctor.finding import Finding


@dataclass(frozen=True)
class Kind:
    """A kind of findings: ``name``, the figure that it ``measures``, the ``threshold`` of that figure, the ``reason`` for the
    threshold, and the ``advice``."""

    name: str
    measures: str
    threshold: float
    reason: str
    advice: str

    def finding(self, where: str, figure: float, text: str, since: int | None = None, samples: Sequence[int] = ()) -> Finding:
        """Return a finding of this kind; see :class:`Finding` for the arguments."""
        return Finding(self.name, where, float(figure), self.threshold, text, self.advice, since, tuple(samples))


DEAD_RELU = Kind(
    "dead-relu",
    "the share of the units of a layer whose output is on the flat side of the activation for all samples",
    0.5,
    "some units of a healthy layer are dead; with more than half, the layer is narrower than half of its width",
    "Try a lower learning rate, He() for the weights, or LeakyReLU(); scale the inputs.",
)
SATURATED_ACTIVATION = Kind(
    "saturated-activation",
    "the share of the outputs of a sigmoid or tanh inside the network at which its slope is below 5 % of its largest",
    0.5,
    "of values that are spread like a standard normal distribution, fewer than 3 % are as far out",
    "Try smaller initial weights (Glorot()), a lower learning rate, scaled inputs, BatchNorm() before it, or ReLU().",
)
VANISHING_GRADIENT = Kind(
    "vanishing-gradient",
    "the norm of the gradient that reaches a layer, beside the largest that reaches a layer after it",
    1e-3,
    "the layer learns a thousand times more slowly than that layer",
    "Try ReLU() with He() weights, BatchNorm() or LayerNorm(), or Residual() blocks.",
)
EXPLODING_GRADIENT = Kind(
    "exploding-gradient",
    "the norm of the gradient that reaches a layer, beside the smallest that reaches a layer after it",
    1e3,
    "one learning rate cannot suit two layers whose gradients differ by three orders of magnitude",
    "Try smaller initial weights (He(), Glorot()), BatchNorm() or LayerNorm(), and ClipNorm(1.0) before the rule.",
)
LARGE_UPDATE = Kind(
    "large-update",
    "the norm of the change of the weights in one step, divided by the norm of the weights",
    0.2,
    "about 0.001 is usual; at 0.2 the weights are replaced within five steps, so no step builds on those before",
    "Try a tenth of the learning rate, a schedule with a warm-up, or ClipNorm(1.0) before the rule.",
)
SMALL_UPDATE = Kind(
    "small-update",
    "the norm of the change of the weights in one step, divided by the norm of the weights, while most of the loss is left",
    1e-6,
    "about 0.001 is usual; below 1e-6, a million steps change the weights once, and rounding to float32 loses such changes",
    "Try a higher learning rate (model.find_learning_rate), or scale the inputs and the targets.",
)
INITIAL_LOSS = Kind(
    "initial-loss",
    "the loss of an untrained classifier, minus that of equal probabilities for all classes (log k for k classes), in nats",
    2.0,
    "an untrained network cannot know the classes; two nats above log k is the loss of guessing among e² = 7 times as many",
    "Try smaller weights in the last layer (GlorotUniform(), Normal(0.01)), and scale the inputs.",
)
CANNOT_OVERFIT = Kind(
    "cannot-overfit",
    "the share of the loss of a constant prediction that is left after 300 steps on one mini-batch (900 while it falls)",
    0.2,
    "a network with working gradients learns 16 samples by heart in about a hundred steps",
    "Look for layers that are frozen, narrow, dead or saturated, and for a wrong loss; check your own layers (check_layer).",
)
NOT_FINITE = Kind(
    "not-finite",
    "the number of batches whose loss is NaN, infinite or out of bounds",
    0.0,
    "training cannot continue after it",
    "Try a tenth of the learning rate, smaller initial weights, scaled inputs, ClipNorm(1.0) before the rule.",
)
STOPPED_LEARNING = Kind(
    "stopped-learning",
    "the norm of the change of a layer's parameters in one epoch, divided by the norm of the parameters, while others change",
    1e-7,
    "the distance between two numbers in float32 is 1.2e-7 of their size",
    "Look for dead units after the layer, for a part of the network that nothing reads, and for a rate that is too low for it.",
)
RATE_TOO_HIGH = Kind(
    "rate-too-high",
    "by how much the training loss rises within five epochs, all rises together, divided by the loss at the start",
    0.2,
    "between epochs the loss of a training that works only falls, apart from noise",
    "Try a third of the learning rate (model.find_learning_rate), larger batches, or a schedule with a warm-up.",
)
RATE_TOO_LOW = Kind(
    "rate-too-low",
    "the share of the loss at the start that is left, while the loss falls in even steps and the weights change by less than "
    "2 % an epoch",
    0.5,
    "a training whose loss falls as fast at the end as at the beginning has most of its way before it",
    "Try ten times the learning rate (model.find_learning_rate), or more epochs.",
)
OVERFITTING = Kind(
    "overfitting",
    "the lowest validation loss of the last three epochs, divided by the lowest of all, while the training loss falls",
    1.2,
    "smaller differences are within the noise of a validation set",
    "Try EarlyStopping(), more data or augmentation, Dropout() or L2(), or a smaller network.",
)
PLATEAU = Kind(
    "plateau",
    "the lowest training loss of an epoch, divided by the loss of the best constant prediction",
    0.98,
    "a network that uses its inputs at all does better than one that ignores them",
    "Check that inputs and targets belong together; then try another learning rate, other initial weights, scaled inputs.",
)
DIVERGENCE = Kind(
    "divergence",
    "the number of steps whose loss or gradient is NaN, infinite or out of bounds",
    0.0,
    "training cannot continue after it",
    "Try a tenth of the learning rate, smaller initial weights, scaled inputs, ClipNorm(1.0) before the rule.",
)

KINDS = {
    kind.name: kind
    for kind in (
        DEAD_RELU,
        SATURATED_ACTIVATION,
        VANISHING_GRADIENT,
        EXPLODING_GRADIENT,
        LARGE_UPDATE,
        SMALL_UPDATE,
        INITIAL_LOSS,
        CANNOT_OVERFIT,
        NOT_FINITE,
        STOPPED_LEARNING,
        RATE_TOO_HIGH,
        RATE_TOO_LOW,
        OVERFITTING,
        PLATEAU,
        DIVERGENCE,
    )
}
