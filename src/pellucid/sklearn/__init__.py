"""scikit-learn estimators: networks that work in pipelines, parameter searches and all other tools for estimators.

    from pellucid.sklearn import NetworkClassifier, NetworkRegressor, TextClassifier

They follow scikit-learn's rules for estimators and pass its ``check_estimator``.
"""

from __future__ import annotations

try:
    from pellucid.sklearn.classifier import NetworkClassifier
    from pellucid.sklearn.regressor import NetworkRegressor
    from pellucid.sklearn.text import TextClassifier
except ImportError as error:
    raise ImportError(f"pellucid.sklearn needs scikit-learn 1.6 or later: pip install 'pellucid[sklearn]' ({error})") from error

__all__ = ["NetworkClassifier", "NetworkRegressor", "TextClassifier"]
