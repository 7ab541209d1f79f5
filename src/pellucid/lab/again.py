"""The smallest recurrent network, one unit that reads itself: a layer of one's own, for the experiment at the cliff."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pellucid.core.config import Count
from pellucid.core.memory import Array, Shape, Slot, Views
from pellucid.initializers import Zeros
from pellucid.layers import Context, Layer, LayerSpec


@dataclass(frozen=True)
class Again(Layer):
    """x ← σ(w x + b), so many ``times`` with the same w and b, for each number by itself (Pascanu, Mikolov and Bengio, 2013).

    Backwards, with δ = dy y (1 − y) at each time: dw = Σ δ x, db = Σ δ, and on to the time before dy ← δ w.
    """

    times: Count = 50

    def build(self, shape: Shape) -> LayerSpec:
        return LayerSpec(shape, {"w": Slot((1,), Zeros()), "b": Slot((1,), Zeros())})

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        states = [x]
        for _ in range(self.times):
            states.append(1 / (1 + np.exp(-(p.w * states[-1] + p.b))))
        ctx.keep(states)
        return states[-1]

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        (states,) = ctx.kept
        g.w, g.b = 0, 0
        for before, after in zip(states[-2::-1], states[:0:-1], strict=True):
            delta = dy * after * (1 - after)
            g.w, g.b, dy = g.w + (delta * before).sum(), g.b + delta.sum(), delta * p.w
        return dy
