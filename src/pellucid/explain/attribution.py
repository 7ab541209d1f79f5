"""An attribution: for each value of the input, its contribution to the output.

The values of a *complete* attribution add up to the difference between the output at the sample and the output at the
baseline, the input that carries no information:

    Σᵢ φᵢ = f(x) − f(baseline)

For integrated gradients, DeepLIFT and Shapley values this is a theorem; for expected gradients it holds on average over the
random draws. With a finite number of steps or draws an error remains, which shows whether there were enough. Saliency,
Grad-CAM and occlusion are not complete. Their error shows how much of the output they do not explain.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pellucid.core.memory import Array
from pellucid.explain.output_position import Position, described
from pellucid.notebook.attributions import attribution_view


@dataclass(frozen=True, eq=False)
class Attribution:
    """The result of an attribution ``method`` for n samples.

    - ``values`` (n, *input shape): the contribution of each value of the input, in units of the output; for "saliency" in
      units of the output per unit of the scaled input.
    - ``output`` (n): the explained output f(x): the logit or output of the class ``target`` (n), minus that of the class
      ``against`` (n) if one was given.
    - ``baseline_output`` (n): f at the baseline, or the mean of f over the background.
    - ``complete``: whether completeness is a theorem of the method (for expected gradients, on average over the draws).
    - ``position``: the position of the output that is explained, as it was given; None for a network that ends in a vector.
    - ``layers`` (n): for Grad-CAM the path of the layer that each sample's values are from; otherwise None.
    """

    method: str
    values: Array
    output: Array
    baseline_output: Array
    target: Array
    against: Array | None
    complete: bool
    position: Position | None = None
    layers: tuple[str, ...] | None = None

    @property
    def explained(self) -> Array:
        """(n): the difference to explain, f(x) − f(baseline)."""
        difference: Array = self.output - self.baseline_output
        return difference

    @property
    def completeness_error(self) -> Array:
        """(n): |Σᵢ φᵢ − (f(x) − f(baseline))|, in units of the output."""
        sums = self.values.sum(axis=tuple(range(1, self.values.ndim)), dtype=np.float64)
        return np.abs(sums - self.explained)

    @property
    def relative_error(self) -> Array:
        """(n): the completeness error as a fraction of |f(x) − f(baseline)|.

        If that difference is 0, the relative error is 0 if the values also add up to 0, and infinite otherwise.
        """
        error, difference = self.completeness_error, np.abs(self.explained)
        without_difference = np.where(error > 0, np.inf, 0.0)
        return np.divide(error, difference, out=without_difference, where=difference > 0)

    def _repr_html_(self) -> str:
        return attribution_view(
            self.method + described(self.position),
            self.values,
            self.output,
            self.baseline_output,
            self.completeness_error,
            self.target,
            self.against,
        )
