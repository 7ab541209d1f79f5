"""The contenders for tables: one file for each kind of estimator, all with their default settings.

A contender here is a module with ``estimator(classifies, seed)``, which returns an estimator that takes a frame of raw columns;
``run(table, seed)``, which fits and scores it (see ``runs``); ``sparse(…)`` if it takes sparse matrices; ``PACKAGES``; and
``describe()``, which says how the columns are prepared for it.
"""

from __future__ import annotations

from benchmarks.session import Contender

#: The packages of each contender, whose versions are recorded. The results of other versions do not count.
PACKAGES: dict[str, tuple[str, ...]] = {
    "pellucid": ("pellucid", "scikit-learn", "numba"),
    "mlp": ("scikit-learn",),
    "hist-gradient-boosting": ("scikit-learn",),
    "xgboost": ("xgboost", "scikit-learn"),
    "lightgbm": ("lightgbm", "scikit-learn"),
    "catboost": ("catboost",),
    "realmlp": ("pytabkit", "torch", "scikit-learn"),
}
#: The contenders that are boosted trees.
TREES = ("hist-gradient-boosting", "xgboost", "lightgbm", "catboost")


def contender(name: str) -> Contender:
    """Return the contender of that name: ``hist-gradient-boosting`` is in ``hist_gradient_boosting.py``."""
    return Contender(name, f"{__name__}.{name.replace('-', '_')}")
