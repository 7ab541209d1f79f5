"""Recurrent layers read a sequence one time step at a time, and update a state at each step.

All recurrent layers have weights W for the input and U for the state, with one block of columns for each gate. A step
computes the products of all gates at once, A = [h, x] [U; W] + b. The kinds of layers differ in their *cell*, the function that
computes the next state from A.

**Gradients.** Backpropagation through time (Werbos, 1990) computes the gradients dA of all steps, from the last to the
first. The gradient of the previous state is dhₜ₋₁ = dAₜ Uᵀ, plus terms of the cell for paths that bypass the product. With
dA of all steps, dxₜ = dAₜ Wᵀ, d[U; W] = Σₜ [h, x]ₜᵀ dAₜ and db = Σₜ dAₜ; the sums over steps are one product.

**Shapes.** Input (n, time, features). Output (n, units), the last state, or with ``return_sequences=True`` (n, time, units),
the states of all steps, which is the input that a following recurrent layer expects. The initial state is zero.

**Padding.** Sequences of different lengths are padded to one length. With ``mask=0.0``, a step whose features all have that
value is skipped: it leaves the state unchanged, and its output is zero, so that a following recurrent layer with ``mask=0.0``
skips it too. The last state is the one after the last step that is not skipped; it is zero if all steps are skipped.

**Initial weights.** The block of each gate is drawn separately: W from ``init`` and U from ``recurrent_init``, by default an
orthogonal matrix, which does not change the norm of a state. Biases are zero, except for the LSTM's forget gate. Each gate
has one bias; PyTorch has two, b_ih and b_hh, of which only the sum has an effect.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from pellucid.core.config import Count
from pellucid.core.memory import Array, Shape, Slot, Views
from pellucid.errors import ShapeError
from pellucid.initializers import Blockwise, GlorotUniform, Initializer, Orthogonal, Zeros
from pellucid.layers.base import Layer, LayerSpec
from pellucid.layers.context import Context


class Recurrent(Layer, ABC):
    """The base class of recurrent layers.

    The input x and the state h are joined to [h, x], the weights to V = [U; W], so that a step is one product.
    """

    units: int
    return_sequences: bool
    mask: float | None
    init: Initializer
    recurrent_init: Initializer

    @abstractmethod
    def cell(self) -> tuple[str, int, int]:
        """Return the name of the cell's kernel, the number of blocks of columns in V, and the number of gates in W and U."""

    @abstractmethod
    def biases(self) -> dict[str, Slot]:
        """Return the slots of the biases."""

    @abstractmethod
    def stack(self, p: Views, V: Array, b: Array) -> None:
        """Write the parameters ``p`` into V = [U; W] and into the bias b of the product."""

    @abstractmethod
    def unstack(self, g: Views, dV: Array, db: Array) -> None:
        """Write the gradients of the slots into ``g``, from the gradients of V and b."""

    def build(self, shape: Shape) -> LayerSpec:
        time, features = self.expect(shape, 2, "add a time axis to the data, or put Reshape((time, features)) before the layer")
        if time < 1 or features < 1:
            raise ShapeError(f"{self} expects sequences with at least one time step and one feature, got {shape}")
        u = self.units
        _, _, gates = self.cell()
        slots = {
            "W": Slot((features, gates * u), Blockwise(self.init, gates)),
            "U": Slot((u, gates * u), Blockwise(self.recurrent_init, gates)),
            **self.biases(),
        }
        return LayerSpec((time, u) if self.return_sequences else (u,), slots, multiply_adds=time * gates * u * (features + u))

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        n, time, features = x.shape
        u = self.units
        cell, blocks, _ = self.cell()
        V, b = ctx.buffer("V", (u + features, blocks * u)), ctx.buffer("b", (blocks * u,))
        self.stack(p, V, b)
        alive = ctx.buffer("alive", (n, time), np.bool_)  # false for the steps that are skipped
        if self.mask is None:
            alive.fill(True)
        else:
            differs = np.not_equal(x, self.mask, out=ctx.scratch("differs", x.shape, np.bool_))
            np.logical_or.reduce(differs, axis=2, out=alive)
        hx = ctx.buffer("hx", (time + 1, n, u + features))
        gates = ctx.buffer("gates", (time, n, blocks * u))
        c = ctx.buffer("c", (time + 1, n, u if cell == "lstm" else 0))
        ctx.keep(V, alive, hx, gates, c)
        y = ctx.buffer("y", (n, time, u) if self.return_sequences else (n, u))
        return ctx.kernels.recurrent(cell, x, V, b, alive, hx, gates, c, y)

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        V, alive, hx, gates, c = ctx.kept
        n, time = alive.shape
        rows, columns = V.shape  # units + features, blocks · units
        dx = ctx.gradient((n, time, rows - self.units if ctx.needs_dx else 0))
        ctx.kernels.recurrent_backward(self.cell()[0], V, alive, hx, gates, c, dy, dx)
        dV, db = ctx.scratch("dV", V.shape), ctx.scratch("db", (columns,))
        ctx.kernels.affine_backward(hx[:-1].reshape(time * n, rows), gates.reshape(time * n, columns), dV, db)
        self.unstack(g, dV, db)
        return dx if ctx.needs_dx else None


