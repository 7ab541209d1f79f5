"""The preparation of the columns that networks need that take complete numbers only."""

from __future__ import annotations

from typing import Any

from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

NUMBERS, CATEGORIES = make_column_selector(dtype_include="number"), make_column_selector(dtype_include="category")
#: In the user guide of scikit-learn: "Column Transformer with Mixed Types".
ENCODED = (
    "numbers: the median for missing values, with an indicator, then StandardScaler; "
    "categories: OneHotEncoder, a missing value is a category"
)


def imputer() -> SimpleImputer:
    """Return an imputer that fills in medians and adds an indicator for each column that had missing values."""
    return SimpleImputer(strategy="median", add_indicator=True)


def encoded(network: Any) -> Pipeline:
    """Return a pipeline that turns a frame into standardized numbers and one-hot columns for a network."""
    columns = make_column_transformer(
        (make_pipeline(imputer(), StandardScaler()), NUMBERS),
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), CATEGORIES),
    )
    return make_pipeline(columns, network)
