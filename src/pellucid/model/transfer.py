"""Transfer of parameters from one model to another, for fine-tuning.

An example::

    body = trained.network.layers[:-2]                      # all but the last Dense and its Softmax
    model = Sequential(Frozen(*body), Dense(2), Softmax()).compile(...)
    transfer(trained, model, into="frozen1")
"""

from __future__ import annotations

from collections.abc import Collection

from pellucid.core.memory import Array, Shape
from pellucid.errors import ConfigError, ShapeError
from pellucid.layers import Flatten, Reshape
from pellucid.model.model import Model
from pellucid.model.summary import rows_of


def transfer(source: Model, target: Model, *, out_of: str = "", into: str = "", new: Collection[str] = ()) -> tuple[str, ...]:
    """Copy parameters and running statistics of ``source`` into ``target``, and return the paths of the copies in the target.

    ``out_of`` and ``into`` are the paths of two layers, one in each model; an empty path is the whole network. Arrays that have
    the same name inside both layers, such as ``dense1.W``, are copied. Other arrays of the target stay unchanged, and so do
    those of the layers in ``new``, which are paths inside ``into``: an output layer for other classes, for example.

    Raises ConfigError where no name occurs in both, ShapeError where arrays of the same name have different shapes or read
    flattened images of another size, such as 48 by 64 instead of 64 by 48; nothing is copied then.
    """
    sources, targets = _arrays_inside(source, out_of), _arrays_inside(target, into)
    common = [name for name in sources if name in targets and not any(name.startswith(f"{path}.") for path in new)]
    if not common:
        raise ConfigError(
            f"transfer: no array has the same name in both models; the source has {_first_names(sources)} "
            f"{_where(out_of, 'out_of')}, the target {_first_names(targets)} {_where(into, 'into')}"
        )
    for name in common:
        if targets[name].shape != sources[name].shape:
            raise ShapeError(
                f"transfer: {name} has the shape {sources[name].shape} in the source and {targets[name].shape} in the target; "
                "put the layers that receive parameters into a separate Sequential or Frozen, and give its path as into=…"
            )
    flattened, expected = _flattened_shapes(source), _flattened_shapes(target)
    for name in common:
        ours, theirs = flattened.get(_layer_of(out_of, name)), expected.get(_layer_of(into, name))
        if ours != theirs and ours is not None and theirs is not None:
            here, there = (" and ".join(map(str, shapes)) for shapes in (ours, theirs))
            raise ShapeError(
                f"transfer: {name} reads flattened samples of the shape {here} (height, width, …) in the source and {there} in "
                "the target, so the same weight would read another place; compile the target for samples of the shape "
                f"{source.input_shape}"
            )
    for name in common:
        targets[name][...] = sources[name]
    return tuple(f"{into}.{name}" if into else name for name in common)


def _arrays_inside(model: Model, path: str) -> dict[str, Array]:
    """Return all arrays of the layer at ``path``, by their names inside it."""
    prefix = f"{path}." if path else ""
    return {name.removeprefix(prefix): array for name, array in model.state.arrays().items() if name.startswith(prefix)}


def _layer_of(path: str, name: str) -> str:
    """Return the path in the model of the layer that has the array ``name``, a name inside the layer at ``path``."""
    inside = name.rpartition(".")[0]
    return f"{path}.{inside}" if path and inside else path or inside


def _flattened_shapes(model: Model) -> dict[str, tuple[Shape, ...]]:
    """Return, for each layer that reads flattened samples, their shapes before they were flattened.

    Between Flatten and that layer there may be layers without parameters.
    """
    rows = {row.path: row for row in rows_of(model.network, model.input_shape)}
    before: dict[str, tuple[Shape, ...]] = {}  # for each layer, the shapes that were flattened into its output
    found: dict[str, tuple[Shape, ...]] = {}
    for path, row in rows.items():
        read = tuple(shape for name in row.reads for shape in before[name])
        if read:
            found[path] = read
        if isinstance(row.layer, (Flatten, Reshape)) and len(row.shape) == 1:  # a Reshape to images mixes no places
            before[path] = (rows[row.reads[0]].shape,)
        else:
            before[path] = () if row.parameters or row.shared else read
    return found


def _where(path: str, argument: str) -> str:
    return f"inside {argument}={path!r}" if path else "in the whole network"


def _first_names(arrays: dict[str, Array]) -> str:
    """Return the first three names, for a message."""
    names = list(arrays)
    return ", ".join([*names[:3], "…"] if len(names) > 3 else names) or "no arrays"