@dataclass(frozen=True)
class SimpleRNN(Recurrent):
    """The simple recurrent network (Elman, 1990): h' = tanh(x W + h U + b).

    It has no gates, and the influence of an input fades within a few steps. Input (n, time, features), output (n, units) or
    with ``return_sequences`` (n, time, units); for ``mask`` and the initializers see :mod:`pellucid.layers.recurrent`.

    >>> import numpy as np
    >>> from pellucid import Ones, SimpleRNN
    >>> from pellucid.testing import run_layer
    >>> rnn = SimpleRNN(1, mask=0.0, init=Ones(), recurrent_init=Ones())
    >>> run_layer(rnn, np.array([[[0.5], [1.0], [0.0]]])).y.round(6).tolist()  # tanh(1 + tanh(0.5)), then padding
    [[0.898063]]

    Slots: ``W`` (features, units), ``U`` (units, units), ``b`` (units), initially zero and exempt from weight decay.
    """

    units: Count
    return_sequences: bool = False
    mask: float | None = None
    init: Initializer = GlorotUniform()
    recurrent_init: Initializer = Orthogonal()

    def cell(self) -> tuple[str, int, int]:
        return "rnn", 1, 1

    def biases(self) -> dict[str, Slot]:
        return {"b": Slot((self.units,), Zeros(), decay=False)}

    def stack(self, p: Views, V: Array, b: Array) -> None:
        _stack(p, V, b)

    def unstack(self, g: Views, dV: Array, db: Array) -> None:
        _unstack(g, dV, db)


@dataclass(frozen=True)
class LSTM(Recurrent):
    """Long short-term memory (Hochreiter and Schmidhuber, 1997; forget gate by Gers, Schmidhuber and Cummins, 2000).

        i, f, g, o = x W + h U + b      four blocks, in the order of PyTorch and Keras
        c' = σ(f) c + σ(i) tanh(g)
        h' = σ(o) tanh(c')

    The second state c changes only by the forget gate f, which multiplies it, and the input gate i, which adds to it, so
    gradients persist over many steps. Input (n, time, features), output (n, units) or with ``return_sequences``
    (n, time, units); for ``mask`` and the initializers see :mod:`pellucid.layers.recurrent`.

    Slots: ``W`` (features, 4·units), ``U`` (units, 4·units), ``b`` (4·units), exempt from weight decay. The bias of the forget
    gate is initially 1, so that the state persists at the start of training (Jozefowicz, Zaremba and Sutskever, 2015), and the
    others are 0. This is the default of Keras; PyTorch draws all of them from a distribution around 0.
    """

    units: Count
    return_sequences: bool = False
    mask: float | None = None
    init: Initializer = GlorotUniform()
    recurrent_init: Initializer = Orthogonal()

    def cell(self) -> tuple[str, int, int]:
        return "lstm", 4, 4

    def biases(self) -> dict[str, Slot]:
        return {"b": Slot((4 * self.units,), _ForgetBias(), decay=False)}

    def stack(self, p: Views, V: Array, b: Array) -> None:
        _stack(p, V, b)

    def unstack(self, g: Views, dV: Array, db: Array) -> None:
        _unstack(g, dV, db)


