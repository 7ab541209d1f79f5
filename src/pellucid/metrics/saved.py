"""The running value of a metric as plain values, for checkpoints in the middle of an epoch."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np

from pellucid.core.config import Config
from pellucid.core.plain_values import fits
from pellucid.metrics.base import MetricState

_PLAIN = (bool, int, float, str, np.ndarray, np.generic, list, tuple, dict)


def saved(state: MetricState) -> dict[str, Any]:
    """Return the numbers, arrays, lists and dictionaries in the attributes of a state, and of the states inside it.

    Other attributes, such as functions and settings, are those that ``start`` sets.
    """
    values: dict[str, Any] = {}
    for name, value in _attributes(state):
        if isinstance(value, MetricState):
            values[name] = saved(value)
        elif _is_states(value):
            values[name] = [saved(one) for one in value]
        elif value is None or isinstance(value, _PLAIN) or not _is_setting(value):
            values[name] = value
    return values


def restore(state: MetricState, values: dict[str, Any]) -> None:
    """Set the attributes of a new state to those that :func:`saved` returned.

    Raises KeyError where one is missing, and ValueError for one of another kind than the new state has.
    """
    for name, value in list(_attributes(state)):
        if isinstance(value, MetricState):
            restore(value, values[name])
        elif _is_states(value):
            for one, inner in zip(value, values[name], strict=True):
                restore(one, inner)
        elif value is None or isinstance(value, _PLAIN) or not _is_setting(value):
            if not fits(values[name], value):
                raise ValueError(f"{name} is {str(values[name])[:60]}")
            setattr(state, name, values[name])


def _attributes(state: MetricState) -> Iterator[tuple[str, Any]]:
    for kind in type(state).__mro__:
        for name in getattr(kind, "__slots__", ()):
            if hasattr(state, name):
                yield name, getattr(state, name)
    yield from getattr(state, "__dict__", {}).items()


def _is_states(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and bool(value) and all(isinstance(one, MetricState) for one in value)


def _is_setting(value: Any) -> bool:
    return callable(value) or isinstance(value, (Config, ModuleType))
