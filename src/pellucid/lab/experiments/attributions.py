"""Which pixels support the prediction of a digit, and are attributions complete?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

import pellucid as pl
from pellucid import explain
from pellucid.lab.experiment import Experiment, Result, Table, Trial, Verdict, median, percent, spread
from pellucid.plots import attributions

if TYPE_CHECKING:
    from matplotlib.figure import Figure

METHODS = "saliency", "input × gradient", "integrated gradients", "DeepLIFT", "expected gradients"
COMPLETE = "integrated gradients", "DeepLIFT"
REMOVED = 40  # pixels: those with the highest attribution, or as many random ones that are not black


def _attributions(model: pl.Model, x: np.ndarray, background: np.ndarray) -> dict[str, explain.Attribution]:
    return {
        "saliency": explain.saliency(model, x),
        "input × gradient": explain.input_times_gradient(model, x),
        "integrated gradients": explain.integrated_gradients(model, x),
        "DeepLIFT": explain.deeplift(model, x),
        "expected gradients": explain.expected_gradients(model, x, background),
    }


def _without(x: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return the images with their pixels of the highest scores set to black."""
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
    prediction = model.predict(x).argmax(axis=1)
    random = np.random.default_rng(trial.seed)
    random_scores = np.where(x > 0, random.random(x.shape), -1.0)
    found: Result = {"random pixels": float((model.predict(_without(x, random_scores)).argmax(axis=1) == prediction).mean())}
    for name, attribution in _attributions(model, x, data.train.x[:50]).items():
        scores = attribution.values if name != "saliency" else np.abs(attribution.values)
        unchanged = model.predict(_without(x, scores)).argmax(axis=1) == prediction
        error = attribution.completeness_error / np.maximum(np.abs(attribution.explained), 1e-6)
        found[name] = {"unchanged": float(unchanged.mean()), "error": float(np.median(error))}
        if trial.seed == 0:
            found[name]["maps"] = attribution.values[:5, :, :, 0].round(3).tolist()
    if trial.seed == 0:
        found["images"], found["predictions"] = x[:5, :, :, 0].tolist(), prediction[:5].tolist()
    return found


def verdict(results: Sequence[Result]) -> Verdict:
    error = {name: median(results, name, "error") for name in METHODS}
    unchanged = {name: median(results, name, "unchanged") for name in METHODS[1:]}
    random_pixels = median(results, "random pixels")
    reason = (
        f"the completeness error is {100 * error['integrated gradients']:.1f} % with integrated gradients and "
        f"{100 * error['DeepLIFT']:.1f} % with DeepLIFT; without the {REMOVED} highest pixels of a signed method "
        f"{100 * min(unchanged.values()):.0f} to {100 * max(unchanged.values()):.0f} % of the predictions are unchanged, "
        f"without {REMOVED} random pixels of the strokes {100 * random_pixels:.0f} %"
    )
    adds_up = max(error[name] for name in COMPLETE) < 0.05
    return Verdict("holds" if adds_up and max(unchanged.values()) < random_pixels - 0.1 else "does not hold", reason)


def table(results: Sequence[Result]) -> Table:
    rows = []
    for name in METHODS:
        each = [result[name] for result in results]
        rows.append(
            (name, spread((100 * one["error"] for one in each), ".1f"), percent((one["unchanged"] for one in each), ".0f"))
        )
    rows.append(("random pixels of the strokes", "–", percent((result["random pixels"] for result in results), ".0f")))
    return Table(
        ("attribution method", "completeness error (%)", f"predictions unchanged without the {REMOVED} highest pixels"),
        tuple(rows),
    )


def figure(results: Sequence[Result]) -> Figure:
    first = results[0]
    columns = {"image": first["images"], **{name: first[name]["maps"] for name in METHODS}}
    return attributions(columns, [f"“{prediction}”" for prediction in first["predictions"]], METHODS)


EXPERIMENT = Experiment(
    question="Which pixels support the prediction of a digit, and are attributions complete?",
    codes=("D9",),
    chapter="What a network sees",
    claim="A tool such as SHAP explains the classification of a digit by its pixels.",
    source="Dive into deep learning, the last part: interpretation of a classification",
    criterion=(
        "The attributions of integrated gradients and DeepLIFT add up to the output difference with an error of less than "
        "5 % (median); and removing the 40 highest pixels by each signed method (all but saliency) changes more "
        "predictions than removing 40 random pixels of the strokes, by more than 10 percentage points (medians)."
    ),
    mathematics="""
An attribution assigns each pixel a value φᵢ. It is complete if the values add up to the output difference. With f(x) the
logit of the predicted class:

    Σᵢ φᵢ = f(x) − f(baseline)

Shapley values are the only complete attributions that also treat equal pixels equally, assign zero to pixels without effect
and are additive over functions; exact values take 2⁷⁸⁴ evaluations. Integrated gradients follow the path from the baseline
(black) to the image, φᵢ = xᵢ ∂f/∂xᵢ(αx), integrated over α from 0 to 1. This is complete by the fundamental theorem of
calculus, up to the number of steps. Expected gradients average it over baselines and estimate SHAP values. DeepLIFT uses
ratios of differences, Δy/Δx at each unit, instead of derivatives. Input × gradient, xᵢ ∂f/∂xᵢ, uses the slope at the image
for the whole path. Saliency, |∂f/∂xᵢ|, is a slope and need not be complete.
""",
    alt=(
        "Five digits and their attribution maps by five methods: vermilion where a pixel supports the prediction, blue "
        "where it opposes it."
    ),
    measure=measure,
    verdict=verdict,
    table=table,
    figure=figure,
    seeds=3,
)
