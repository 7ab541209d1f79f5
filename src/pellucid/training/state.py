"""The state of a model: its network, loss and optimizer, and the vectors that training changes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from pellucid.core.config import Config
from pellucid.core.memory import Array, Layout, Shape
from pellucid.initializers import initial_values
from pellucid.kernels import Kernels
from pellucid.layers.activations import Activation
from pellucid.layers.base import Layer
from pellucid.layers.context import Observer
from pellucid.losses import Loss
from pellucid.losses.absent import NoLoss
from pellucid.metrics import Metric
from pellucid.networks import (
    advice_for_vectors,
    folded,
    fused,
    path_of_mask,
    trailing_layers,
    without_last_layer,
    without_last_layers,
)
from pellucid.optim import Optimizer, Updater
from pellucid.training.execution import Execution
from pellucid.training.output import Output
from pellucid.training.required_memory import check_model, check_prediction, check_training, unchecked_samples
from pellucid.training.several_outputs import SeveralOutputs
from pellucid.training.threads import Threads, available_cores, choose_threads


class ModelState:
    """A network, its loss, optimizer and metrics, and the flat vectors that they work on.

    - ``parameters`` and ``statistics`` are the vectors of all parameters and of all running statistics, ``layout`` and
      ``statistics_layout`` say where each array is in them; ``updater`` owns the optimizer's vectors.
    - ``output`` describes the output of the network and what the loss computes from it. ``head`` is the last activation if
      the loss is computed together with it, from the logits, else None. ``body`` is the network without the head, ``plan``
      the body with fused layers, which training runs, and ``prediction_plan`` a form of the body that only predicts
      (:func:`~pellucid.networks.fusion.folded`). Of a network with several outputs, ``output`` is a
      :class:`~pellucid.training.several_outputs.SeveralOutputs`, each of which has its own head, and ``head`` is None.
    - ``loss`` and ``metrics`` are dictionaries by output for several, and ``input_shape`` is one for several inputs.
    - ``steps`` and ``epochs`` count the updates and epochs of all trainings; they select the random numbers of the next step.
    - ``multiply_adds`` is the number of multiply-adds in the forward pass of one sample. ``largest_output`` is the largest
      number of values that one sample has, in the input of the network or in the output of a layer.
    - ``last_batch`` are the arguments of the last :class:`~pellucid.training.step.GradientStep`, or None: a policy may compute
      that batch again. They are valid until the next step. Where ranks share the batch, ``complete_batch()`` fills in the
      samples of the other ranks first; all of them call it.
    """

    def __init__(
        self,
        network: Layer,
        input_shape: Any,
        loss: Loss | Mapping[str, Loss],
        optimizer: Optimizer,
        seed: int,
        kernels: Kernels,
        dtype: Any = np.float32,
        loss_weights: Mapping[str, float] | None = None,
    ):
        spec = network.build(input_shape)
        check_model(spec, optimizer, np.dtype(dtype).itemsize)
        self.network, self.input_shape = network, input_shape
        self.loss: Any = loss
        self.seed, self.kernels = seed, kernels
        self.metrics: Any = dict.fromkeys(loss, ()) if isinstance(loss, Mapping) else ()  # computed while training
        self.dtype = np.dtype(dtype)
        self.multiply_adds = spec.multiply_adds
        inputs = input_shape.values() if isinstance(input_shape, Mapping) else [input_shape]
        self.largest_output = max(*map(math.prod, inputs), spec.largest_output)
        self.head: Activation | None = None
        self.output: Any
        if isinstance(loss, Mapping):
            outputs = {name: _output(network, input_shape, spec.shape[name], one, kernels, name) for name, one in loss.items()}
            factors = {name: float((loss_weights or {}).get(name, 1.0)) for name in outputs}
            self.output = SeveralOutputs(outputs, factors)
            self.body = without_last_layers(network, [name for name, output in outputs.items() if output.head is not None])
        else:
            self.output = _output(network, input_shape, spec.shape, loss, kernels)
            self.head = self.output.head
            self.body = network if self.head is None else without_last_layer(network)
        self._unchecked_samples = unchecked_samples(self.largest_output, self.output.shape, self.dtype.itemsize)
        self.plan = fused(self.body)
        self.prediction_plan = folded(self.body)
        self.layout = Layout({path: slot for path, slot in spec.slots.items() if not slot.state})
        self.statistics_layout = Layout({path: slot for path, slot in spec.slots.items() if slot.state})
        self.parameters = initial_values(self.layout, seed, dtype)
        self.statistics = initial_values(self.statistics_layout, seed, dtype)
        self.updater = Updater(optimizer, self.layout, kernels, dtype)
        self._calls_blas = not (_is_built_in(network) and _is_built_in(loss) and _is_built_in(optimizer))
        self._threads: dict[tuple[int, bool, int], Threads] = {}
        self.steps = 0
        self.epochs = 0
        self.last_batch: tuple[Any, Any, Any, int, int] | None = None
        self.complete_batch: Callable[[], None] | None = None

    def scored_metrics(self) -> dict[str, Metric]:
        """Return the metrics by the name of their score: that of the metric, after that of its output if there are several."""
        if isinstance(self.metrics, dict):
            return {f"{output}_{metric.name}": metric for output, metrics in self.metrics.items() for metric in metrics}
        return {metric.name: metric for metric in self.metrics}

    def arrays(self) -> dict[str, Array]:
        """Return the parameters and running statistics by path, as views into the vectors."""
        return self.layout.arrays(self.parameters) | self.statistics_layout.arrays(self.statistics)

    def saved_arrays(self, *, training_state: bool) -> dict[str, Array]:
        """Return all arrays of a model file by name; ``training_state`` adds the optimizer's, such as ``adam1.m/dense1.W``."""
        arrays = self.arrays()
        if training_state:
            for name, vector in self.updater.state.items():
                arrays |= {f"{name}/{path}": array for path, array in self.layout.arrays(vector).items()}
        return arrays

    def check_training(self, samples: int) -> None:
        """Raise ConfigError if there is not enough memory to train with batches of so many samples."""
        check_training(self.plan.build(self.input_shape), self.input_shape, samples, self.dtype.itemsize)

    def check_prediction(self, samples: int, chunk: int) -> None:
        """Raise ConfigError if there is not enough memory to predict so many samples, a ``chunk`` of them at once."""
        if samples > self._unchecked_samples:
            check_prediction(self.largest_output, self.output.shape, samples, chunk, self.dtype.itemsize)

    def threads(self, batch_size: int, *, deterministic: bool = False) -> Threads:
        """Return the threads that a training step at that batch size uses."""
        key = batch_size, deterministic, available_cores()
        threads = self._threads.get(key)
        if threads is None:
            work, parameters = self.multiply_adds, self.layout.parameter_count
            options = {"deterministic": deterministic, "calls_blas": self._calls_blas}
            threads = self._threads[key] = choose_threads(work, parameters, batch_size, self.kernels, **options)
        return threads

    def prediction_threads(self, samples: int) -> Threads:
        """Return the threads that a forward pass over ``samples`` samples uses."""
        return choose_threads(self.multiply_adds, 0, samples, self.kernels, calls_blas=self._calls_blas)

    def execution(
        self,
        plan: Layer | None = None,
        *,
        parameters: Array | None = None,
        statistics: Array | None = None,
        dtype: Any = None,
        needs_dx: bool = False,
        observer: Observer | None = None,
        kernels: Kernels | None = None,
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
            self.kernels if kernels is None else kernels,
            dtype=dtype,
            seed=self.seed,
            needs_dx=needs_dx,
            observer=observer,
        )