@dataclass(frozen=True)
class GRU(Recurrent):
    """The gated recurrent unit (Cho et al., 2014), with the reset gate applied after the product.

        r, z = σ(x W + h U + b)                  the first two blocks
        n = tanh(x Wₙ + bₙ + r (h Uₙ + bh))      the third block
        h' = (1 − z) n + z h

    The update gate z chooses between the old state h and the new one n. The reset gate is applied after the product with U, as
    in PyTorch, cuDNN and Keras (``reset_after=True``). The blocks are in PyTorch's order r, z, n; Keras has z, r, n. The bias
    ``bh`` is a separate slot: r multiplies it, so it cannot be added to bₙ.

    Input (n, time, features), output (n, units) or with ``return_sequences`` (n, time, units); for ``mask`` and the
    initializers see :mod:`pellucid.layers.recurrent`.

    Slots: ``W`` (features, 3·units), ``U`` (units, 3·units), ``b`` (3·units) and ``bh`` (units), initially zero and exempt
    from weight decay.
    """

    units: Count
    return_sequences: bool = False
    mask: float | None = None
    init: Initializer = GlorotUniform()
    recurrent_init: Initializer = Orthogonal()

    def cell(self) -> tuple[str, int, int]:
        return "gru", 4, 3

    def biases(self) -> dict[str, Slot]:
        u = self.units
        return {"b": Slot((3 * u,), Zeros(), decay=False), "bh": Slot((u,), Zeros(), decay=False)}

    def stack(self, p: Views, V: Array, b: Array) -> None:
        """Write r, z, x Wₙ and h Uₙ as four blocks, so that a step is one product: V = [Uᵣ U_z 0 Uₙ; Wᵣ W_z Wₙ 0]."""
        u = self.units
        V[:u, : 2 * u] = p.U[:, : 2 * u]
        V[:u, 2 * u : 3 * u] = 0
        V[:u, 3 * u :] = p.U[:, 2 * u :]
        V[u:, : 3 * u] = p.W
        V[u:, 3 * u :] = 0
        b[: 3 * u] = p.b
        b[3 * u :] = p.bh

    def unstack(self, g: Views, dV: Array, db: Array) -> None:
        u = self.units
        g.W = dV[u:, : 3 * u]
        g.U[:, : 2 * u] = dV[:u, : 2 * u]
        g.U[:, 2 * u :] = dV[:u, 3 * u :]
        g.b = db[: 3 * u]
        g.bh = db[3 * u :]


def _stack(p: Views, V: Array, b: Array) -> None:
    """Write [U; W] and the bias, for cells whose slots have the same blocks as V."""
    u = len(p.U)
    V[:u] = p.U
    V[u:] = p.W
    b[:] = p.b


def _unstack(g: Views, dV: Array, db: Array) -> None:
    """Write the gradients of the slots: the reverse of :func:`_stack`."""
    u = len(g.U)
    g.U = dV[:u]
    g.W = dV[u:]
    g.b = db


@dataclass(frozen=True)
class _ForgetBias(Initializer):
    """The initial bias of an LSTM: 1 for the forget gate, the second of four blocks, and 0 for the others."""

    def fill(self, shape: Shape, generator: np.random.Generator) -> Array:
        return np.repeat([0.0, 1.0, 0.0, 0.0], shape[0] // 4)


@dataclass(frozen=True)
class Reverse(Layer):
    """Reverses the time axis: (n, time, …) -> (n, time, …), with the last step first."""

    def build(self, shape: Shape) -> LayerSpec:
        if not shape:
            raise ShapeError(f"{self} expects sequences (time, …), got single values")
        return LayerSpec(shape)

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        y = ctx.buffer("y", x.shape)
        np.copyto(y, x[:, ::-1])
        return y

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        if not ctx.needs_dx:
            return None
        dx = ctx.gradient(dy.shape)
        np.copyto(dx, dy[:, ::-1])
        return dx
