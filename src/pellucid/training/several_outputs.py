"""The outputs of a network that has several, each with its loss, used together like one.

The loss of the network is the weighted sum of the mean losses of its outputs,

    C = Σₖ λₖ Cₖ,  Cₖ = Σ w l / Σ w over the samples and positions of output k.

Targets, weights, outputs and gradients are :class:`~pellucid.core.named_arrays.NamedArrays` by output; sums, means and other
numbers are dictionaries.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from pellucid.core.memory import Array, Shape
from pellucid.core.named_arrays import NamedArrays
from pellucid.errors import ConfigError, DataError, ShapeError
from pellucid.networks.ports import by_name, check_known
from pellucid.training.output import Output, Reading


class SeveralOutputs:
    """The outputs ``parts`` by name, with the factor λ of each in the total loss."""

    def __init__(self, parts: Mapping[str, Output], loss_weights: Mapping[str, float]):
        self.parts = dict(parts)
        self.loss_weights = dict(loss_weights)

    @property
    def shape(self) -> dict[str, Shape]:
        """The shapes of the outputs for one sample."""
        return {name: part.shape for name, part in self.parts.items()}

    @property
    def metric_shape(self) -> dict[str, Shape]:
        """The shapes of the values for the metrics."""
        return {name: part.metric_shape for name, part in self.parts.items()}

    @property
    def positions(self) -> Shape:
        """No positions: those of the outputs differ."""
        return ()

    @property
    def mask_paths(self) -> list[str]:
        """The paths of the layers that skip positions of an output, each once."""
        return list(dict.fromkeys(path for part in self.parts.values() for path in part.mask_paths))

    @property
    def compares_samples(self) -> bool:
        """Whether one of the losses compares the samples of a batch."""
        return any(part.compares_samples for part in self.parts.values())

    @property
    def divergence_limit(self) -> float:
        """The total loss above which a batch has diverged: the largest limit of an output."""
        return max(part.divergence_limit for part in self.parts.values())

    @property
    def interpolates(self) -> dict[str, bool | None]:
        """Whether targets that are maps of pixels are numbers; None for outputs without such maps."""
        return {name: part.interpolates for name, part in self.parts.items()}

    # -- checks of user data --------------------------------------------------------------------------------------

    def targets(self, y: Any, weights: Any = None) -> NamedArrays:
        """Return the targets of each output in the form for :meth:`mean_loss`; see ``Output.targets``.

        ``weights`` is one array for all outputs, or NamedArrays. Raises ShapeError and DataError with the name of the output.
        """
        given = self.by_output(y, "y")
        return NamedArrays(
            {
                name: self._named(name, part.targets, given[name], self._weights_of(name, weights))
                for name, part in self.parts.items()
            }
        )

    def check_weights(self, weights: Any, n: int) -> None:
        """Raise ShapeError unless the weights of each output are (n), or (n, *positions)."""
        if isinstance(weights, NamedArrays):
            check_known(weights, self.parts, "sample_weight", "output", DataError)
        for name, part in self.parts.items():
            if (own := self._weights_of(name, weights)) is not None:
                self._named(name, part.check_weights, own, n)

    def all_weights(self, weights: Any, n: int) -> NamedArrays:
        """Return the weights of each output, in float32: ``weights``, one array for all outputs or NamedArrays, or ones."""
        ones = np.ones(n, np.float32)
        one = ones if weights is None or isinstance(weights, NamedArrays) else np.ascontiguousarray(weights, np.float32)
        given = weights.by_name if isinstance(weights, NamedArrays) else {}
        return NamedArrays(
            {name: np.ascontiguousarray(given[name], np.float32) if name in given else one for name in self.parts}
        )

    def by_output(self, values: Any, what: str) -> dict[str, Any]:
        """Return the arrays by output. Raises DataError for an array, and for missing and unknown names."""
        given = values.by_name if isinstance(values, NamedArrays) else values
        return by_name(given, tuple(self.parts), what, "output", DataError)

    def check_parts(self, weights: NamedArrays, why: str) -> None:
        """Raise ConfigError where the gradients of parts of samples with these weights do not add up to that of their union.

        They do where every output gives a part the same share: each sample has one weight in all of them. ``why`` says what
        adds up the gradients, for the message.
        """
        if reason := self._why_not_in_parts(weights):
            raise ConfigError(
                f"{why}, but with several outputs these do not add up to the gradient of their union: {reason}; train with one "
                "batch for each step, as with Adam() and accumulate=1"
            )

    def _why_not_in_parts(self, weights: NamedArrays) -> str | None:
        first = next(iter(weights.by_name.values()))
        if any(array is not first and not np.array_equal(array, first) for array in weights.by_name.values()):
            return "the weights of the samples differ between the outputs"
        if first.ndim > 1:
            return "the positions of the outputs have weights of their own"
        masked = [part.mask_path for part in self.parts.values() if part.mask_path is not None]
        return f"{masked[0]} skips padding, which differs from sample to sample" if masked else None

    @staticmethod
    def _weights_of(name: str, weights: Any) -> Array | None:
        own: Array | None = weights.by_name.get(name) if isinstance(weights, NamedArrays) else weights
        return own

    @staticmethod
    def _named(name: str, function: Any, *arguments: Any) -> Any:
        try:
            return function(*arguments)
        except (DataError, ShapeError) as error:
            raise type(error)(f"the output {name!r}: {error}") from None

    # -- computation ----------------------------------------------------------------------------------------------

    def step_weights(self, weights: NamedArrays, execution: Reading) -> NamedArrays:
        """Return the weights of the rows of each output after a forward pass."""
        return NamedArrays({name: part.step_weights(weights[name], execution) for name, part in self.parts.items()})

    def row_weights(self, weights: NamedArrays) -> NamedArrays:
        """Return the weights of the rows of each output."""
        return NamedArrays({name: part.row_weights(weights[name]) for name, part in self.parts.items()})

    def total(self, row_weights: NamedArrays) -> dict[str, float]:
        """Return Σ w of each output."""
        return {name: part.total(row_weights[name]) for name, part in self.parts.items()}

    def combined(self, totals: Mapping[str, float]) -> float:
        """Return the weight of a batch among others whose gradients are averaged: Σ w of one output, since all share alike."""
        return next(iter(totals.values()))

    def compute(
        self,
        z: NamedArrays,
        targets: NamedArrays,
        row_weights: NamedArrays,
        scale: float,
        outputs: NamedArrays,
        dz: NamedArrays,
    ) -> dict[str, float]:
        """Return Σ w l of each output, and write the outputs for the metrics; see ``Output.compute``."""
        return {
            name: part.compute(z[name], targets[name], row_weights[name], scale, outputs[name], dz[name])
            for name, part in self.parts.items()
        }

    def mean_loss(
        self,
        z: NamedArrays,
        targets: NamedArrays,
        row_weights: NamedArrays,
        totals: Mapping[str, float],
        outputs: NamedArrays,
        dz: NamedArrays,
    ) -> tuple[float, dict[str, float]]:
        """Return the total loss Σ λ Cₖ and the mean loss Cₖ of each output; dz becomes the gradient of the total loss."""
        means = {}
        for name, part in self.parts.items():
            scale = 1 / totals[name] if totals[name] > 0 else 0.0
            arrays = z[name], targets[name], row_weights[name]
            means[name] = part.compute(*arrays, scale * self.loss_weights[name], outputs[name], dz[name]) * scale
        return self.total_loss(means), means

    def total_loss(self, means: Mapping[str, float]) -> float:
        """Return Σ λ Cₖ for the mean losses Cₖ."""
        return sum(self.loss_weights[name] * mean for name, mean in means.items())

    def apply_head(self, z: NamedArrays, out: NamedArrays) -> None:
        """Write the outputs of the heads for the logits z into ``out``."""
        for name, part in self.parts.items():
            part.apply_head(z[name], out[name])
