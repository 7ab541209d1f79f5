"""The parts of a model, as training, inference and files need them: a network at work on its vectors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pellucid.core.memory import Layout, Shape
from pellucid.initializers import initial
from pellucid.kernels import Kernels
from pellucid.layers.activations import Activation
from pellucid.layers.base import Layer
from pellucid.losses import Loss
from pellucid.metrics import Metric
from pellucid.networks import fused, in_line, without_last
from pellucid.optim.pieces import Optimizer, Updater


class Parts:
    """A network, its loss, optimizer and metrics, with the vectors they work on.

    ``body`` is the network without the head the loss is computed through; ``plan`` is the body as training runs it.
    ``theta`` holds the parameters, ``state`` the running statistics; ``p`` are theta's views. ``steps`` and ``epochs``
    count what has been trained, over all calls: they name the chance of what comes next.
    """

    def __init__(
        self,
        network: Layer,
        input_shape: Shape,
        loss: Loss,
        optimizer: Optimizer,
        seed: int,
        kernels: Kernels,
        dtype: Any = np.float32,
    ):
        built = network.build(input_shape)
        self.network, self.input_shape, self.output_shape = network, input_shape, built.shape
        self.loss, self.seed, self.kernels = loss, seed, kernels
        self.metrics: tuple[Metric, ...] = ()  # watched while training
        self.dtype = np.dtype(dtype)
        self.multiply_adds = built.multiply_adds
        self.largest = max(math.prod(input_shape), built.largest)  # numbers that one sample is somewhere in the network
        self.head: Activation | None = None
        self.body = network
        if loss.head is not None:
            last = in_line(network)[-1]
            assert isinstance(last, Activation)
            self.head, self.body = last, without_last(network)
        self.plan = fused(self.body)
        self.layout = Layout({path: slot for path, slot in built.slots.items() if not slot.state})
        self.state_layout = Layout({path: slot for path, slot in built.slots.items() if slot.state})
        self.theta, self.state = initial(self.layout, seed, dtype), initial(self.state_layout, seed, dtype)
        self.p, self.state_views = self.layout.views(self.theta), self.state_layout.views(self.state)
        self.updater = Updater(optimizer, self.layout, kernels, dtype)
        self.steps = 0
        self.epochs = 0

    @property
    def classes(self) -> int:
        """How many classes the outputs tell apart: a single output tells two."""
        return max(2, self.output_shape[-1])

    @property
    def answers(self) -> int:
        """Between how many classes one answer is: two for each of several independent questions."""
        return 2 if self.loss.independent else self.classes
