"""The base classes of layers: frozen dataclasses of settings with three methods.

``build`` computes the output's shape and the slots that the layer needs, ``forward`` computes Y from X, and ``backward``
computes the gradients of the slots and the input gradient dX from the upstream gradient dY = ∂C/∂Y. The cost C is the number
that training minimizes: the mean loss of the batch.

A layer holds neither arrays nor state: its parameters ``p`` and their gradients ``g`` are views that it receives, and
everything else is in its context (:class:`~pellucid.layers.context.Context`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from pellucid.core.config import Config
from pellucid.core.memory import Array, Shape, Slot, Views
from pellucid.errors import ShapeError
from pellucid.layers.context import Context


@dataclass(frozen=True)
class LayerSpec:
    """The properties of a layer for inputs of one shape: the result of ``build``.

    ``shape`` is the shape of one output, without the batch axis (of a network with several outputs, a dictionary of shapes by
    name); ``slots`` are the arrays that the layer needs, by name.
    ``multiply_adds`` is the number of multiply-adds in the forward pass of one sample. ``largest_output`` and ``all_outputs``
    are set by what stands for several layers, networks first of all: the number of values that one sample has in the largest
    output of any layer inside, and in the outputs of all of them together.
    """

    shape: Any
    slots: Mapping[str, Slot] = field(default_factory=dict)
    multiply_adds: int = 0
    largest_output: int = 0
    all_outputs: int = 0


class Layer(Config, ABC):
    """The base class of all layers, which have one input and one output."""

    # what to do if a node of a Graph should have several inputs for this layer, for the error message
    hint_for_several_inputs: ClassVar[str] = "put a merge, such as Add() or Concatenate(), before it"
    # whether the output at each position (each time step, each pixel) depends on the input at this position alone
    positionwise: ClassVar[bool] = False
    # whether forward and backward do nothing but call kernels, with arguments that are the same for each batch of one shape,
    # and take views; a class that redefines one of them states it again (see pellucid.training.recording)
    records: ClassVar[bool] = False
    # whether the layer returns its input in prediction, as dropout does
    only_in_training: ClassVar[bool] = False

    @property
    def reads_sparse(self) -> bool:
        """Whether the layer also takes :class:`~pellucid.core.sparse_rows.SparseRows` as x, where no dX is needed."""
        return False

    @property
    def continues(self) -> bool:
        """Whether a sequence may be read in several passes: the output at each position depends on no later one, and
        ``forward`` goes on from what ``ctx.past`` remembers of the earlier ones (see
        :class:`~pellucid.layers.context.Memory`). Layers that are ``positionwise`` have nothing to remember."""
        return self.positionwise

    @abstractmethod
    def build(self, shape: Shape) -> LayerSpec:
        """Return the properties of this layer for inputs of ``shape`` (one sample, without the batch axis).

        Raises ShapeError if the layer does not accept such inputs.
        """

    @abstractmethod
    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        """Return Y (n, *output shape) for X (n, *input shape), with the parameters ``p``. Do not write to X."""

    @abstractmethod
    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        """Write the gradients of all parameters into ``g`` and return dX, or None if ``ctx.needs_dx`` is false.

        ``ctx`` is the context of the forward pass. The arrays in ``g`` are overwritten, not added to. ``dy`` may be
        overwritten and may be returned.
        """

    def absorb(self, following: Layer) -> Layer | None:
        """Return a layer that computes this layer and the ``following`` one in a single pass, or None if there is none.

        Such a layer is used inside training and prediction only; users never see it.
        """
        return None

    def with_bias(self) -> Layer | None:
        """Return this layer with a bias, if scaling and shifting its outputs is the same as scaling W and shifting b.

        That is the case for layers whose outputs are linear in W, with the outputs on the last axis of W. Prediction folds the
        batch normalization after such a layer into W and b (:mod:`~pellucid.layers.folding`). Of others, the result is None.
        """
        return None

    def path_of_mask(self) -> str | None:
        """Return the path, within this layer, of the recurrent layer that skips some of the output's time steps as padding.

        It is "" for a layer that does so itself, and None if there is none.
        """
        return None

    def expect(self, shape: Shape, rank: int, hint: str) -> Shape:
        """Return ``shape`` if it has ``rank`` axes; otherwise raise a ShapeError that ends with ``hint``."""
        if len(shape) != rank:
            kinds = {1: "flat features", 2: "sequences (time, features)", 3: "images (height, width, channels)"}
            raise ShapeError(f"{self} expects {kinds.get(rank, f'{rank} axes')}, got {shape}; {hint}")
        return shape


class Merge(Config, ABC):
    """The base class of merges: like layers, but with two or more inputs. They are used in the nodes of a Graph."""

    # as for layers
    positionwise: ClassVar[bool] = False
    records: ClassVar[bool] = False

    @property
    def continues(self) -> bool:
        """Whether sequences may be read in several passes; see :attr:`Layer.continues`."""
        return self.positionwise

    @abstractmethod
    def build(self, shapes: Sequence[Shape]) -> LayerSpec:
        """Return the properties of this merge for inputs of ``shapes`` (one sample each, without the batch axis).

        Raises ShapeError if the merge does not accept such inputs together.
        """

    @abstractmethod
    def forward(self, p: Views, xs: Sequence[Array], ctx: Context) -> Array:
        """Return Y (n, *output shape) for the inputs ``xs``, with the parameters ``p``. Do not write to the inputs."""

    @abstractmethod
    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Sequence[Array] | None:
        """Write the gradients of all parameters into ``g`` and return the dX of each input in order, or None if
        ``ctx.needs_dx`` is false.

        ``dy`` may be overwritten. ``dy`` itself, or views of it, may be returned for several inputs.
        """

    def absorb(self, following: Layer) -> Merge | None:
        """Return a merge that computes this merge and the ``following`` layer in a single pass, or None if there is none."""
        return None
