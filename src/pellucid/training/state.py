"""The state of a model: its network, loss and optimizer, and the vectors that training changes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pellucid.core.memory import Array, Layout, Shape
from pellucid.initializers import initial_values
from pellucid.kernels import Kernels
from pellucid.layers.activations import Activation
from pellucid.layers.base import Layer
from pellucid.layers.context import Observer
from pellucid.losses import Loss
from pellucid.losses.absent import NoLoss
from pellucid.metrics import Metric
from pellucid.networks import advice_for_vectors, fused, path_of_mask, trailing_layers, without_last_layer
from pellucid.optim import Optimizer, Updater
from pellucid.training.execution import Execution
from pellucid.training.output import Output
from pellucid.training.threads import Threads, choose_threads


class ModelState:
    """A network, its loss, optimizer and metrics, and the flat vectors that they work on.

    - ``parameters`` and ``statistics`` are the vectors of all parameters and of all running statistics, ``layout`` and
      ``statistics_layout`` say where each array is in them; ``updater`` owns the optimizer's vectors.
    - ``output`` describes the output of the network and what the loss computes from it. ``head`` is the last activation if
      the loss is computed together with it, from the logits, else None. ``body`` is the network without the head, and ``plan``
      the body with fused layers, which training and prediction run. ``mask_path`` is the path of the recurrent layer whose
      steps are the positions of the output and which skips some of them, or None.
    - ``steps`` and ``epochs`` count the updates and epochs of all trainings; they select the random numbers of the next step.
    - ``multiply_adds`` is the number of multiply-adds in the forward pass of one sample. ``largest_output`` is the largest
      number of values that one sample has, in the input of the network or in the output of a layer.
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
        spec = network.build(input_shape)
        self.network, self.input_shape = network, input_shape
        self.loss, self.seed, self.kernels = loss, seed, kernels
        self.metrics: tuple[Metric, ...] = ()  # computed while training
        self.dtype = np.dtype(dtype)
        self.multiply_adds = spec.multiply_adds
        self.largest_output = max(math.prod(input_shape), spec.largest_output)
        self.head: Activation | None = None
        self.body = network
        last = trailing_layers(network)[-1:]
        if loss.head is not None or (isinstance(loss, NoLoss) and isinstance(last[-1] if last else None, loss.heads)):
            assert isinstance(last[-1], Activation)
            self.head, self.body = last[-1], without_last_layer(network)
        self.plan = fused(self.body)
        self.output = Output(spec.shape, loss, self.head, kernels, lambda: advice_for_vectors(network, input_shape))
        self.mask_path = path_of_mask(network) if self.output.positions else None
        self.layout = Layout({path: slot for path, slot in spec.slots.items() if not slot.state})
        self.statistics_layout = Layout({path: slot for path, slot in spec.slots.items() if slot.state})
        self.parameters = initial_values(self.layout, seed, dtype)
        self.statistics = initial_values(self.statistics_layout, seed, dtype)
        self.updater = Updater(optimizer, self.layout, kernels, dtype)
        self.steps = 0
        self.epochs = 0

    def arrays(self) -> dict[str, Array]:
        """Return the parameters and running statistics by path, as views into the vectors."""
        return self.layout.arrays(self.parameters) | self.statistics_layout.arrays(self.statistics)

    def threads(self, batch_size: int, *, deterministic: bool = False) -> Threads:
        """Return the threads that a training step at that batch size uses."""
        parameters = self.layout.parameter_count
        return choose_threads(self.multiply_adds, parameters, batch_size, self.kernels, deterministic=deterministic)

    def prediction_threads(self, samples: int) -> Threads:
        """Return the threads that a forward pass over ``samples`` samples uses."""
        return choose_threads(self.multiply_adds, 0, samples, self.kernels)

    def execution(
        self,
        plan: Layer | None = None,
        *,
        parameters: Array | None = None,
        statistics: Array | None = None,
        dtype: Any = None,
        needs_dx: bool = False,
        observer: Observer | None = None,
    ) -> Execution:
        """Return an execution of ``plan`` (default: the fused plan) on the model's vectors.

        ``plan`` must have the slots of the network. ``parameters`` and ``statistics`` are vectors to use in place of the
        model's own. The execution sees later changes of the vectors, except with another ``dtype``: then it works on copies
        that are made now. The other arguments are those of :class:`Execution`.
        """
        dtype = self.dtype if dtype is None else np.dtype(dtype)
        theta = self.parameters if parameters is None else parameters
        running = self.statistics if statistics is None else statistics
        if dtype != self.dtype:
            theta, running = _converted(self.layout, theta, dtype), _converted(self.statistics_layout, running, dtype)
        return Execution(
            self.plan if plan is None else plan,
            self.layout.views(theta),
            self.statistics_layout.views(running),
            self.kernels,
            dtype=dtype,
            seed=self.seed,
            needs_dx=needs_dx,
            observer=observer,
        )


def _converted(layout: Layout, vector: Array, dtype: np.dtype[Any]) -> Array:
    """Return a copy of the vector in that dtype, with the alignment that kernels expect."""
    copy = layout.zeros(dtype)
    copy[:] = vector
    return copy
