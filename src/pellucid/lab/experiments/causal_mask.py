"""Does a causal mask keep the future out, and is a leak found?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

import pellucid as pl
from pellucid.core.config import Positive
from pellucid.core.memory import Array, Shape, Views
from pellucid.core.rng import generator
from pellucid.lab.experiment import Experiment, Result, Table, Trial, Verdict, spread
from pellucid.layers import Context, Layer, LayerSpec
from pellucid.plots import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TOKENS, TIME, WIDTH = 32, 24, 32
FLOOR = math.log(TOKENS)  # the lowest expected loss on random tokens
NOISE = 0.02  # of the loss on the fresh sequences


@dataclass(frozen=True)
class Peek(Layer):
    """A planted leak: each vector has a part of the next one added to it. y_s = x_s + strength · x_{s+1}.

    The gradient goes back to both: dx_s = dy_s + strength · dy_{s−1}.
    """

    strength: Positive = 1.0

    def build(self, shape: Shape) -> LayerSpec:
        return LayerSpec(shape)

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        y = ctx.buffer("y", x.shape)
        np.copyto(y, x)
        y[:, :-1] += x.dtype.type(self.strength) * x[:, 1:]
        return y

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        dx = ctx.gradient(dy.shape)
        np.copyto(dx, dy)
        dx[:, 1:] += dy.dtype.type(self.strength) * dy[:, :-1]
        return dx


def _attention(causal: bool = True, rotary: bool = False) -> Layer:
    return pl.Residual(pl.LayerNorm(), pl.Attention(2, causal=causal, rotary=rotary))


def _dense() -> Layer:
    return pl.Residual(pl.LayerNorm(), pl.Dense(2 * WIDTH), pl.GELU(), pl.Dense(WIDTH))


def _with(*layers: Layer) -> tuple[Layer, ...]:
    """Return two causal blocks of a Transformer with ``layers`` between them."""
    return pl.SinusoidalPositions(), _attention(), _dense(), *layers, _attention(), _dense()


CAUSAL: dict[str, tuple[Layer, ...]] = {
    "Transformer": _with(),
    "Transformer with rotary positions": (_attention(rotary=True), _dense(), _attention(rotary=True), _dense()),
    "GRU": (pl.GRU(WIDTH, return_sequences=True),),
}
LEAKS: dict[str, tuple[Layer, ...]] = {
    "a layer without the mask": _with(_attention(causal=False)),
    "the mean of all positions": _with(pl.Residual(pl.GlobalAveragePool1D(), pl.Repeat(TIME))),
    "a convolution padded on both sides": _with(pl.Residual(pl.Conv1D(WIDTH, 3, padding="same"))),
    "GRU in both directions": (pl.Bidirectional(pl.GRU(WIDTH // 2, return_sequences=True)),),
    "the next vector": _with(Peek(1.0)),
    "a thousandth of the next vector": _with(Peek(1e-3)),
    "a millionth of the next vector": _with(Peek(1e-6)),
}
NETWORKS = CAUSAL | LEAKS


def influence(layers: Sequence[Layer], seed: int, sequences: int) -> tuple[Array, Array]:
    """Return the largest change of each output i (rows) when the inputs from j on (columns) are others, and |∂y_i/∂x_j|."""
    rng = generator(seed, "inputs")
    network = pl.Sequential(*layers, pl.LayerNorm(), pl.Dense(TOKENS))
    model = network.compile((TIME, WIDTH), pl.MeanSquaredError(), seed=seed)
    x, other = rng.normal(size=(2, sequences, TIME, WIDTH)).astype(np.float32)
    before = model.predict(x)
    change, gradient = np.zeros((TIME, TIME)), np.zeros((TIME, TIME))
    for j in range(TIME):
        changed = x.copy()
        changed[:, j:] = other[:, j:]
        change[:, j] = np.abs(model.predict(changed) - before).max(axis=(0, 2))
        y, pullback = model.forward(x, training=False)
        dy = np.zeros_like(y)
        dy[:, j] = rng.normal(size=dy[:, j].shape)
        gradient[j] = np.abs(pullback(dy).x).max(axis=(0, 2))
    return change, gradient


def _loss(layers: Sequence[Layer], trial: Trial) -> float:
    """Return the loss on fresh random tokens after a training on random tokens, each to be predicted from those before it."""
    rng = generator(trial.seed, "tokens")
    network = pl.Sequential(
        pl.Embedding(TOKENS, WIDTH, init=pl.Normal(1.0)), *layers, pl.LayerNorm(), pl.Dense(TOKENS), pl.Softmax()
    )
    model = network.compile((TIME,), pl.CrossEntropy(), pl.Adam(0.003), seed=trial.seed)
    s = rng.integers(TOKENS, size=(trial.pick(full=12_800, quick=3200, tiny=64), TIME + 1))
    model.fit(s[:, :-1], s[:, 1:], batch_size=32, progress=False)
    s = rng.integers(TOKENS, size=(trial.pick(full=2000, quick=1000, tiny=50), TIME + 1))
    return float(model.evaluate(s[:, :-1], s[:, 1:])["loss"])


def measure(trial: Trial) -> Result:
    found: Result = {}
    for name, layers in NETWORKS.items():
        change, gradient = influence(layers, trial.seed, trial.pick(full=8, quick=4, tiny=2))
        future = np.arange(TIME)[:, None] < np.arange(TIME)  # of row i, the columns j > i
        found[name] = {
            "outputs": float((change[future] > 0).mean()),
            "change": float(change[future].max()),
            "gradients": float((gradient[future] > 0).mean()),
            "loss": _loss(layers, trial),
            "map": np.float32(change).round(6).tolist() if trial.seed == 0 else None,
        }
    return found


def verdict(results: Sequence[Result]) -> Verdict:
    clean = max(result[name][what] for result in results for name in CAUSAL for what in ("outputs", "gradients"))
    low = min(result[name]["loss"] for result in results for name in CAUSAL)
    found = {
        what: sum(all(result[name][what] > 0 for result in results) for name in LEAKS) for what in ("outputs", "gradients")
    }
    used = sum(all(result[name]["loss"] < FLOOR - NOISE for result in results) for name in LEAKS)
    n = len(LEAKS)
    reason = (
        f"of the causal networks {100 * clean:.0f} % of the earlier outputs and gradients change with the future, and their "
        f"loss on random tokens is {low:.2f} nats or more (log {TOKENS} = {FLOOR:.2f}); of {n} planted leaks "
        f"{found['outputs']} are found by the outputs, {found['gradients']} by the gradients, and {used} by a loss that is too "
        "low"
    )
    if clean > 0 or low < FLOOR - NOISE or found["outputs"] < n or found["gradients"] < n:
        return Verdict("does not hold", reason)
    return Verdict("holds" if used == n else "depends", reason)


def table(results: Sequence[Result]) -> Table:
    rows = []
    for name in NETWORKS:
        each = [result[name] for result in results]
        shares = (spread((100 * one[what] for one in each), ".0f") + " %" for what in ("outputs", "gradients"))
        change, loss = spread((one["change"] for one in each), ".0e"), spread((one["loss"] for one in each), ".3f")
        rows.append((name if name in CAUSAL else f"leak: {name}", *shares, change, loss))
    columns = "earlier outputs that change with the future", "gradients from the future that are not 0", "largest change"
    return Table(("network", *columns, f"loss on random tokens (log {TOKENS} = {FLOOR:.3f})"), tuple(rows))


def figure(results: Sequence[Result]) -> Figure:
    shown = "Transformer", *(name for name in LEAKS if name != "GRU in both directions")
    made, axes = style.blank_figure(11, 4.6, 4, 2)
    for ax, name in zip(axes, shown, strict=False):
        change = np.array(results[0][name]["map"])
        seen = np.where(change > 0, np.log10(np.maximum(change, 1e-7)), np.nan)
        image = ax.imshow(seen, cmap="viridis_r", vmin=-7, vmax=1)
        ax.plot([-0.5, TIME - 0.5], [-0.5, TIME - 0.5], color=style.VERMILION, linewidth=1)
        ax.set_title(name, fontsize=9)
        ax.grid(False)
    for ax in axes[len(shown) :]:
        ax.axis("off")
    for ax in axes[4:]:
        ax.set_xlabel("first changed input")
    for ax in axes[::4]:
        ax.set_ylabel("output")
    bar = made.colorbar(image, ax=axes, shrink=0.8)
    bar.set_label("log₁₀ of the largest change")
    return made


EXPERIMENT = Experiment(
    question="Does a causal mask keep the future out, and is a leak found?",
    codes=("beyond",),
    chapter="Attention and text",
    claim=(
        "With a causal mask no output depends on a later input. A network in which something else leaks the future is "
        "found by changing the future, and by a loss that is too good to be true."
    ),
    source="Vaswani et al. (2017), Attention is all you need, section 3.2.3, on masking",
    criterion=(
        "In every run no bit of an earlier output of the three causal networks changes when later inputs are replaced, "
        "their gradients with respect to later inputs are exactly 0, and their loss on random tokens is not below log 32 "
        "(by more than 0.02 nats, the noise of the test). Each of seven planted leaks is found by the outputs and by the "
        "gradients in every run. It depends if some leaks do not show in the loss after 400 steps."
    ),
    mathematics="""
