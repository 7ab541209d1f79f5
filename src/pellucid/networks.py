"""Networks: layers made of layers.

A composite is a layer like any other, so networks nest. It names the layers inside by kind and number (``dense1``,
``relu1``, ``dense2``): these names make the paths of slots (``dense2.W``), and inserting an activation renames no
weights. ``fused`` gives the form that training runs, in which neighbours that can work in one pass do so, under the
same names; summary, configuration and files know only the form that was written.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pellucid.errors import ShapeError
from pellucid.layers.base import Built, Layer
from pellucid.layers.context import Context
from pellucid.memory import Array, Shape, Slot, Views

if TYPE_CHECKING:  # for Sequential.compile, the one place where a lower file knows a higher one
    from pellucid.data.stage import InputStage
    from pellucid.losses import Loss
    from pellucid.metrics import Metric
    from pellucid.model import Model
    from pellucid.optim import Optimizer

Steps = tuple[tuple[str, Layer], ...]  # (name, layer), in order


def named(layers: tuple[Layer, ...]) -> Steps:
    """The layers with their names, by kind and number: dense1, relu1, dense2, …"""
    seen: Counter[str] = Counter()
    steps = []
    for layer in layers:
        kind = type(layer).__name__.lower().lstrip("_")
        seen[kind] += 1
        steps.append((f"{kind}{seen[kind]}", layer))
    return tuple(steps)


class Composite(Layer, ABC):
    """A layer made of layers."""

    @abstractmethod
    def inside(self) -> Steps:
        """The layers inside with their names."""

    @abstractmethod
    def fused(self) -> Layer:
        """The same function in fewer passes; slots and names are the same."""


class _InSequence(Composite, ABC):
    """One layer behind the other: Yₖ = Xₖ₊₁, and back dC/dXₖ₊₁ = dC/dYₖ."""

    def build(self, shape: Shape) -> Built:
        slots: dict[str, Slot] = {}
        multiply_adds = 0
        for name, layer in self.inside():
            try:
                built = layer.build(shape)
            except ShapeError as error:
                raise ShapeError(f"{name}: {error}") from None
            shape = built.shape
            multiply_adds += built.multiply_adds
            slots.update({f"{name}.{slot}": what for slot, what in built.slots.items()})
        return Built(shape, slots, multiply_adds)

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        needs_dx = ctx.needs_dx
        for name, layer in self.inside():
            x = ctx.forward(name, layer, p, x, needs_dx)
            needs_dx = needs_dx or bool(p[name])  # from here on something upstream learns
        return x

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        for name, layer in reversed(self.inside()):
            dx = ctx.backward(name, layer, p, g, dy)
            if dx is None:  # nobody before this layer learns
                return None
            dy = dx
        return dy

    def fused(self) -> Layer:
        steps: list[tuple[str, Layer]] = []
        for name, layer in self.inside():
            layer = layer.fused() if isinstance(layer, Composite) else layer
            both = steps[-1][1].absorb(layer) if steps else None
            if both is None:
                steps.append((name, layer))
            else:  # the name of the first: it is the one with the slots
                steps[-1] = (steps[-1][0], both)
        return _Fused(tuple(steps))


@dataclass(frozen=True, init=False)
class Sequential(_InSequence):
    """Layers one behind the other: ``Sequential(Flatten(), Dense(32), ReLU(), Dense(10), Softmax())``."""

    layers: tuple[Layer, ...]

    def __init__(self, *layers: Layer):
        object.__setattr__(self, "layers", layers)
        self.__post_init__()
        object.__setattr__(self, "_steps", named(self.layers))

    def inside(self) -> Steps:
        steps: Steps = self._steps  # type: ignore[attr-defined]
        return steps

    def compile(
        self,
        input_shape: Sequence[int],
        loss: Loss,
        optimizer: Optimizer | None = None,
        metrics: Iterable[Metric] = (),
        seed: int = 0,
        classes: Sequence[str] | None = None,
        input_stage: InputStage | None = None,
    ) -> Model:
        """A :class:`~pellucid.model.Model` of this network: see there for the arguments. The default optimizer is Adam."""
        from pellucid.model import Model

        return Model(
            self,
            input_shape,
            loss=loss,
            optimizer=optimizer,
            metrics=metrics,
            seed=seed,
            classes=classes,
            input_stage=input_stage,
        )

    def __repr__(self) -> str:
        return f"Sequential({', '.join(repr(layer) for layer in self.layers)})"


@dataclass(frozen=True)
class _Fused(_InSequence):
    """A sequence as training runs it: fused layers under the names of the original."""

    steps: tuple[tuple[str, Layer], ...]

    def inside(self) -> Steps:
        return self.steps


def fused(layer: Layer) -> Layer:
    """The form of a network that training runs."""
    return layer.fused() if isinstance(layer, Composite) else layer


def primitives(layer: Layer, path: str = "") -> Steps:
    """All layers that are not composites, in order, with their paths."""
    if not isinstance(layer, Composite):
        return ((path, layer),)
    prefix = f"{path}." if path else ""
    return tuple(step for name, inner in layer.inside() for step in primitives(inner, prefix + name))


def in_line(layer: Layer) -> tuple[Layer, ...]:
    """The layers one behind the other, nested Sequentials opened; other composites count as one layer."""
    if not isinstance(layer, Sequential):
        return (layer,)
    return tuple(inner for one in layer.layers for inner in in_line(one))


def without_last(layer: Layer) -> Layer:
    """The network without the last of its layers :func:`in_line`."""
    if not isinstance(layer, Sequential) or not layer.layers:
        return Sequential()
    last = layer.layers[-1]
    if isinstance(last, Sequential):
        return Sequential(*layer.layers[:-1], without_last(last))
    return Sequential(*layer.layers[:-1])
