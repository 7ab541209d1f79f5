"""Does attention know the order of its inputs?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

import pellucid as pl
from pellucid.core.memory import Array
from pellucid.core.rng import generator
from pellucid.lab.experiment import Experiment, Result, Table, Trial, Verdict, percent, spread
from pellucid.plots import over_seeds

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TOKENS, TIME, WIDTH, EPOCHS = 16, 12, 32, 12
FIRST, SECOND = 0, 1  # the two tokens whose order is asked for
GUESSING, LEARNED = 0.6, 0.9
SAME = 1e-5  # float32 adds the same terms in another order


def _blocks(layers: int, causal: bool = False, rotary: bool = False) -> tuple[pl.Layer, ...]:
    return tuple(
        layer
        for _ in range(layers)
        for layer in (
            pl.Residual(pl.LayerNorm(), pl.Attention(2, causal=causal, rotary=rotary)),
            pl.Residual(pl.LayerNorm(), pl.Dense(2 * WIDTH), pl.GELU(), pl.Dense(WIDTH)),
        )
    )


WITHOUT: dict[str, tuple[pl.Layer, ...]] = {
    "no positions, 1 layer": _blocks(1),
    "no positions, 2 layers": _blocks(2),
    "no positions, causal, 1 layer": _blocks(1, causal=True),
}
MASKED = "no positions, causal, 2 layers"
WITH: dict[str, tuple[pl.Layer, ...]] = {
    "learned positions": (pl.LearnedPositions(pl.Normal(1.0)), *_blocks(1)),
    "sinusoidal positions": (pl.SinusoidalPositions(), *_blocks(1)),
    "rotary positions": _blocks(1, rotary=True),
}
NETWORKS = WITHOUT | {MASKED: _blocks(2, causal=True)} | WITH


def draw(rng: np.random.Generator, count: int) -> tuple[Array, Array]:
    """Return sequences x of random tokens that contain two of them once, and y: whether the second comes before the first."""
    x = rng.integers(2, TOKENS, (count, TIME))
    places = np.argsort(rng.random((count, TIME - 1)), axis=1)[:, :2]  # the last token is always another one
    x[np.arange(count), places[:, 0]] = FIRST
    x[np.arange(count), places[:, 1]] = SECOND
    return x, (places[:, 1] < places[:, 0]).astype(np.int64)


def measure(trial: Trial) -> Result:
    rng = generator(trial.seed, "sequences")
    x, _ = draw(rng, 50)
    shuffled = np.concatenate([rng.permuted(x[:, :-1], axis=1), x[:, -1:]], axis=1)
    test, train = draw(rng, trial.pick(full=2000, quick=1000, tiny=50)), trial.pick(full=6400, quick=1600, tiny=64)
    found: Result = {}
    for name, layers in NETWORKS.items():
        ends = pl.Embedding(TOKENS, WIDTH, init=pl.Normal(1.0)), pl.LayerNorm(), pl.Dense(2), pl.Softmax()
        network = pl.Sequential(ends[0], *layers, pl.Slice(-1, axis=0), pl.Flatten(), *ends[1:])
        model = network.compile((TIME,), pl.CrossEntropy(), pl.Adam(0.003), [pl.Accuracy()], seed=trial.seed)
        change = np.abs(model.predict(shuffled, logits=True) - model.predict(x, logits=True))
        curve = []
        for _ in range(EPOCHS):
            model.fit(*draw(rng, train), batch_size=64, progress=False)
            curve.append(float(model.evaluate(*test)["accuracy"]))
        found[name] = {"change": float(change.max()), "accuracy": curve}
    return found


def verdict(results: Sequence[Result]) -> Verdict:
    change = {name: [result[name]["change"] for result in results] for name in NETWORKS}
    accuracy = {name: [result[name]["accuracy"][-1] for result in results] for name in NETWORKS}
    same, other = max(max(change[name]) for name in WITHOUT), min(min(change[name]) for name in WITH)
    worst, best = min(min(accuracy[name]) for name in WITH), max(max(accuracy[name]) for name in WITHOUT)
    reason = (
        f"without positions a shuffle changes the output by at most {same:.0e}, and which of two tokens comes first is found "
        f"in at most {100 * best:.0f} % of the sequences; with positions by at least {other:.0e}, and in at least "
        f"{100 * worst:.0f} %; two causal layers without positions find it in {100 * min(accuracy[MASKED]):.0f} % or more"
    )
    if same > SAME or other <= 100 * SAME or best > GUESSING or worst < LEARNED:
        return Verdict("does not hold", reason)
    return Verdict("depends" if min(accuracy[MASKED]) >= LEARNED else "holds", reason)


def table(results: Sequence[Result]) -> Table:
    rows = []
    for name in NETWORKS:
        change = spread((result[name]["change"] for result in results), ".0e")
        rows.append((name, change, percent((result[name]["accuracy"][-1] for result in results), ".1f")))
    return Table(("network", "largest change of an output by a shuffle", "order of two tokens found"), tuple(rows))


def figure(results: Sequence[Result]) -> Figure:
    curves = {name: [[100 * a for a in result[name]["accuracy"]] for result in results] for name in NETWORKS}
    return over_seeds({"order of two tokens found (%)": curves}, range(1, EPOCHS + 1), "epoch")


EXPERIMENT = Experiment(
    question="Does attention know the order of its inputs?",
    codes=("beyond",),
    chapter="Attention and text",
    claim=(
        "Attention treats its inputs as a set. A network needs positions, learned, sinusoidal or rotary, to make use of "
        "their order."
    ),
    source="Vaswani et al. (2017), Attention is all you need, section 3.5; Su et al. (2021), RoFormer, for rotary positions",
    criterion=(
        "In every run, if the tokens before the last one are shuffled, the output at the last place of the three networks "
        "without positions changes by less than 10⁻⁵, that of the three with positions by more than 10⁻³; after training, "
        "the former find which of two tokens comes first in at most 60 % of new sequences, the latter in at least 90 %. "
        "It depends if two causal layers without positions also find it in 90 %."
    ),
    mathematics="""
The last place reads the mean of the values of all places, weighted by the match of its query with their keys:

    o = Σ over j of a_j v_j      a_j = exp(q·k_j/√d) / Σ over l of exp(q·k_l/√d)

A sum has no order. If k_j and v_j depend on the token at j alone, any order of the earlier tokens gives the same o (up to
the rounding of a sum in another order). In several layers without a mask, the outputs of the first layer are shuffled as
its inputs are, so that this holds for any number of layers.

A vector that is added to each input, learned or made of sines and cosines, makes v_j and k_j depend on j. Rotary positions
turn q and k by angles proportional to their places, so that q·k_j depends on the distance.

A causal mask is different: place j reads the places up to j only. Its output therefore depends on which tokens are before
it. In one layer the last place still reads the inputs as a set. A second layer reads outputs that depend on their prefixes,
so the order can be known without any positions (Haviv et al., 2022).
""",
    alt=(
        "Accuracy by epoch. The networks without positions stay at a half; those with positions, and the one of two "
        "causal layers without, rise to nearly all."
    ),
    measure=measure,
    verdict=verdict,
    table=table,
    figure=figure,
    seeds=3,
)
