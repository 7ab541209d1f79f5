"""Recurrent layers: a state that goes from time step to time step and reads one step of the input after the other.

All have the same weights: W for the input, U for the state, one block of columns for each gate. A step is one product for all
gates, A = [h, x] [U; W] + b, and then what distinguishes the cells. Back-propagation through time (Werbos, 1990) computes the
gradients dA of all steps, from the last to the first, where what reaches a state is dhₜ₋₁ = dAₜ Uᵀ + what comes past the gates;
and with them dxₜ = dAₜ Wᵀ, and in one product for all steps d[U; W] = Σₜ [h, x]ₜᵀ dAₜ, db = Σₜ dAₜ.

Input (n, time, features). Output: the last state, (n, units), or with ``return_sequences=True`` the states of all steps,
(n, time, units), as the layer of a stack wants them that has another recurrent layer behind it. The first state is zero.

**Padding.** Sequences of different lengths are padded to one. With ``mask=0.0`` a step whose features all have that value is
passed over: the state stays as it is, and the output of such a step is zeros, so that a recurrent layer behind it with
``mask=0.0`` passes over it, too. The last state is that after the last step that counts; of nothing but padding it is zero.

**Weights at first.** Each gate's block is drawn by itself: W from ``init``, U from ``recurrent_init``,
which by default turns a state and neither stretches nor shrinks it; biases are zero but for
the LSTM's forget gate. One bias for each gate: PyTorch has two, b_ih and b_hh, and only their sum matters.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from pellucid.core.config import Count
from pellucid.core.memory import Array, Shape, Slot, Views
from pellucid.errors import ShapeError
from pellucid.initializers import GlorotUniform, Initializer, Orthogonal, Zeros
from pellucid.layers.base import Layer, LayerSpec
from pellucid.layers.context import Context


class Recurrent(Layer, ABC):
    """What recurrent layers have in common."""

    units: int
    return_sequences: bool
    mask: float | None
    init: Initializer
    recurrent_init: Initializer

    @abstractmethod
    def cell(self) -> tuple[str, int, int]:
        """The name of its kernel; how many blocks of columns the product of a step has; how many gates' weights there are."""

    @abstractmethod
    def biases(self) -> dict[str, Slot]:
        """The slots of the biases."""

    @abstractmethod
    def stack(self, p: Views, V: Array, b: Array) -> None:
        """Writes the product's V = [U; W] and its bias."""

    @abstractmethod
    def unstack(self, g: Views, dV: Array, db: Array) -> None:
        """Writes the gradients of the slots from those of V and b."""

    def build(self, shape: Shape) -> LayerSpec:
        time, features = self.expect(shape, 2, "give the data, or Reshape((time, features)) before it, a time axis")
        if time < 1 or features < 1:
            raise ShapeError(f"{self} wants sequences of one time step at least, and one feature, got {shape}")
        u, (_, _, gates) = self.units, self.cell()
        slots = {
            "W": Slot((features, gates * u), _ByGate(self.init, gates)),
            "U": Slot((u, gates * u), _ByGate(self.recurrent_init, gates)),
            **self.biases(),
        }
        return LayerSpec((time, u) if self.return_sequences else (u,), slots, multiply_adds=time * gates * u * (features + u))

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        n, time, features = x.shape
        u, (cell, blocks, _) = self.units, self.cell()
        V, b = ctx.buffer("V", (u + features, blocks * u)), ctx.buffer("b", (blocks * u,))
        self.stack(p, V, b)
        alive = ctx.buffer("alive", (n, time), np.bool_)
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
        (n, time), (w, columns) = alive.shape, V.shape
        dx = ctx.gradient((n, time, w - self.units if ctx.needs_dx else 0))
        ctx.kernels.recurrent_backward(self.cell()[0], V, alive, hx, gates, c, dy, dx)
        dV, db = ctx.scratch("dV", V.shape), ctx.scratch("db", (columns,))
        ctx.kernels.affine_backward(hx[:-1].reshape(time * n, w), gates.reshape(time * n, columns), dV, db)
        self.unstack(g, dV, db)
        return dx if ctx.needs_dx else None


