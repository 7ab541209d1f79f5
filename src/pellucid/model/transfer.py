"""What one model has learned, put into another: the beginning of fine-tuning.

body = trained.network.layers[:-2]                      # all but the last Dense and its Softmax
model = Sequential(Frozen(*body), Dense(2), Softmax()).compile(...)
transfer(trained, model, into="frozen1")
"""

from __future__ import annotations

from pellucid.core.memory import Array
from pellucid.errors import ConfigError, ShapeError
from pellucid.model.model import Model


def transfer(source: Model, target: Model, *, out_of: str = "", into: str = "") -> tuple[str, ...]:
    """Copies parameters and running statistics of ``source`` into ``target``, which is changed: what is called ``dense1.W`` in
    the layer whose path is ``out_of`` goes to ``dense1.W`` in the layer ``into`` (the whole network, if empty), where that has
    one. Returns the target's paths that were filled; what else the target has stays as it was, and so does the source.

    Raises ConfigError where nothing is called the same, ShapeError where what is called the same has another shape; nothing
    is copied then.
    """
    sources, targets = _inside(source, out_of), _inside(target, into)
    found = [name for name in sources if name in targets]
    if not found:
        raise ConfigError(
            f"transfer: nothing fits; {_paths(out_of, 'out_of')} the source has {_some(sources)}, {_paths(into, 'into')} the "
            f"target has {_some(targets)}"
        )
    for name in found:
        if targets[name].shape != sources[name].shape:
            raise ShapeError(
                f"transfer: {name} is {sources[name].shape} in the source and {targets[name].shape} in the target; put the "
                "layers that are to be filled into a Sequential or Frozen of their own, and name that with into=…"
            )
    for name in found:
        targets[name][...] = sources[name]
    return tuple(f"{into}.{name}" if into else name for name in found)


def _inside(model: Model, path: str) -> dict[str, Array]:
    """All arrays of the layer at ``path``, by their names inside it."""
    parts, prefix = model._parts, f"{path}." if path else ""
    arrays = parts.layout.arrays(parts.theta) | parts.state_layout.arrays(parts.state)
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def _paths(path: str, argument: str) -> str:
    return f"inside {argument}={path!r}" if path else "in all"


def _some(names: dict[str, Array]) -> str:
    return ", ".join([*list(names)[:3], *["…"][: len(names) > 3]]) or "nothing"
