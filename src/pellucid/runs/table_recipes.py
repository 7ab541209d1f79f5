"""The preset ``table``: the recipe for tables, for a training set."""

from __future__ import annotations

import dataclasses

from pellucid.data import Dataset
from pellucid.networks import Composite
from pellucid.recipes.tables import BATCH_SIZE, MIN_BATCH_OF_MEMBERS, Answer, fit_options, table_network, table_optimizer
from pellucid.runs.mlp import MLP
from pellucid.runs.recipe import Recipe


def for_table(recipe: Recipe, data: Dataset) -> Recipe:
    """Return the recipe with the network, the rates and the number of epochs of the recipe for tables.

    A network with the widths of an :class:`~pellucid.runs.mlp.MLP` becomes that of the recipe with these widths, any other one
    remains. Data whose samples are not rows leave the recipe as it is.
    """
    if len(data.shape) != 1:
        return recipe
    y = data.source_y
    answer: Answer = "numbers" if data.classes is None else "classes"
    outputs = (1 if y.ndim == 1 else y.shape[1]) if data.classes is None else len(data.classes)
    columns = () if data.origin is None else data.origin.columns or ()
    kinds = [kind for column in columns for kind in column.kinds] or ["number"] * data.shape[0]
    if isinstance(recipe.network, MLP):
        rows = len(data) if (recipe.fit.batch_size or BATCH_SIZE) >= MIN_BATCH_OF_MEMBERS else None
        network = table_network(rows, kinds, answer, outputs, recipe.network.hidden)
    else:
        network = recipe.network(outputs)
    return dataclasses.replace(
        recipe,
        network=_Fixed(network),
        optimizer=table_optimizer(network, len(kinds), answer),
        fit=fit_options(len(data), validated=True),
    )


@dataclasses.dataclass(frozen=True)
class _Fixed:
    """A network whose outputs are known already."""

    network: Composite

    def __call__(self, outputs: int) -> Composite:
        return self.network
