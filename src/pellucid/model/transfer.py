"""Transfer of parameters from one model to another, for fine-tuning.

An example::

    body = trained.network.layers[:-2]                      # all but the last Dense and its Softmax
    model = Sequential(Frozen(*body), Dense(2), Softmax()).compile(...)
    transfer(trained, model, into="frozen1")
"""

from __future__ import annotations

from pellucid.core.memory import Array
from pellucid.errors import ConfigError, ShapeError
from pellucid.model.model import Model


def transfer(source: Model, target: Model, *, out_of: str = "", into: str = "") -> tuple[str, ...]:
    """Copy parameters and running statistics of ``source`` into ``target``, and return the paths of the copies in the target.

    ``out_of`` and ``into`` are the paths of two layers, one in each model; an empty path is the whole network. Arrays that have
    the same name inside both layers, such as ``dense1.W``, are copied. Other arrays of the target stay unchanged.

    Raises ConfigError where no name occurs in both, ShapeError where arrays of the same name have different shapes; nothing is
    copied then.
    """
    sources, targets = _arrays_inside(source, out_of), _arrays_inside(target, into)
    common = [name for name in sources if name in targets]
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
    for name in common:
        targets[name][...] = sources[name]
    return tuple(f"{into}.{name}" if into else name for name in common)


def _arrays_inside(model: Model, path: str) -> dict[str, Array]:
    """Return all arrays of the layer at ``path``, by their names inside it."""
    prefix = f"{path}." if path else ""
    return {name.removeprefix(prefix): array for name, array in model.state.arrays().items() if name.startswith(prefix)}


def _where(path: str, argument: str) -> str:
    return f"inside {argument}={path!r}" if path else "in the whole network"


def _first_names(arrays: dict[str, Array]) -> str:
    """Return the first three names, for a message."""
    names = list(arrays)
    return ", ".join([*names[:3], "…"] if len(names) > 3 else names) or "no arrays"
