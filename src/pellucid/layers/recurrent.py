"""Recurrent layers read a sequence one time step at a time, and update a state at each step.

All recurrent layers have weights W for the input and U for the state, with one block of columns for each gate. A step
computes the products of all gates at once, A = [h, x] [U; W] + b. The kinds of layers differ in their *cell*, the function that
computes the next state from A.

**Gradients.** Backpropagation through time (Werbos, 1990) computes the gradients dA of all steps, from the last to the
first. The gradient of the previous state is dhₜ₋₁ = dAₜ Uᵀ, plus terms of the cell for paths that bypass the product. With
dA of all steps, dxₜ = dAₜ Wᵀ, d[U; W] = Σₜ [h, x]ₜᵀ dAₜ and db = Σₜ dAₜ; the sums over steps are one product.

**Shapes.** Input (n, time, features). The state is h, and for the LSTM h and c, each (n, units). The output depends on two
settings:

    (n, units)             h after the last step: the default
    (n, time, units)       h after every step, with ``return_sequences=True``; a following recurrent layer expects this
    (n, 2, units)          h and c after the last step, with ``return_state=True`` in an LSTM; in the other layers h is the
                           whole state, so the output is the default
    (n, time + s, units)   both: h after every step, then the s = 1 or 2 parts of the last state, as further rows

**Initial state.** It is zero. With ``learn_state=True`` it is a parameter: the slot ``h0`` (units), and for the LSTM ``c0``
(units), initially zero and exempt from weight decay. :class:`FromState` starts a layer in a state that another node of a Graph
computes. The gradient of the initial state is that of the state before the first step.

**Padding.** Sequences of different lengths are padded to one length. With ``mask=0.0``, a step whose features all have that
value is skipped: it leaves the state unchanged, and its output is zero, so that a following recurrent layer with ``mask=0.0``
skips it too. The last state is the one after the last step that is not skipped; it is the initial state if all steps are
skipped.

**Generation.** A sequence that is read in several passes (``ctx.past``) goes on in the state after the last step of the pass
before.

**Dropout.** With ``recurrent_dropout=rate``, the product of each step in training reads m ⊙ h in place of h, where m = 0 with
probability ``rate``, else 1/(1 − rate). One m is drawn for each sequence and unit, and is the same at every step (Gal and
Ghahramani, 2016): with a new m at each step, the state would be lost within a few steps. The cell itself uses h without m: the
update gate of a GRU chooses between n and the whole h, and the state c of an LSTM is never dropped. m is drawn like that of
:class:`~pellucid.layers.dropout.Dropout` and is not stored. For the dropout of inputs, put a Dropout before the layer.

**Initial weights.** The block of each gate is drawn separately: W from ``init`` and U from ``recurrent_init``, by default an
orthogonal matrix, which does not change the norm of a state. Biases are zero, except for the LSTM's forget gate. Each gate
has one bias; PyTorch has two, b_ih and b_hh, of which only the sum has an effect.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pellucid.core.config import Count, FractionBelowOne
from pellucid.core.memory import Array, Shape, Slot, Views
from pellucid.errors import ConfigError, ShapeError
from pellucid.initializers import Blockwise, GlorotUniform, Initializer, Orthogonal, Zeros
from pellucid.layers.base import Layer, LayerSpec, Merge
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
    return_state: bool
    learn_state: bool
    recurrent_dropout: FractionBelowOne

    hint_for_several_inputs: ClassVar[str] = "FromState(layer) reads a sequence and the state that the layer starts in"

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

    @property
    def states(self) -> tuple[str, ...]:
        """The names of the parts of the state: h, and for the LSTM c."""
        return ("h",)

    @property
    def continues(self) -> bool:
        return not self.return_state  # the rows of the state after the sequence are not time steps

    def path_of_mask(self) -> str | None:
        return "" if self.mask is not None and self.return_sequences and not self.return_state else None

    def build(self, shape: Shape) -> LayerSpec:
        advice = "add a time axis to the data, or put Reshape((time, features)) before the layer"
        if len(shape) == 1:
            advice += "; a recurrent layer before it needs return_sequences=True"
        time, features = self.expect(shape, 2, advice)
        if time < 1 or features < 1:
            raise ShapeError(f"{self} expects sequences with at least one time step and one feature, got {shape}")
        u = self.units
        _, _, gates = self.cell()
        slots = {
            "W": Slot((features, gates * u), Blockwise(self.init, gates)),
            "U": Slot((u, gates * u), Blockwise(self.recurrent_init, gates)),
            **self.biases(),
        }
        if self.learn_state:
            slots |= {f"{name}0": Slot((u,), Zeros(), decay=False) for name in self.states}
        return LayerSpec(self._output_shape(time), slots, multiply_adds=time * gates * u * (features + u))

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        return self.forward_from([p[f"{name}0"] for name in self.states] if self.learn_state else None, p, x, ctx)

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        dx, dfirst = self.backward_to_state(g, dy, ctx, needs_state=self.learn_state)
        if self.learn_state:
            for name, gradient in zip(self.states, dfirst.sum(axis=0, dtype=np.float64), strict=True):
                g[f"{name}0"][...] = gradient
        return dx

    def forward_from(self, state: Iterable[Array] | None, p: Views, x: Array, ctx: Context) -> Array:
        """Return Y for X, from the initial ``state``: for each part of it an array (n, units) or (units), or None for zero."""
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
            ctx.mark_steps(alive)
        hx = ctx.buffer("hx", (time + 1, n, u + features))
        gates = ctx.buffer("gates", (time, n, blocks * u))
        c = ctx.buffer("c", (time + 1, n, u if cell == "lstm" else 0))
        first = _state_after(hx, c, 0, u)
        for part, values in zip(first, [0] * len(first) if state is None else state, strict=True):
            part[...] = values
        past = ctx.past
        if past is not None:
            for name, part in zip(self.states, first, strict=True):
                np.copyto(part, past.array(name, (u,)), where=past.read[:, None] > 0)
        m = self._state_dropout(n, ctx)
        ctx.keep(V, alive, m, hx, gates, c)
        y = ctx.buffer("y", (n, time if self.return_sequences else 0, u))
        ctx.kernels.recurrent(cell, x, V, b, alive, m, hx, gates, c, y)
        if past is not None:
            for name, part in zip(self.states, _state_after(hx, c, time, u), strict=True):
                past.array(name, (u,))[...] = part
        returned, steps = self._returned_states, y.shape[1]
        if not returned:
            return y
        output = ctx.buffer("output", (n, steps + returned, u))
        if steps:
            output[:, :steps] = y
        for k, part in enumerate(_state_after(hx, c, time, u)[:returned], steps):
            output[:, k] = part
        return output.reshape(n, *self._output_shape(time))

    def backward_to_state(self, g: Views, dy: Array, ctx: Context, *, needs_state: bool) -> tuple[Array | None, Array]:
        """Write the gradients of the weights, and return dX and the gradient of the initial state.

        The latter is (n, states, units), or (n, 0, units) without ``needs_state``.
        """
        V, alive, m, hx, gates, c = ctx.kept[:6]
        (n, time), u = alive.shape, self.units
        rows, columns = V.shape  # units + features, blocks · units
        steps = time if self.return_sequences else 0
        dy = dy.reshape(n, steps + self._returned_states, u)
        dsteps, dlast = np.ascontiguousarray(dy[:, :steps]), np.ascontiguousarray(dy[:, steps:])
        dx = ctx.gradient((n, time, rows - u if ctx.needs_dx else 0))
        dfirst = ctx.buffer("dfirst", (n, len(self.states) if needs_state else 0, u))
        ctx.kernels.recurrent_backward(self.cell()[0], V, alive, m, hx, gates, c, dsteps, dlast, dx, dfirst)
        if m.size:
            hx[:-1, :, :u] *= m  # what the products have read
        dV, db = ctx.scratch("dV", V.shape), ctx.scratch("db", (columns,))
        ctx.kernels.affine_backward(hx[:-1].reshape(time * n, rows), gates.reshape(time * n, columns), dV, db)
        self.unstack(g, dV, db)
        return dx if ctx.needs_dx else None, dfirst

    @property
    def _returned_states(self) -> int:
        """The number of parts of the last state in the output."""
        return len(self.states) if self.return_state else int(not self.return_sequences)

    def _output_shape(self, time: int) -> Shape:
        rows = (time if self.return_sequences else 0) + self._returned_states
        return (rows, self.units) if self.return_sequences or rows > 1 else (self.units,)

    def _state_dropout(self, n: int, ctx: Context) -> Array:
        """Return the factors m (n, units) for the state of each sequence, or (n, 0) if there is no dropout."""
        if not ctx.training or self.recurrent_dropout == 0:
            return ctx.buffer("no dropout", (n, 0))
        m = ctx.buffer("m", (n, self.units))
        m.fill(1)
        return ctx.kernels.dropout(m, ctx.random, ctx.offset, self.recurrent_dropout, out=m)


@dataclass(frozen=True)
class SimpleRNN(Recurrent):
    """The simple recurrent network (Elman, 1990): h' = tanh(x W + h U + b).

    It has no gates, and the influence of an input fades within a few steps. Input (n, time, features), output (n, units) or
    with ``return_sequences`` (n, time, units); for the other settings see :mod:`pellucid.layers.recurrent`.

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
    return_state: bool = False
    learn_state: bool = False
    recurrent_dropout: FractionBelowOne = 0.0

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
    gradients persist over many steps. Input (n, time, features), output (n, units), with ``return_sequences`` (n, time, units)
    or with ``return_state`` (n, 2, units), h and c; for the other settings see :mod:`pellucid.layers.recurrent`.

    Slots: ``W`` (features, 4·units), ``U`` (units, 4·units), ``b`` (4·units), exempt from weight decay. The bias of the forget
    gate is initially 1, so that the state persists at the start of training (Jozefowicz, Zaremba and Sutskever, 2015), and the
    others are 0. This is the default of Keras; PyTorch draws all of them from a distribution around 0.
    """

    units: Count
    return_sequences: bool = False
    mask: float | None = None
    init: Initializer = GlorotUniform()
    recurrent_init: Initializer = Orthogonal()
    return_state: bool = False
    learn_state: bool = False
    recurrent_dropout: FractionBelowOne = 0.0

    @property
    def states(self) -> tuple[str, ...]:
        return "h", "c"

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

    Input (n, time, features), output (n, units) or with ``return_sequences`` (n, time, units); for the other settings see
    :mod:`pellucid.layers.recurrent`.

    Slots: ``W`` (features, 3·units), ``U`` (units, 3·units), ``b`` (3·units) and ``bh`` (units), initially zero and exempt
    from weight decay.
    """

    units: Count
    return_sequences: bool = False
    mask: float | None = None
    init: Initializer = GlorotUniform()
    recurrent_init: Initializer = Orthogonal()
    return_state: bool = False
    learn_state: bool = False
    recurrent_dropout: FractionBelowOne = 0.0

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


