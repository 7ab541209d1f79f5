"""Can a network of one attention layer complete a repeated pair of tokens, and can one of two layers?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

import pellucid as pl
from pellucid.core.memory import Array
from pellucid.core.rng import generator
from pellucid.lab.experiment import Experiment, Result, Table, Trial, Verdict, median, percent, spread
from pellucid.model.activations import activations
from pellucid.plots import style
from pellucid.plots.seeds import LINE_STYLES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TOKENS, BLOCK, PAIRS = 32, 16, 8
TIME = BLOCK + 2 * PAIRS - 1
FAILED, SOLVED = 0.2, 0.95  # guessing among the tokens of the block is right in 1 of 15 cases
# name -> (layers, heads, width, whether each layer has a dense part): the second and third have as many parameters as the last
NETWORKS = {
    "1 attention layer": (1, 1, 64, False),
    "1 attention layer, wider": (1, 4, 88, False),
    "1 attention layer and a dense part": (1, 2, 56, True),
    "2 attention layers": (2, 1, 64, False),
}
TWO = "2 attention layers"


def network(layers: int, heads: int, width: int, dense: bool) -> pl.Sequential:
    blocks: list[pl.Layer] = []
    for _ in range(layers):
        blocks.append(pl.Residual(pl.LayerNorm(), pl.Attention(heads, causal=True)))
        if dense:
            blocks.append(pl.Residual(pl.LayerNorm(), pl.Dense(4 * width), pl.GELU(), pl.Dense(width)))
    ends = pl.Embedding(TOKENS, width, init=pl.Normal(1.0)), pl.LearnedPositions(pl.Normal(1.0))
    return pl.Sequential(*ends, *blocks, pl.LayerNorm(), pl.Dense(TOKENS), pl.Softmax())


def draw(rng: np.random.Generator, count: int) -> tuple[Array, Array, Array]:
    """Return sequences x, the next tokens y, and weights, which are 1 where the next token is known from the pair before.

    A sequence is a block of 16 different tokens, then eight pairs of neighbours from the block: the second of each pair is the
    token to be predicted.
    """
    block = np.argsort(rng.random((count, TOKENS)), axis=1)[:, :BLOCK]
    places = rng.integers(BLOCK - 1, size=(count, PAIRS))
    pairs = np.stack([np.take_along_axis(block, places + i, axis=1) for i in (0, 1)], axis=2).reshape(count, -1)
    s = np.concatenate([block, pairs], axis=1)
    weights = np.zeros((count, TIME), np.float32)
    weights[:, BLOCK::2] = 1
    return s[:, :-1], s[:, 1:], weights


def attention_weights(model: pl.Model, x: Array) -> list[Array]:
    """Return the weights (n, query, key) of the attention of each layer with one head."""
    found, outputs = [], activations(model, x)
    for path in (path for path in outputs if path.endswith("attention1")):
        normalized = outputs[path.replace("attention1", "layernorm1")]
        q, k, _ = np.split(normalized @ model.weights[f"{path}.W"] + model.weights[f"{path}.b"], 3, axis=-1)
        scores: Any = q @ k.swapaxes(1, 2) / np.sqrt(q.shape[-1])
        scores[:, np.triu(np.ones(scores.shape[1:], bool), 1)] = -np.inf
        e = np.exp(scores - scores.max(axis=-1, keepdims=True))
        found.append(e / e.sum(axis=-1, keepdims=True))
    return found


def heads(model: pl.Model, x: Array) -> Result:
    """Return the mean weight of layer 1 on the place before, in the block, and of layer 2 on the place after the earlier A."""
    first, second = attention_weights(model, x)
    queries = np.arange(BLOCK, TIME, 2)
    match = x[:, :BLOCK, None] == x[:, None, queries]  # (n, place in the block, query)
    after = match.argmax(axis=1) + 1
    copied = np.take_along_axis(second[:, queries], after[:, :, None], axis=2)
    return {
        "previous": float(np.diagonal(first[:, :BLOCK, :BLOCK], -1, 1, 2).mean()),
        "copied": float(copied.mean()),
        "maps": [one[0].astype(float).round(3).tolist() for one in (first, second)],
    }


def measure(trial: Trial) -> Result:
    test, count = (
        draw(generator(trial.seed, "test"), trial.pick(full=1000, quick=500, tiny=20)),
        trial.pick(full=3200, quick=3200, tiny=64),
    )
    found: Result = {}
    for name, shape in NETWORKS.items():
        rng = generator(trial.seed, "training")
        model = network(*shape).compile((TIME,), pl.CrossEntropy(), pl.Adam(0.003), [pl.Accuracy()], seed=trial.seed)
        curve = []
        for _ in range(trial.pick(full=12, quick=6, tiny=1)):
            x, y, weights = draw(rng, count)
            model.fit(x, y, sample_weight=weights, batch_size=32, progress=False)
            curve.append(float(model.evaluate(test[0], test[1], sample_weight=test[2])["accuracy"]))
        found[name] = {"accuracy": curve, "parameters": model.parameter_count}
    found["heads"] = heads(model, test[0])
    if trial.seed:
        found["heads"]["maps"] = None
    return found


def verdict(results: Sequence[Result]) -> Verdict:
    two = min(result[TWO]["accuracy"][-1] for result in results)
    one = max(result[name]["accuracy"][-1] for result in results for name in NETWORKS if name != TWO)
    previous, copied = (min(result["heads"][what] for result in results) for what in ("previous", "copied"))
    reason = (
        f"with two attention layers at least {100 * two:.1f} % of the pairs are completed, with one at most {100 * one:.1f} %; "
        f"the first of the two gives the place before at least {100 * previous:.0f} % of its weight, and the second the place "
        f"after the earlier A at least {100 * copied:.0f} %"
    )
    if two < SOLVED or one > FAILED:
        return Verdict("does not hold", reason)
    return Verdict("holds" if min(previous, copied) > 0.5 else "depends", reason)


def table(results: Sequence[Result]) -> Table:
    rows: list[tuple[str, ...]] = []
    for name in NETWORKS:
        accuracy = percent((result[name]["accuracy"][-1] for result in results), ".1f")
        rows.append((name, f"{median(results, name, 'parameters'):,.0f}", accuracy, "–", "–"))
    weights = (spread((100 * result["heads"][what] for result in results), ".0f") + " %" for what in ("previous", "copied"))
    rows[-1] = (*rows[-1][:3], *weights)
    columns = "parameters", "pairs completed", "weight of layer 1 on the place before", "weight of layer 2 on the place after A"
    return Table(("network", *columns), tuple(rows))


def figure(results: Sequence[Result]) -> Figure:
    made, (left, *maps) = style.blank_figure(11, 3.6, 3)
    for name, (color, dash, marker) in zip(NETWORKS, LINE_STYLES, strict=False):
        runs = 100 * np.array([result[name]["accuracy"] for result in results])
        steps = 100 * np.arange(1, runs.shape[1] + 1)
        left.plot(steps, np.median(runs, axis=0), color=color, linestyle=dash, marker=marker, markersize=4, label=name)
        left.fill_between(steps, runs.min(axis=0), runs.max(axis=0), color=color, alpha=0.18, linewidth=0)
    left.set(xlabel="step", ylabel="pairs completed (%)")
    left.legend(fontsize=8)
    for i, (ax, weights) in enumerate(zip(maps, results[0]["heads"]["maps"], strict=True)):
        ax.imshow(weights, cmap="viridis_r", vmin=0, vmax=1)
        ax.axhline(BLOCK - 0.5, color=style.VERMILION, linewidth=1, linestyle="--")
        ax.set(title=f"layer {i + 1} of 2: weights", xlabel="key", ylabel="query")
        ax.grid(False)
    return made


EXPERIMENT = Experiment(
    question="Can a network of one attention layer complete a repeated pair of tokens, and can one of two layers?",
    codes=("beyond",),
    chapter="Attention and text",
    claim=(
        "After … A B … A, a network of two attention layers predicts B, also for pairs that it has never seen: its first "
        "layer notes at each place which token was before it, and its second finds the place after the earlier A and "
        "copies what is there (an induction head). One attention layer cannot do that."
    ),
    source=(
        "Elhage et al. (2021), A mathematical framework for transformer circuits; Olsson et al. (2022), In-context "
        "learning and induction heads"
    ),
    criterion=(
        "In every run two layers complete at least 95 % of the pairs of new sequences, and networks of one layer, also "
        "with as many parameters and with a dense part, at most 20 %. It depends if the two layers do it in another way: "
        "if the mean weight of the first on the place before, or of the second on the place after the earlier A, is not "
        "above a half."
    ),
    mathematics="""
A sequence is a block of 16 different tokens out of 32 in random order, followed by eight pairs of neighbours of the block,
as in

    c  f  a  d  b  …  a  →  d

That d follows a cannot be learned beforehand: it is only in the sequence. At the place of the second a, the query of a single
layer can match the key of the first a, which has the same token, but the value there is that of a. The answer is one place
further, at d, whose key depends on its token and its position only, not on the a before it. Both together do not help, because
the position of the first a is a different one in each sequence. What remains is to guess one of the 15 other tokens of the
block: 6.7 %.

    layer 1: the place of d reads the place before it, and adds "after a" to its vector
    layer 2: the query at the second a matches the key "after a" at the place of d, and reads the value d

The positions of the weights show whether a network does that: layer 1 has a line beside the diagonal, and layer 2 one point
in each row of a pair. The composition of two layers is learned suddenly: for some hundred steps nothing seems to happen.
""",
    alt=(
        "Left, pairs completed by step: two layers rise suddenly to 100 percent, all networks of one layer stay below 10. "
        "Right, two matrices of attention weights: a line beside the diagonal in the first, single points in the second."
    ),
    measure=measure,
    verdict=verdict,
    table=table,
    figure=figure,
    seeds=3,
)
