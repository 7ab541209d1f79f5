"""Dropout and weight decay of a recipe, changed by the settings of a run."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pellucid.core.config import from_json, to_json
from pellucid.errors import ConfigError
from pellucid.layers import AlphaDropout, Dropout, Layer
from pellucid.networks import Composite
from pellucid.optim import Chain, Decay, Optimizer, rule_of
from pellucid.optim.chain import components_of, rates_of
from pellucid.runs.mlp import MLP
from pellucid.runs.recipe import Recipe

KINDS = (Dropout.__name__, AlphaDropout.__name__)


@dataclass(frozen=True)
class WithDropout:
    """The ``network`` of a recipe, in which all layers of dropout have another ``rate``.

    Raises ConfigError for a network without one; ``name`` is that of its model.
    """

    network: Callable[[int], Composite]
    rate: float
    name: str

    def __call__(self, outputs: int) -> Composite:
        form = to_json(self.network(outputs))
        if not _set_rates(form, self.rate):
            raise ConfigError(f"--dropout {self.rate:g}: the network of {self.name} has no layer of dropout; leave it out")
        changed = from_json(form, Layer)
        assert isinstance(changed, Composite)
        return changed


def _set_rates(form: Any, rate: float) -> int:
    """Set the rate of every layer of dropout in the JSON form of a network, and return their number."""
    if isinstance(form, list):
        return sum(_set_rates(one, rate) for one in form)
    if not isinstance(form, dict):
        return 0
    count = sum(_set_rates(one, rate) for one in form.values())
    if form.get("class") in KINDS:
        form["rate"] = rate
        count += 1
    return count


def with_dropout(recipe: Recipe, rate: float, name: str) -> Recipe:
    """Return the recipe, called ``name``, with another rate of dropout.

    An MLP has dropout after each hidden layer then; of other networks, all layers of dropout that they have get the rate.
    Raises ConfigError for a rate that is not from 0 to below 1, and for a network without dropout.
    """
    if not 0 <= rate < 1:
        raise ConfigError(f"--dropout {rate:g}: expected a rate from 0 to below 1, such as 0.2")
    if isinstance(recipe.network, MLP):
        if not recipe.network.hidden:
            raise ConfigError(f"--dropout {rate:g}: this network has no hidden layer to apply it to; leave it out")
        network = dataclasses.replace(recipe.network, dropout=(recipe.network.dropout[0], rate))
        return dataclasses.replace(recipe, network=network)
    changed = WithDropout(recipe.network, rate, name)
    changed(10)  # raises ConfigError for a network without dropout
    return dataclasses.replace(recipe, network=changed)


def with_decay(optimizer: Optimizer, strength: float) -> Optimizer:
    """Return the optimizer with decoupled weight decay of this strength, in place of that which it has.

    Raises ConfigError for a strength below 0, and for a rule without a learning rate.
    """
    if not 0 <= strength < float("inf"):
        raise ConfigError(f"--decay {strength:g}: expected a number of at least 0, such as 0.01")
    if rule_of(optimizer).full_batch:
        raise ConfigError(f"--decay {strength:g}: {rule_of(optimizer)} has no decoupled weight decay; leave --decay out")
    components, decay = components_of(optimizer), Decay(strength)
    if any(isinstance(one, Decay) for one in components):
        components = tuple(decay if isinstance(one, Decay) else one for one in components)
    else:
        place = components.index(rule_of(optimizer))
        components = (*components[:place], decay, *components[place:])
    return Chain(*components, rates=rates_of(optimizer))