A network that predicts the next token is trained at all positions at once. The token to be predicted at one position is the
input at the next: a network that reads it copies it. The scores of later keys are −∞, so that

    a_ij = exp(s_ij) / Σ over l ≤ i of exp(s_il)      for j ≤ i      a_ij = 0 for j > i

These zeros are exact. A later input has no effect on an earlier output, not even on its last bit, and ∂y_i/∂x_j = 0 for j >
i. This can be tested on any network, trained or not, without looking at its code: replace the inputs from j on by others,
and compare the outputs before j bit by bit.

Such zeros are exact only where the kernel leaves the later inputs out. The convolution of the table, which pads both sides,
reads one later input, yet more than one output before a change is another: it is computed in tiles of four outputs, whose
rounding depends on all inputs of the tile. These changes are a millionth of the outputs; the network cannot use them, but
they are there.

The loss shows leaks too, if the data is such that the lowest possible loss is known. Of independent random tokens out of
32, nothing predicts the next one: the expected loss is at least log 32 = 3.466 nats. A lower one on fresh sequences proves
a leak.
""",
    alt=(
        "Maps of the change of each output by the first changed input. For the causal Transformer all changes are on or "
        "below the diagonal; for the planted leaks there are changes above it."
    ),
    measure=measure,
    verdict=verdict,
    table=table,
    figure=figure,
    seeds=3,
)