def _state_after(hx: Array, c: Array, step: int, units: int) -> list[Array]:
    """Return the parts of the state after a number of steps, as views (n, units)."""
    h = hx[step, :, :units]
    return [h, c[step]] if c.shape[2] else [h]


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
class FromState(Merge):
    """A recurrent layer that starts in a state that another node computes, such as the decoder after an encoder
    (Sutskever, Vinyals and Le, 2014).

    It reads two nodes, the sequence (time, features) and the state: (units) for SimpleRNN and GRU, (2, units) or (2·units) for
    the LSTM, first h and then c. This is what a layer of the same kind and size outputs with ``return_state=True``. The output
    and the slots are those of ``layer``. The gradient of the state, that before the first step, flows back into its node.

    ::

        Graph(Node("encoder", LSTM(16, return_state=True), "input"),
              Node("decoder", FromState(LSTM(16, return_sequences=True)), "input", "encoder"))
    """

    layer: Recurrent

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.layer.learn_state:
            raise ConfigError(f"{self}: the initial state is either read from a node or learned; remove learn_state=True")

    def build(self, shapes: Sequence[Shape]) -> LayerSpec:
        layer, parts = self.layer, self.layer.states
        kind, u = type(layer).__name__, layer.units
        if len(shapes) != 2:
            raise ShapeError(f"{self} expects two inputs, a sequence (time, features) and a state, got {len(shapes)}")
        sequence, state = shapes
        if len(sequence) != 2:
            raise ShapeError(
                f"{self} expects a sequence (time, features) as its first input and a state as its second, got {sequence} and "
                f"{state}; name the node of the sequence first"
            )
        expected = [(len(parts), u), (len(parts) * u,)]
        if state not in expected:
            wanted = f"(2, {u}) or ({2 * u},), h and c," if len(parts) == 2 else f"({u},)"
            raise ShapeError(
                f"{self} expects the state {wanted} as its second input, got {state}; a layer {kind}({u}, return_state=True) "
                f"outputs such a state, and so does Dense({len(parts) * u}) for flat features"
            )
        return layer.build(sequence)

    def forward(self, p: Views, xs: Sequence[Array], ctx: Context) -> Array:
        x, state = xs
        parts = state.reshape(len(x), len(self.layer.states), self.layer.units).swapaxes(0, 1)
        y = self.layer.forward_from(parts, p, x, ctx)
        ctx.keep(*ctx.kept, state.shape)  # after what the layer keeps
        return y

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Sequence[Array] | None:
        dx, dstate = self.layer.backward_to_state(g, dy, ctx, needs_state=ctx.needs_dx)
        return None if dx is None else [dx, dstate.reshape(ctx.kept[-1])]


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
