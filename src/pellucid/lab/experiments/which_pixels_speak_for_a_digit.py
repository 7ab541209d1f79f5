"""Which pixels speak for a digit, and do attributions add up?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

import pellucid as pl
from pellucid import explain
from pellucid.lab.experiment import Experiment, Result, Table, Trial, Verdict, median, percent, spread
from pellucid.plots.maps import attributions

if TYPE_CHECKING:
    from matplotlib.figure import Figure

METHODS = "saliency", "input × gradient", "integrated gradients", "DeepLIFT", "expected gradients"
COMPLETE = "integrated gradients", "DeepLIFT"
REMOVED = 40  # pixels: the strongest by the attribution, or as many inked ones by chance


def _told(model: pl.Model, x: np.ndarray, background: np.ndarray) -> dict[str, explain.Attribution]:
    return {
        "saliency": explain.saliency(model, x),
        "input × gradient": explain.input_times_gradient(model, x),
        "integrated gradients": explain.integrated_gradients(model, x),
        "DeepLIFT": explain.deeplift(model, x),
        "expected gradients": explain.expected_gradients(model, x, background),
    }


def _without(x: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """The pictures with their pixels of the highest scores made black."""
    flat = x.reshape(len(x), -1).copy()
    order = np.argsort(-scores.reshape(len(x), -1), axis=1)[:, :REMOVED]
    np.put_along_axis(flat, order, 0, axis=1)
    return flat.reshape(x.shape)


def measure(trial: Trial) -> Result:
    data = trial.digits(trial.pick(full=20_000, quick=3000, tiny=200), trial.pick(full=1000, quick=300, tiny=60))
    layers = pl.Conv2D(16, 5), pl.ReLU(), pl.MaxPool2D(2), pl.Flatten(), pl.Dense(64), pl.ReLU()
    model = pl.Sequential(*layers, pl.Dense(10, pl.GlorotUniform()), pl.Softmax()).compile(
        (28, 28, 1), pl.CrossEntropy(), pl.Adam(0.002), [pl.Accuracy()], seed=trial.seed
    )
    model.fit(data.train, epochs=trial.pick(full=4, quick=6, tiny=1), batch_size=64, progress=False)
    x = data.validation.x[: trial.pick(full=200, quick=60, tiny=6)]
    guess = model.predict(x).argmax(axis=1)
    random = np.random.default_rng(trial.seed)
    chance = np.where(x > 0, random.random(x.shape), -1.0)
    found: Result = {"by chance": float((model.predict(_without(x, chance)).argmax(axis=1) == guess).mean())}
    for name, told in _told(model, x, data.train.x[:50]).items():
        kept = model.predict(_without(x, told.values if name != "saliency" else np.abs(told.values))).argmax(axis=1) == guess
        error = told.completeness_error / np.maximum(np.abs(told.explained), 1e-6)
        found[name] = {"kept": float(kept.mean()), "error": float(np.median(error))}
        if trial.seed == 0:
            found[name]["maps"] = told.values[:5, :, :, 0].round(3).tolist()
    if trial.seed == 0:
        found["pictures"], found["guesses"] = x[:5, :, :, 0].tolist(), guess[:5].tolist()
    return found


def verdict(results: Sequence[Result]) -> Verdict:
    error = {name: median(results, name, "error") for name in METHODS}
    kept = {name: median(results, name, "kept") for name in METHODS[1:]}
    chance = median(results, "by chance")
    because = (
        f"integrated gradients add up to within {100 * error['integrated gradients']:.1f} % and DeepLIFT to "
        f"{100 * error['DeepLIFT']:.1f} % of what there is to explain; without the {REMOVED} strongest pixels by a signed "
        f"method {100 * min(kept.values()):.0f} to {100 * max(kept.values()):.0f} % of the answers stay, without as many inked "
        f"ones by chance {100 * chance:.0f} %"
    )
    adds_up = max(error[name] for name in COMPLETE) < 0.05
    return Verdict("holds" if adds_up and max(kept.values()) < chance - 0.1 else "does not hold", because)


def table(results: Sequence[Result]) -> Table:
    rows = []
    for name in METHODS:
        each = [result[name] for result in results]
        rows.append((name, spread((100 * one["error"] for one in each), ".1f"), percent((one["kept"] for one in each), ".0f")))
    rows.append(("by chance, of those with ink", "–", percent((result["by chance"] for result in results), ".0f")))
    return Table(("pixels by", "left unexplained (%)", f"answers that stay without the {REMOVED} strongest"), tuple(rows))


def figure(results: Sequence[Result]) -> Figure:
    first = results[0]
    columns = {"picture": first["pictures"], **{name: first[name]["maps"] for name in METHODS}}
    return attributions(columns, [f"“{guess}”" for guess in first["guesses"]], METHODS)


EXPERIMENT = Experiment(
    question="Which pixels speak for a digit, and do attributions add up?",
    codes=("D9",),
    chapter="What a network sees",
    claim="A tool such as SHAP explains the classification of a digit by its pixels.",
    source="Dive into deep learning, the last part: interpretation of a classification",
    criterion="Integrated gradients and DeepLIFT leave less than 5 % of what there is to explain unexplained (median); and "
    "taking away the 40 strongest pixels by each signed method (all but saliency) changes more answers than taking 40 inked "
    "pixels by chance, by more than 10 points (medians).",
    mathematics=(
        "An attribution gives each pixel a number φᵢ; it is complete if they add up to what there is to explain. With f(x) the "
        "network's output for its guess before the softmax:\n\n"
        "    Σᵢ φᵢ = f(x) − f(baseline)\n\n"
        "Shapley values are the only complete ones that also treat equal pixels equally, give nothing to pixels without effect "
        "and add up over functions; exactly, they take 2⁷⁸⁴ evaluations. Integrated gradients walk from the baseline (black) "
        "to the picture, φᵢ = xᵢ ∫ ∂f/∂xᵢ(αx) dα from α = 0 to 1, which is complete by the fundamental theorem of calculus, "
        "but for the number of steps; expected gradients average that over baselines and estimate SHAP values. DeepLIFT "
        "divides differences instead of taking derivatives, Δy/Δx at each unit. Input × gradient, xᵢ ∂f/∂xᵢ, takes the slope "
        "at the picture for that of the whole way. Saliency, |∂f/∂xᵢ|, is a slope, and need not add up to anything."
    ),
    measure=measure,
    verdict=verdict,
    table=table,
    figure=figure,
    seeds=3,
    alt="Five digits and their attribution maps by five methods: vermilion where a pixel speaks for the guess, blue against "
    "it.",
)