def _is_built_in(value: object) -> bool:
    """Return whether settings, and all settings in them, are of classes of this library. Other classes may call BLAS."""
    if isinstance(value, Config):
        return type(value).__module__.startswith("pellucid.") and all(map(_is_built_in, vars(value).values()))
    if isinstance(value, Mapping):
        return all(map(_is_built_in, value.values()))
    if isinstance(value, (tuple, list)):
        return all(map(_is_built_in, value))
    return not callable(value)


def _output(network: Layer, input_shape: Any, shape: Shape, loss: Loss, kernels: Kernels, name: str | None = None) -> Output:
    """Return the output ``name``, or the only one, of the network, with its loss and the head that belongs to it."""
    head: Activation | None = None
    last = trailing_layers(network, name)[-1:]
    if loss.head is not None or (isinstance(loss, NoLoss) and isinstance(last[-1] if last else None, loss.heads)):
        assert isinstance(last[-1], Activation)
        head = last[-1]
    mask_path = path_of_mask(network, name) if len(shape) > 1 else None
    return Output(shape, loss, head, kernels, lambda: advice_for_vectors(network, input_shape, name), mask_path)


def _converted(layout: Layout, vector: Array, dtype: np.dtype[Any]) -> Array:
    """Return a copy of the vector in that dtype, with the alignment that kernels expect."""
    copy = layout.zeros(dtype)
    copy[:] = vector
    return copy
