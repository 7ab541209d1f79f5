"""The input stage of tables: robust scaling with a smooth limit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from pellucid.core.memory import Array
from pellucid.data.series.layout import SeriesLayout
from pellucid.data.tables.columns import MISSING, NUMBER, VALUE, Column, TableStage
from pellucid.errors import ConfigError, DataError, did_you_mean
from pellucid.kernels import Kernels

LIMIT = 3.0  # of the absolute value of a scaled number
CONSTANT = 1e300  # the scale of a number that is always the same: every finite difference becomes 0 in float32
MAX_ROWS = 1 << 18  # rows that the quantiles are computed from; of more, evenly spaced ones
_BLOCK = 1 << 24  # values that are sorted together


@dataclass(frozen=True)
class RobustScaling(TableStage):
    """The input stage of tables: z = (x − center) / scale and x' = z / √(1 + (z/3)²) for the numbers of a row.

    ``center`` is the median of the training set and ``scale`` the distance of its quartiles. If these are equal, it is half of
    the range; if all values are equal, x' is 0. The smooth limit keeps z where it is small, and no number is beyond ±3
    (Holzmüller, Grinsztajn and Steinwart, 2024, "Better by default: strong pre-tuned MLPs and boosted trees on tabular data").
    So outliers change neither the scale nor the training much. Other values (0 and 1, codes) stay as they are: center 0, scale
    1.

    A missing value (NaN) becomes 0, the median, if ``missing`` is "value"; otherwise it raises DataError. The other settings
    are those of :class:`~pellucid.data.tables.columns.TableStage`.
    """

    columns: tuple[Column, ...]
    center: tuple[float, ...]
    scale: tuple[float, ...]
    missing: str = VALUE
    target: str = "target"
    header: bool | None = None
    targets: tuple[Column, ...] = field(default=(), metadata={"optional": True})

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_statistics(center=self.center, scale=self.scale)
        if self.missing not in MISSING or self.missing == "mean":
            known = [one for one in MISSING if one != "mean"]
            raise ConfigError(f"RobustScaling(missing={self.missing!r}): {did_you_mean(self.missing, known)}")

    @property
    def series(self) -> SeriesLayout | None:
        return None

    @property
    def middle(self) -> tuple[float, ...]:
        return self.center

    @property
    def spread(self) -> tuple[float, ...]:
        return self.scale

    @cached_property
    def _statistics(self) -> tuple[Array, Array, Array]:
        return np.asarray(self.center), np.asarray(self.scale), np.asarray(self.limits)

    @property
    def limits(self) -> tuple[float, ...]:
        """The limit of each value of a row: 3 for numbers, infinity for the others."""
        return tuple(LIMIT if kind == NUMBER else np.inf for kind in self.value_kinds)

    def transform(self, x: Array, rows: Array | slice, out: Array, kernels: Kernels) -> Array:
        center, scale, limits = self._statistics
        # In float64: a year or a time stamp is large compared with its scale.
        values = (x[rows] - center) / scale
        if self.missing == VALUE:
            values[np.isnan(values)] = 0
        with np.errstate(invalid="ignore"):  # infinity becomes NaN and raises DataError below
            values /= np.hypot(1.0, values / limits)
        out[...] = values
        self._check_finite(out, rows, kernels)
        return out


def fit_robust_scaling(
    columns: Sequence[Column],
    x: Array,
    rows: Array | None = None,
    missing: str = VALUE,
    target: str = "target",
    header: bool | None = None,
    targets: tuple[Column, ...] = (),
    weights: Array | None = None,
) -> RobustScaling:
    """Return the input stage with the medians and quartiles of the training samples x (m, d), or of their ``rows``.

    A sample of weight w counts like w samples. Missing values do not count. Of more than 2¹⁸ rows, evenly spaced ones are used.
    Raises DataError for a column without any value.
    """
    n = len(x) if rows is None else len(rows)
    chosen = np.arange(n) if n <= MAX_ROWS else np.linspace(0, n - 1, MAX_ROWS).astype(np.int64)
    source = chosen if rows is None else rows[chosen]
    w = None if weights is None else np.asarray(weights, np.float64)[chosen]
    kinds = [kind for column in columns for kind in column.kinds]
    center, scale = np.zeros(len(kinds)), np.ones(len(kinds))
    numbers = [i for i, kind in enumerate(kinds) if kind == NUMBER]
    at_once, empty = max(1, _BLOCK // len(source)), []
    for start in range(0, len(numbers), at_once):
        part = numbers[start : start + at_once]
        block = np.asarray(x[:, part] if n == len(x) and n <= MAX_ROWS and rows is None else x[source][:, part], np.float64)
        for i, values in zip(part, block.T, strict=True):
            middle, spread = _middle_and_spread(values, w)
            if np.isnan(middle):
                empty.append(i)
            else:
                center[i], scale[i] = middle, spread
    names = [name for column in columns for name in column.names]
    if empty and missing != VALUE:
        raise DataError(f"the training data has no value in {', '.join(names[i] for i in empty)}: leave the column out")
    scale[empty] = CONSTANT
    statistics = tuple(center.tolist()), tuple(scale.tolist())
    return RobustScaling(tuple(columns), *statistics, missing, target, header, targets)


def _middle_and_spread(values: Array, weights: Array | None) -> tuple[float, float]:
    """Return the median and the scale of the finite ``values`` (n); NaN if there are none."""
    known = np.isfinite(values)
    order = np.argsort(values[known], kind="stable")
    v = values[known][order]
    if not len(v):
        return np.nan, np.nan
    total = np.arange(1.0, len(v) + 1) if weights is None else np.cumsum(weights[known][order])
    low, middle, high = (_quantile(v, total, q) for q in (0.25, 0.5, 0.75))
    for first, last, share in ((low, high, 1.0), (v[0], v[-1], 0.5)):
        if last - first > 1e-12 * max(abs(first), abs(last)):  # a smaller distance is a rounding error
            return middle, float(share * (last - first))
    return middle, CONSTANT


def _quantile(values: Array, total: Array, q: float) -> float:
    """Return the q-quantile of sorted ``values``, whose weights have the running ``total``.

    It is the smallest value at or below which is the share q of the weight, or its mean with the next value where the share is
    exactly q. So a sample of weight 2 and two equal samples have the same quantiles.
    """
    share = q * total[-1]
    first = min(int(np.searchsorted(total, share, "left")), len(values) - 1)
    second = min(int(np.searchsorted(total, share, "right")), len(values) - 1)
    return float((values[first] + values[second]) / 2)
