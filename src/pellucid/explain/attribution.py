"""An attribution: one number for each number of the input, that says what it did for the output.

The numbers of a *complete* attribution add up to what there is to explain, the output at the sample less the output where
nothing is seen, so nothing is left out and nothing counted twice:

    Σᵢ φᵢ = f(x) − f(baseline)

For integrated gradients and Shapley values this is a theorem; for expected gradients it holds on average over the draws.
What is missing then comes of a finite number of steps, and tells whether there were enough. Saliency and occlusion promise
nothing of the kind; theirs is shown all the same, as the measure of how much of the output they leave unexplained.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pellucid.core.memory import Array


@dataclass(frozen=True, eq=False)
class Attribution:
    """What a ``method`` says of n samples.

    - ``values`` (n, *input shape): the share of each number of the input, in units of the output; for "saliency" in units
      of the output for each unit of the scaled input.
    - ``output`` (n): what is explained, f(x): the logit or output of the class ``target`` (n), less that of ``against``
      (n), where one is named.
    - ``baseline_output`` (n): the same where nothing is seen: at the baseline, or on average over the background.
    - ``complete``: whether completeness is a theorem of the method (for expected gradients: on average over the draws).
    """

    method: str
    values: Array
    output: Array
    baseline_output: Array
    target: Array
    against: Array | None
    complete: bool

    @property
    def explained(self) -> Array:
        """(n): what there is to explain, f(x) − f(baseline)."""
        difference: Array = self.output - self.baseline_output
        return difference

    @property
    def completeness_error(self) -> Array:
        """(n): |Σᵢ φᵢ − (f(x) − f(baseline))|, in units of the output."""
        sums = self.values.sum(axis=tuple(range(1, self.values.ndim)), dtype=np.float64)
        return np.abs(sums - self.explained)

    @property
    def relative_error(self) -> Array:
        """(n): the completeness error as a fraction of |f(x) − f(baseline)|; infinite where there is nothing to explain
        and something is said all the same."""
        error, whole = self.completeness_error, np.abs(self.explained)
        nothing = np.where(error > 0, np.inf, 0.0)
        return np.divide(error, whole, out=nothing, where=whole > 0)

    def _repr_html_(self) -> str:
        from pellucid.explain import shown

        return shown.attribution(self)
