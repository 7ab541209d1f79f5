"""Why are the scores of attention divided by √d?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

import pellucid as pl
from pellucid.core.config import Positive
from pellucid.core.memory import Array, Shape, Slot, Views
from pellucid.core.rng import generator
from pellucid.initializers import Blockwise, GlorotUniform, Zeros
from pellucid.lab.experiment import Experiment, Result, Table, Trial, Verdict, spread
from pellucid.lab.language_models import token_count
from pellucid.layers import Context, Layer, LayerSpec
from pellucid.plots import style
from pellucid.plots.seeds import LINE_STYLES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTHS = 4, 16, 64, 256, 1024  # of a head
KEYS = 64
WIDTH, CONTEXT = 64, 32  # of the trained networks
RATES = 0.001, 0.003
DIVIDED, RAW, SMALL = "divided by √d", "not divided", "not divided, queries initially divided"
TRAINED = DIVIDED, RAW, SMALL
FLAT, STEEP, MARGIN = 0.8, 0.2, 0.02  # of the slope; nats


@dataclass(frozen=True)
class OneHead(Layer):
    """Causal attention with one head, whose scores are scale · Q Kᵀ. :class:`pellucid.Attention` has scale = 1/√d.

    The kernel divides by √d; here the queries are multiplied by c = scale · √d before it, so that dQ = c · (dQ of the kernel).
    """

    scale: Positive

    def build(self, shape: Shape) -> LayerSpec:
        _, w = self.expect(shape, 2, "put an Embedding before it")
        slots = {"W": Slot((w, 3 * w), Blockwise(GlorotUniform(), 3)), "Wo": Slot((w, w), GlorotUniform())}
        return LayerSpec(shape, {**slots, "b": Slot((3 * w,), Zeros()), "bo": Slot((w,), Zeros())})

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        n, t, w = x.shape
        qkv, o, y = ctx.buffer("qkv", (n, t, 3 * w)), ctx.buffer("o", x.shape), ctx.buffer("y", x.shape)
        log_sum, mask = ctx.buffer("log_sum", (n, 1, t)), ctx.buffer("no mask", (n, 0))
        ctx.kernels.affine(rows(x), p.W, p.b, out=rows(qkv))
        q, k, v = (qkv[..., i * w : (i + 1) * w] for i in range(3))
        q *= x.dtype.type(self.scale * math.sqrt(w))
        ctx.kernels.attention(q, k, v, 1, mask, True, 0.0, 0, 0, log_sum, out=o)
        ctx.keep(x, q, k, v, o, log_sum, mask)
        ctx.kernels.affine(rows(o), p.Wo, p.bo, out=rows(y))
        return y

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        x, q, k, v, o, log_sum, mask = ctx.kept
        n, t, w = x.shape
        do, dqkv, dx = ctx.scratch("do", x.shape), ctx.scratch("dqkv", (n, t, 3 * w)), ctx.gradient(x.shape)
        ctx.kernels.affine_backward(rows(o), rows(dy), g.Wo, g.bo)
        ctx.kernels.affine_input_gradient(rows(dy), p.Wo, out=rows(do))
        dq, dk, dv = (dqkv[..., i * w : (i + 1) * w] for i in range(3))
        ctx.kernels.attention_backward(q, k, v, 1, mask, True, 0.0, 0, 0, log_sum, o, do, dq, dk, dv)
        dq *= x.dtype.type(self.scale * math.sqrt(w))
        ctx.kernels.affine_backward(rows(x), rows(dqkv), g.W, g.b)
        ctx.kernels.affine_input_gradient(rows(dqkv), p.W, out=rows(dx))
        return dx


def rows(x: Array) -> Array:
    """Return the vectors (n, t, width) as the rows of a matrix."""
    return x.reshape(-1, x.shape[-1])


def saturation(rng: np.random.Generator, d: int, scale: float, queries: int) -> Result:
    """Return the variance of the scores, the mean of the largest weight and of the slope Σ a (1 − a), at random q and k."""
    scores = scale * rng.normal(size=(queries, d)) @ rng.normal(size=(d, KEYS))
    a = np.exp(scores - scores.max(axis=1, keepdims=True))
    a /= a.sum(axis=1, keepdims=True)
    return {
        "variance": float(scores.var()),
        "largest": float(a.max(axis=1).mean()),
        "slope": float((a * (1 - a)).sum(axis=1).mean()),
    }


def _network(tokens: int, scale: float) -> pl.Sequential:
    blocks: list[pl.Layer] = []
    for _ in range(2):
        blocks.append(pl.Residual(pl.LayerNorm(), OneHead(scale)))
        blocks.append(pl.Residual(pl.LayerNorm(), pl.Dense(WIDTH), pl.GELU(), pl.Dense(WIDTH)))
    return pl.Sequential(pl.TiedEmbedding(tokens, WIDTH, pl.LearnedPositions(), *blocks, pl.LayerNorm()), pl.Softmax())


def measure(trial: Trial) -> Result:
    rng, found = generator(trial.seed, "queries and keys"), dict[str, Any]()
    for name, power in ((DIVIDED, -0.5), (RAW, 0.0)):
        found[name] = {str(d): saturation(rng, d, d**power, trial.pick(full=400, quick=400, tiny=20)) for d in WIDTHS}
    data = trial.plays(CONTEXT, validation=trial.pick(full=10_000, quick=5000, tiny=500))
    tokens = token_count(data)
    steps = trial.pick(full=50, quick=25, tiny=2)
    found["losses"] = {}
    for name in TRAINED:
        found["losses"][name] = {}
        for rate in RATES:
            network = _network(tokens, 1 / math.sqrt(WIDTH) if name == DIVIDED else 1.0)
            model = network.compile((CONTEXT,), pl.CrossEntropy(), pl.Adam(rate), seed=trial.seed)
            if name == SMALL:
                for path in (path for path in model.weights if path.endswith("onehead1.W")):
                    model.weights[path][:, :WIDTH] /= math.sqrt(WIDTH)
            curve = []
            for _ in range(trial.pick(full=8, quick=4, tiny=1)):
                model.fit(data.train, batch_size=16, steps_per_epoch=steps, progress=False)
                curve.append(float(model.evaluate(data.validation)["loss"]))
            found["losses"][name][str(rate)] = curve
    return {**found, "steps": steps, "text": data.name}


def best(result: Result, name: str) -> float:
    """Return the final loss at the better learning rate."""
    return float(min(result["losses"][name][str(rate)][-1] for rate in RATES))


def verdict(results: Sequence[Result]) -> Verdict:
    divided = min(result[DIVIDED][str(d)]["slope"] for result in results for d in WIDTHS)
    raw = max(result[RAW][str(WIDTHS[-1])]["slope"] for result in results)
    behind = {name: [best(result, name) - best(result, DIVIDED) for result in results] for name in (RAW, SMALL)}
    reason = (
        f"with the division the slope of the softmax is at least {divided:.2f} for heads of up to {WIDTHS[-1]:,}, without it "
        f"at most {raw:.2f} for {WIDTHS[-1]:,}; on {results[0]['text']} networks without it end "
        f"{np.median(behind[RAW]):+.3f} nats from those with it ({min(behind[RAW]):+.3f} to {max(behind[RAW]):+.3f}), and "
        f"{np.median(behind[SMALL]):+.3f} with queries that are divided initially"
    )
    if divided < FLAT or raw > STEEP:
        return Verdict("does not hold", reason)
    return Verdict("holds" if min(behind[RAW]) >= MARGIN else "depends", reason)


def table(results: Sequence[Result]) -> Table:
    rows = []
    for d in WIDTHS:
        for name in (DIVIDED, RAW):
            each = [result[name][str(d)] for result in results]
            cells = (
                spread((one[what] for one in each), form)
                for what, form in (("variance", ".1f"), ("largest", ".2f"), ("slope", ".3f"))
            )
            rows.append((f"head of {d:,}, {name}", *cells, "–"))
    for name in TRAINED:
        rows.append((f"trained, {name}", "–", "–", "–", spread((best(result, name) for result in results), ".3f")))
    return Table(
        ("scores", "variance", "largest weight of 64 (mean)", "slope Σ a (1 − a)", "validation loss (nats)"), tuple(rows)
    )


def figure(results: Sequence[Result]) -> Figure:
    made, (left, right) = style.blank_figure(9, 3.5, 2)
    steps = results[0]["steps"] * np.arange(1, len(results[0]["losses"][RAW][str(RATES[0])]) + 1)
    for name, (color, dash, marker) in zip(TRAINED, LINE_STYLES, strict=False):
        panels = [
            (
                right,
                steps,
                [min((result["losses"][name][str(rate)] for rate in RATES), key=lambda c: c[-1]) for result in results],
            )
        ]
        if name != SMALL:
            panels.append((left, np.array(WIDTHS), [[result[name][str(d)]["slope"] for d in WIDTHS] for result in results]))
        for ax, x, runs in panels:
            ax.plot(x, np.median(runs, axis=0), color=color, linestyle=dash, marker=marker, markersize=4, label=name)
            ax.fill_between(x, np.min(runs, axis=0), np.max(runs, axis=0), color=color, alpha=0.18, linewidth=0)
    left.set_xscale("log")
    left.set_xticks(WIDTHS, [f"{d:,}" for d in WIDTHS])
    left.minorticks_off()
    left.set(xlabel="width d of the head", ylabel="slope of the softmax, Σ a (1 − a)", ylim=(0, 1))
    right.set(xlabel="step", ylabel="validation loss (nats a character)")
    right.legend(fontsize=8)
    return made


EXPERIMENT = Experiment(
    question="Why are the scores of attention divided by √d?",
    codes=("beyond",),
    chapter="Attention and text",
    claim=(
        "Without the division the scores of wide heads are so large that the softmax saturates: one weight is almost 1, "
        "and the gradients are very small, which harms training."
    ),
    source="Vaswani et al. (2017), Attention is all you need, section 3.2.1",
    criterion=(
        "For random queries and keys, the slope Σ a (1 − a) of the softmax over 64 keys is at least 0.8 for heads of 4 to "
        "1,024 with the division, and at most 0.2 for 1,024 without it, in every run. In every run a language model with "
        "heads of 64, at the better of two learning rates, ends at least 0.02 nats better with the division than without "
        "it. It depends if training is not harmed that much."
    ),
    mathematics="""
If the d entries of q and k are independent with mean 0 and variance 1, each product has mean 0 and variance 1, and

    q·k = Σ over d entries of q_e k_e      mean 0, variance d      q·k/√d: variance 1

The derivatives of the softmax are ∂a_j/∂s_l = a_j (δ_jl − a_l). Their diagonal has the sum Σ a_j (1 − a_j), which is near 1
for many equal weights and 0 if one weight is 1. With scores of standard deviation √d the largest is far above the second,
one weight is close to 1, and the gradient that reaches q and k is small: the network reads one place, and cannot find out
that another would be better.

Training can undo the scale: queries that are initially divided by √d make the same scores at the first step. But then a
step of the optimizer changes the scores √d times as much. The trained networks have two blocks of one head, with 64
columns, and differ in the scale alone. All see the same windows of text.
""",
    alt=(
        "Left, the slope of the softmax by the width of a head: level with the division, falling to almost 0 without it. "
        "Right, the validation loss by step of networks with the division, without it, and with initially divided "
        "queries."
    ),
    measure=measure,
    verdict=verdict,
    table=table,
    figure=figure,
    seeds=3,
)
