"""What trains a model: its gradient steps, and the data of a training, checked and cut into batches."""

from __future__ import annotations

import functools
from collections.abc import Generator, Sequence

from pellucid.core.config import checked
from pellucid.core.memory import Array
from pellucid.data.augmentation import Augmentation
from pellucid.data.batches import Batches
from pellucid.data.dataset import Dataset
from pellucid.data.input_stage import InputStage
from pellucid.optim.schedules import Clock
from pellucid.training import blas, inputs as inputs, shards
from pellucid.training.events import Event, History
from pellucid.training.finder import RateSearch, check_range, range_test
from pellucid.training.inference import Inference
from pellucid.training.inputs import Samples
from pellucid.training.loop import Control, recorded, take_step, train
from pellucid.training.parts import Parts
from pellucid.training.perturbation import Perturbation, PerturbedStep
from pellucid.training.policies import Policy, in_order
from pellucid.training.step import GradientStep
from pellucid.training.weighting import ClassWeight, weighted


class Trainer:
    """Trains the network of these parts, which ``inference`` scores. Its steps are kept: their memory is used again."""

    def __init__(self, parts: Parts, inference: Inference):
        self.parts = parts
        self.inference = inference
        self._steps: dict[int, GradientStep] = {}

    def sharding(self, batch_size: int, *, deterministic: bool = False) -> shards.Sharding:
        """How a step at that batch size runs on this machine."""
        size = self.parts.multiply_adds, self.parts.layout.parameters, batch_size
        return shards.choose(*size, self.parts.kernels, deterministic=deterministic)

    def events(
        self,
        data: Dataset,
        stage: InputStage,
        history: History,
        *,
        validation: Dataset | tuple[Array, Array] | None,
        epochs: int,
        batch_size: int,
        shuffle: bool,
        augmentation: Augmentation | None,
        class_weight: ClassWeight | None,
        class_names: Sequence[str] | None,
        policies: Sequence[Policy],
        accumulate: int,
        method: Perturbation | None,
        exact_training_metrics: bool,
        deterministic: bool,
        control: Control | None,
    ) -> Generator[Event, None, None]:
        """The events of ``model.fit``; ``history`` is filled on the way. Everything is checked here, before the first."""
        epochs = inputs.at_least_one(epochs, "epochs")
        batch_size = inputs.at_least_one(batch_size, "batch_size")
        accumulate = inputs.at_least_one(accumulate, "accumulate")
        method = checked(method, Perturbation | None, "fit", "method")
        policies = checked(policies, tuple[Policy, ...], "fit", "policies")
        in_order(policies)
        for policy in policies:
            policy.check(validated=validation is not None)
        own = self._learnable(data, stage)
        validate = None
        if validation is not None:
            held = inputs.dataset(*validation) if isinstance(validation, tuple) else inputs.dataset(validation)
            other = self.samples(held, "validation data", stage)
            stage.check_values(other.x, other.rows, self.parts.kernels)
            validate = functools.partial(self.inference.evaluate, other, stage)
        train_scores = functools.partial(self.inference.evaluate, own, stage) if exact_training_metrics else None
        counted = weighted(own, class_weight, self.parts, class_names)
        batches = self._batches(counted, stage, batch_size, shuffle=shuffle, augmentation=augmentation)
        sharding = self.sharding(batch_size, deterministic=deterministic)
        step = self._step(sharding.shards) if method is None else PerturbedStep(self.parts, method)
        events: Generator[Event, None, None] = train(
            self.parts,
            step,
            batches,
            epochs,
            accumulate=accumulate,
            validate=validate,
            train_scores=train_scores,
            control=control,
        )
        for policy in policies:
            events = policy.wrap(events, self.parts, history)
        return recorded(events, history, self.parts, sharding)

    def on_batch(self, x: Array, targets: Array, weights: Array) -> float:
        """One step on that batch. Returns the mean loss before the update."""
        parts, sharding = self.parts, self.sharding(len(x))
        rate = parts.updater.rate(Clock(parts.steps + 1))
        with blas.limited(sharding.blas_threads):
            parts.kernels.ready(sharding.team)
            return take_step(parts, self._step(sharding.shards), x, targets, weights, rate, f"step {parts.steps + 1}")

    def find_learning_rate(
        self,
        data: Dataset,
        stage: InputStage,
        *,
        batch_size: int,
        low: float,
        high: float,
        steps: int,
        augmentation: Augmentation | None,
        class_weight: ClassWeight | None,
        class_names: Sequence[str] | None,
    ) -> RateSearch:
        """The range test on that data; nothing is changed."""
        check_range(low, high, steps)
        own = weighted(self._learnable(data, stage), class_weight, self.parts, class_names)
        sharding = self.sharding(inputs.at_least_one(batch_size, "batch_size"))
        batches = self._batches(own, stage, batch_size, shuffle=True, augmentation=augmentation)
        with blas.limited(sharding.blas_threads):
            self.parts.kernels.ready(sharding.team)
            return range_test(self.parts, self._step(sharding.shards), batches, low, high, steps)

    def samples(self, data: Dataset, what: str, stage: InputStage) -> Samples:
        """The data set, checked to fit the network, its input stage and its loss."""
        parts = self.parts
        found = inputs.samples(data, what, stage, parts.input_shape, parts.loss, parts.output_shape)
        inputs.check_token_range(found, stage, parts)
        return found

    def _learnable(self, data: Dataset, stage: InputStage) -> Samples:
        own = self.samples(data, "training data", stage)
        inputs.check_labels(own.targets, self.parts.loss)
        stage.check_values(own.x, own.rows, self.parts.kernels)
        return own

    def _batches(
        self, own: Samples, stage: InputStage, batch_size: int, *, shuffle: bool, augmentation: Augmentation | None
    ) -> Batches:
        return Batches(
            own.x,
            own.targets,
            own.weights,
            rows=own.rows,
            stage=stage,
            augmentation=checked(augmentation, Augmentation | None, "fit", "augmentation"),
            batch_size=batch_size,
            seed=self.parts.seed,
            shuffle=shuffle,
            kernels=self.parts.kernels,
        )

    def _step(self, count: int) -> GradientStep:
        if count not in self._steps:
            self._steps[count] = GradientStep(self.parts, count)
        return self._steps[count]
