"""The scikit-learn regressor (``NetworkRegressor``)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils.validation import column_or_1d

from pellucid.core.memory import Array
from pellucid.data.dataset import Dataset
from pellucid.data.tables.target_scale import suits_logarithms
from pellucid.errors import DataError
from pellucid.layers import Identity, Layer
from pellucid.recipes.tables import Answer
from pellucid.sklearn.base import NetworkEstimator
from pellucid.sklearn.preprocessing import mean_and_deviation


@dataclass(eq=False, repr=False, kw_only=True)
class NetworkRegressor(RegressorMixin, NetworkEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """A neural network that predicts numbers, trained with the mean squared error, as a scikit-learn estimator.

    y is (n) or (n, k). The network is trained on y standardized to mean 0 and deviation 1, whatever its unit
    (``target_mean_``, ``target_scale_``). Losses are in this scale; predictions are in the unit of y.

    Parameters and attributes are those of :class:`~pellucid.sklearn.NetworkClassifier`, without ``class_weight`` and
    ``classes_``, and in addition:

    Parameters
    ----------
    logarithm : whether the logarithms of y are learned, which must then be above 0, and their exponentials predicted; None for
        targets that are positive and skewed to the right, and whose logarithms are not (``logarithm_``), such as prices.

    A network in ``hidden`` whose last layer is Identity() is used unchanged.
    """

    logarithm: bool | None = None

    def _check_data(self, X: Any, y: Any, first: bool) -> tuple[Array, Array]:
        x, y = self._checked(X, y, first, multi_output=True, y_numeric=True)
        y = column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y
        return x, y.astype(np.float64, copy=False)

    def _encode_targets(self, y: Array) -> Array:
        return y.reshape(len(y), -1)

    @property
    def _answer(self) -> Answer:
        return "numbers"

    def _allowed_heads(self) -> dict[type[Layer], int]:
        return {Identity: len(self.target_mean_)}

    def _fit_target_form(self, t: Array, w: Array | None) -> None:
        self.logarithm_ = all(suits_logarithms(values, w) for values in t.T) if self.logarithm is None else self.logarithm

    def _fit_target_scale(self, data: Dataset) -> None:
        y, w = np.asarray(data.y), data.sample_weight
        self.target_mean_, self.target_scale_ = mean_and_deviation(self._in_logarithms(y), w)

    def _scale_targets(self, t: Array) -> Array:
        return (self._in_logarithms(t) - self.target_mean_) / self.target_scale_

    def _in_logarithms(self, t: Array) -> Array:
        """Return the targets, or their logarithms if these are learned. Raises DataError for targets that have none."""
        if not self.logarithm_:
            return t
        if t.min() <= 0:
            raise DataError(
                f"NetworkRegressor: y has the value {t.min():g}, and logarithms are learned, of numbers above 0: set "
                "logarithm=False"
            )
        return np.log(t)

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> NetworkRegressor:
        """Make one pass over X and y in batches, continuing the training so far, and return the estimator.

        The samples of the first call determine how inputs and targets are standardized.
        """
        fitted: NetworkRegressor = self._partial_fit(X, y, sample_weight)
        return fitted

    def predict(self, X: Any) -> Array:
        """Return the predictions (n) or (n, k), in the unit of y."""
        outputs = self._outputs(X)
        y = self.target_mean_ + self.target_scale_ * outputs
        y = np.exp(y) if self.logarithm_ else y
        return y[:, 0] if y.shape[1] == 1 else y

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
