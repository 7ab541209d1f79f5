"""The scikit-learn regressor (``NetworkRegressor``)."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils.validation import column_or_1d

from pellucid.core.memory import Array
from pellucid.data.dataset import Dataset
from pellucid.layers import Identity, Layer
from pellucid.sklearn.base import NetworkEstimator
from pellucid.sklearn.preprocessing import mean_and_deviation


class NetworkRegressor(RegressorMixin, NetworkEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """A neural network that predicts numbers, trained with the mean squared error, as a scikit-learn estimator.

    y is (n) or (n, k). The network is trained on y standardized to mean 0 and deviation 1, whatever its unit
    (``target_mean_``, ``target_scale_``). Losses are in this scale; predictions are in the unit of y.

    Parameters and attributes are those of :class:`~pellucid.sklearn.NetworkClassifier`, without ``class_weight`` and
    ``classes_``. A network in ``hidden`` whose last layer is Identity() is used unchanged.
    """

    def _check_data(self, X: Any, y: Any, first: bool) -> tuple[Array, Array]:
        x, y = self._checked(X, y, first, multi_output=True, y_numeric=True)
        y = column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y
        return x, y.astype(np.float64, copy=False)

    def _encode_targets(self, y: Array) -> Array:
        return y.reshape(len(y), -1)

    def _allowed_heads(self) -> dict[type[Layer], int]:
        return {Identity: len(self.target_mean_)}

    def _fit_target_scale(self, data: Dataset) -> None:
        self.target_mean_, self.target_scale_ = mean_and_deviation(np.asarray(data.y), data.sample_weight)

    def _scale_targets(self, t: Array) -> Array:
        return (t - self.target_mean_) / self.target_scale_

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
        return y[:, 0] if y.shape[1] == 1 else y

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
