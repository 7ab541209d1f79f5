"""Transfer of parameters from one model to another, for fine-tuning.

body = trained.network.layers[:-2]                      # all but the last Dense and its Softmax
model = Sequential(Frozen(*body), Dense(2), Softmax()).compile(...)
transfer(trained, model, into="frozen1")
"""

from __future__ import annotations

from pellucid.core.memory import Array
from pellucid.errors import ConfigError, ShapeError
from pellucid.model.model import Model


def transfer(source: Model, target: Model, *, out_of: str = "", into: str = "") -> tuple[str, ...]:
    """Copy parameters and running statistics of ``source`` into ``target``, and return the paths in the target.

    The array ``dense1.W`` of the source's layer at the path ``out_of`` goes to ``dense1.W`` of the target's layer at the path
    ``into``, if that has such an array; an empty path is the whole network. Other arrays of the target stay unchanged.

    Raises ConfigError where no name occurs in both, ShapeError where arrays of the same name have different shapes; nothing is
    copied then.
    """
    sources, targets = _arrays_inside(source, out_of), _arrays_inside(target, into)
    common = [name for name in sources if name in targets]
    if not common:
        raise ConfigError(
            f"transfer: no array has the same name in both models; the source has {_listed(sources)} "
            f"{_where(out_of, 'out_of')}, the target {_listed(targets)} {_where(into, 'into')}"
        )
    for name in common:
        if targets[name].shape != sources[name].shape:
            raise ShapeError(
                f"transfer: {name} has the shape {sources[name].shape} in the source and {targets[name].shape} in the target; "
                "put the layers to be filled into a Sequential or Frozen of their own, and give its path as into=…"
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


def _listed(names: dict[str, Array]) -> str:
    return ", ".join([*list(names)[:3], *["…"][: len(names) > 3]]) or "nothing"
