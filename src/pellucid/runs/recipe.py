"""Recipes: a network, its optimizer and its fit options in one object, which a preset and flags determine."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass

from pellucid.core.memory import Shape
from pellucid.data import Dataset
from pellucid.errors import ConfigError
from pellucid.networks import Composite
from pellucid.optim import Optimizer, rule_of, with_learning_rate
from pellucid.training.options import BATCH_SIZE, FitOptions

MIN_STEPS, MAX_STEPS = 500, 50_000  # of a training on user data for which no number of epochs is given
MIN_EPOCHS, MAX_EPOCHS = 3, 60


@dataclass(frozen=True)
class Recipe:
    """A network and how it is trained: all that a training needs apart from the data.

    ``about`` describes the recipe in a few words. ``network`` returns the network for a number of outputs: the number of
    classes, or 1 for regression. If it ``reconstructs``, the targets are the images themselves, and ``network`` returns the
    network for a number of channels. If it ``segments``, the network has one output for each class at each pixel. If it has a
    ``context``, the network predicts the next token of a text at each position of windows of this length, or of lines.
    ``adapt``, called with the recipe and a training set, returns the recipe for it; None if the recipe is for any.
    """

    about: str
    network: Callable[[int], Composite]
    optimizer: Optimizer
    fit: FitOptions
    reconstructs: bool = False
    segments: bool = False
    context: int | None = None
    adapt: Callable[[Recipe, Dataset], Recipe] | None = None

    def adapted_to(self, data: Dataset) -> Recipe:
        """Return the recipe for this training set."""
        return self if self.adapt is None else self.adapt(self, data)

    def with_learning_rate(self, rate: float) -> Recipe:
        """Return the recipe with another learning rate: a schedule keeps its shape and has ``rate`` as its peak."""
        return dataclasses.replace(self, optimizer=with_learning_rate(self.optimizer, rate))

    def for_passes(self, samples: int) -> Recipe:
        """Return the recipe for a training set of this many ``samples`` of which each epoch is a pass, not a number of steps.

        A recipe that states the number of steps of an epoch gets as many epochs as have the same number of steps in total.
        """
        if self.fit.steps_per_epoch is None:
            return self
        steps = self.fit.epochs * self.fit.steps_per_epoch
        epochs = max(1, round(steps / math.ceil(samples / (self.fit.batch_size or BATCH_SIZE))))
        return dataclasses.replace(self, fit=dataclasses.replace(self.fit, epochs=epochs, steps_per_epoch=None))

    def with_epochs_for(self, samples: int) -> Recipe:
        """Return the recipe with a number of epochs that suits a training set of this many ``samples``.

        Small sets get more epochs, so that there are at least MIN_STEPS steps, but no more than MAX_EPOCHS. Large ones get
        fewer, so that there are at most MAX_STEPS steps, but no fewer than MIN_EPOCHS. An optimizer that makes one step in
        each epoch gets MIN_STEPS epochs; it may end the training before. A recipe that states the number of steps of an epoch
        is unchanged.
        """
        if self.fit.steps_per_epoch is not None:
            return self
        steps = math.ceil(samples / (self.fit.batch_size or BATCH_SIZE))
        if rule_of(self.optimizer).full_batch:
            epochs = MIN_STEPS
        elif steps * self.fit.epochs < MIN_STEPS:
            epochs = min(MAX_EPOCHS, math.ceil(MIN_STEPS / steps))
        else:
            epochs = min(self.fit.epochs, max(MIN_EPOCHS, MAX_STEPS // steps))
        return dataclasses.replace(self, fit=dataclasses.replace(self.fit, epochs=epochs))

    def classifier(self, input_shape: Shape, classes: int) -> Composite:
        """Return the network for samples of ``input_shape``.

        Raises ShapeError if it does not take such samples, ConfigError unless it has one output for each of the ``classes``.
        """
        network = self.network(classes)
        outputs = network.build(input_shape).shape
        if outputs != (classes,):
            raise ConfigError(f"the network has outputs of the shape {outputs}, but the data has {classes} classes")
        return network
