"""The regressor."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils.validation import column_or_1d, validate_data

from pellucid.core.memory import Array
from pellucid.data.dataset import Dataset
from pellucid.layers import Identity, Layer
from pellucid.sklearn.base import NetworkEstimator
from pellucid.sklearn.tables import figures


class NetworkRegressor(RegressorMixin, NetworkEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """A neural network that predicts numbers, by their mean squared error, as a scikit-learn estimator.

    y is (n) or (n, k). The network learns y in units of its standard deviation around its mean (``target_mean_``,
    ``target_scale_``), so that no unit is too large or too small; losses are in these units, predictions in those of y.
    Parameters and attributes are those of :class:`~pellucid.sklearn.NetworkClassifier`, without the classes; a network of your
    own is taken whole where its last layer is Identity().
    """

    def _checked_data(self, X: Any, y: Any, fresh: bool) -> tuple[Array, Array]:
        x, y = validate_data(self, X, y, reset=fresh, multi_output=True, y_numeric=True)
        y = column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y
        return x, y.astype(np.float64, copy=False)

    def _encoded(self, y: Array) -> Array:
        return y.reshape(len(y), -1)

    def _heads(self) -> dict[type[Layer], int]:
        return {Identity: len(self.target_mean_)}

    def _learn_scale(self, data: Dataset) -> None:
        self.target_mean_, self.target_scale_ = figures(np.asarray(data.y), data.sample_weight)

    def _aims(self, t: Array) -> Array:
        return (t - self.target_mean_) / self.target_scale_

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> NetworkRegressor:
        """One pass over X and y in batches, from where training stands; the first call fixes, with its samples, how input and
        targets are standardized. Returns the estimator."""
        fitted: NetworkRegressor = self._partial_fit(X, y, sample_weight)
        return fitted

    def predict(self, X: Any) -> Array:
        """The predictions (n) or (n, k), in the unit of y."""
        outputs = self._outputs(X)
        y = self.target_mean_ + self.target_scale_ * outputs
        return y[:, 0] if y.shape[1] == 1 else y

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
