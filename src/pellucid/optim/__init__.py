"""Optimizers: rules, what may stand before and behind them, and schedules; small pieces on flat vectors that know no layers."""

from pellucid.core import lazy

__getattr__, __dir__, __all__ = lazy.attach(__name__, __file__)