@dataclass(frozen=True)
class SimpleRNN(Recurrent):
    """h' = tanh(x W + h U + b) (Elman, 1990): one state, and no gates; what is far back is soon forgotten.

    Input (n, time, features), output (n, units) or with ``return_sequences`` (n, time, units); ``mask`` and the initializers are
    those of the module :mod:`pellucid.layers.recurrent`.

    >>> import numpy as np
    >>> from pellucid import Ones, SimpleRNN
    >>> from pellucid.testing import run_layer
    >>> rnn = SimpleRNN(1, mask=0.0, init=Ones(), recurrent_init=Ones())
    >>> run_layer(rnn, np.array([[[0.5], [1.0], [0.0]]])).y.round(6).tolist()  # tanh(1 + tanh(0.5)), and padding
    [[0.898063]]

    Slots: ``W`` (features, units), ``U`` (units, units), ``b`` (units), zero at first and left alone by weight decay.
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
    """Long short-term memory (Hochreiter and Schmidhuber, 1997; the forget gate is of Gers, Schmidhuber and Cummins, 2000):
    a second state c, to which gates add and which they let fade, so that gradients come back over many steps.

        i, f, g, o = x W + h U + b, four blocks in this order, which is PyTorch's and Keras'
        c' = σ(f) c + σ(i) tanh(g)
        h' = σ(o) tanh(c')

    Input (n, time, features), output (n, units) or with ``return_sequences`` (n, time, units); ``mask`` and the initializers are
    those of the module :mod:`pellucid.layers.recurrent`.

    Slots: ``W`` (features, 4·units), ``U`` (units, 4·units), ``b`` (4·units), left alone by weight decay. The forget gate's
    bias is 1 at first, the others 0: what is not yet told to fade should stay (Jozefowicz, Zaremba and Sutskever, 2015). This
    is Keras' default; PyTorch draws all of them around 0.
    """

    units: Count
    return_sequences: bool = False
    mask: float | None = None
    init: Initializer = GlorotUniform()
    recurrent_init: Initializer = Orthogonal()

    def cell(self) -> tuple[str, int, int]:
        return "lstm", 4, 4

    def biases(self) -> dict[str, Slot]:
        return {"b": Slot((4 * self.units,), _Remember(), decay=False)}

    def stack(self, p: Views, V: Array, b: Array) -> None:
        _stack(p, V, b)

    def unstack(self, g: Views, dV: Array, db: Array) -> None:
        _unstack(g, dV, db)


@dataclass(frozen=True)
class GRU(Recurrent):
    """The gated recurrent unit (Cho et al., 2014), with the reset gate behind the product, as in PyTorch and cuDNN and with
    Keras' default ``reset_after=True``: a state that a gate lets stay or be replaced.

        r, z = σ of the first two blocks of x W + h U + b
        n = tanh(x Wₙ + bₙ + r (h Uₙ + bh))      the third block of each
        h' = (1 − z) n + z h

    The blocks stand in PyTorch's order r, z, n; Keras' is z, r, n. The bias ``bh`` inside the reset is the one that does not
    fall together with another.

    Input (n, time, features), output (n, units) or with ``return_sequences`` (n, time, units); ``mask`` and the initializers are
    those of the module :mod:`pellucid.layers.recurrent`.

    Slots: ``W`` (features, 3·units), ``U`` (units, 3·units), ``b`` (3·units) and ``bh`` (units), zero at first and left alone
    by weight decay.
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
        """r, z, x Wₙ and h Uₙ are four blocks, so that a step is one product: V = [Uᵣ U_z 0 Uₙ; Wᵣ W_z Wₙ 0]."""
        u = self.units
        V[:u, : 2 * u], V[:u, 2 * u : 3 * u], V[:u, 3 * u :] = p.U[:, : 2 * u], 0, p.U[:, 2 * u :]
        V[u:, : 3 * u], V[u:, 3 * u :] = p.W, 0
        b[: 3 * u], b[3 * u :] = p.b, p.bh

    def unstack(self, g: Views, dV: Array, db: Array) -> None:
        u = self.units
        g.W, g.U[:, : 2 * u], g.U[:, 2 * u :] = dV[u:, : 3 * u], dV[:u, : 2 * u], dV[:u, 3 * u :]
        g.b, g.bh = db[: 3 * u], db[3 * u :]


def _stack(p: Views, V: Array, b: Array) -> None:
    u = len(p.U)
    V[:u], V[u:], b[:] = p.U, p.W, p.b


def _unstack(g: Views, dV: Array, db: Array) -> None:
    u = len(g.U)
    g.U, g.W, g.b = dV[:u], dV[u:], db


@dataclass(frozen=True)
class _ByGate(Initializer):
    """Each gate's block of columns by itself: a gate does not know of the others."""

    init: Initializer
    gates: int

    def fill(self, shape: Shape, generator: np.random.Generator) -> Array:
        block = *shape[:-1], shape[-1] // self.gates
        return np.concatenate([self.init.fill(block, generator) for _ in range(self.gates)], axis=-1)


@dataclass(frozen=True)
class _Remember(Initializer):
    """An LSTM's bias: one for the forget gate, the second of four blocks, zero for the others."""

    def fill(self, shape: Shape, generator: np.random.Generator) -> Array:
        return np.repeat([0.0, 1.0, 0.0, 0.0], shape[0] // 4)


@dataclass(frozen=True)
class Reverse(Layer):
    """The time axis backwards, the last step first: (n, time, …) -> (n, time, …)."""

    def build(self, shape: Shape) -> LayerSpec:
        if not shape:
            raise ShapeError(f"{self} wants sequences (time, …), got single numbers")
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
