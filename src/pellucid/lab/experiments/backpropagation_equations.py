"""Do the backpropagation equations, written in NumPy, give the library's gradients?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pellucid import SGD, Accuracy, CrossEntropy, Dense, Layer, ReLU, Sequential, Softmax
from pellucid.core.memory import Array
from pellucid.lab.experiment import Experiment, Result, Table, Trial, Verdict, percent, spread
from pellucid.lab.reference_pass import forward_backward
from pellucid.plots import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NETWORKS = {"one hidden layer": (32,), "three layers": (64, 32)}
METHODS = ("δ = a − y", "elementwise σ'")
RATE = 0.1


def forward(w: Mapping[str, Array], depth: int, x: Array) -> list[Array]:
    """Return x and the output of each layer: the latent values that the backward pass needs."""
    a = [x]
    for k in range(1, depth + 1):
        z = a[-1] @ w[f"dense{k}.W"] + w[f"dense{k}.b"]
        a.append(np.maximum(z, 0) if k < depth else np.exp(z) / np.exp(z).sum(axis=1, keepdims=True))
    return a


def backward(w: Mapping[str, Array], a: Sequence[Array], delta: Array) -> dict[str, Array]:
    """Return the gradients of all layers and of x, from δ = dJ/dz of the last layer."""
    g = {}
    for k in range(len(a) - 1, 0, -1):
        g[f"dense{k}.W"], g[f"dense{k}.b"] = a[k - 1].T @ delta, delta.sum(axis=0)
        delta = (delta @ w[f"dense{k}.W"].T) * (a[k - 1] > 0 if k > 1 else 1)
    return g | {"x": delta}


def measure(trial: Trial) -> Result:
    n, found = trial.pick(full=2000, quick=500, tiny=50), Result()
    digits = trial.digits(train=n, validation=trial.pick(full=2000, quick=500, tiny=20))
    validation, y = digits.validation, np.eye(10)[digits.train.y]
    x, validation_x = digits.train.x.reshape(n, -1) / 255.0, digits.validation.x.reshape(-1, 784) / 255.0
    for name, hidden in NETWORKS.items():
        layers: list[Layer] = [layer for units in hidden for layer in (Dense(units), ReLU())]
        network = Sequential(*layers, Dense(10), Softmax())
        model = network.compile((784,), CrossEntropy(), SGD(RATE), [Accuracy()], seed=trial.seed)
        w: dict[str, Any] = {path: value.astype(float) for path, value in model.weights.items()}
        xs, ys = x[:100], y[:100]
        a = forward(w, len(hidden) + 1, xs)
        hand = backward(w, a, (a[-1] - ys) / len(xs))
        # l' σ' with σ' = a (1 − a), which is not the derivative of softmax
        elementwise = backward(w, a, -ys * (1 - a[-1]) / len(xs))
        _, dx, library = forward_backward(network, w, xs, lambda out, ys=ys: -ys / out / len(out))  # type: ignore[misc]
        library["x"] = dx
        found[name] = {
            key: {p: float(np.abs(one[p] - g).max() / np.abs(g).max()) for p, g in library.items()}
            for key, one in zip(METHODS, (hand, elementwise), strict=True)
        }
        for _ in range(trial.pick(full=5, quick=5, tiny=1)):  # train both on the same batches
            for k in range(0, n, 50):
                xs, ys = x[k : k + 50], y[k : k + 50]
                model.train_on_batch(xs, ys)
                a = forward(w, len(hidden) + 1, xs)
                g = backward(w, a, (a[-1] - ys) / len(xs))
                w = {path: value - RATE * g[path] for path, value in w.items()}
        guess = forward(w, len(hidden) + 1, validation_x)[-1].argmax(axis=1)
        found[name]["accuracy"] = [
            float((guess == validation.y).mean()),
            float(model.evaluate(validation_x, validation.y)["accuracy"]),
        ]
    return found


def verdict(results: Sequence[Result]) -> Verdict:
    hand, elementwise = ([max(result[name][method].values()) for result in results for name in NETWORKS] for method in METHODS)
    reason = (
        f"with δ = a − y all gradients agree with the library's to {max(hand):.0e} (relative); with an elementwise σ' of "
        f"softmax some gradient is off by at least {100 * min(elementwise):.0f} %"
    )
    return Verdict("does not hold" if max(hand) > 1e-9 else "depends" if min(elementwise) > 1e-9 else "holds", reason)


def table(results: Sequence[Result]) -> Table:
    rows = []
    for name, hidden in NETWORKS.items():
        accuracy = (percent((result[name]["accuracy"][i] for result in results), ".1f") for i in (0, 1))
        errors = (spread((max(result[name][method].values()) for result in results), ".0e") for method in METHODS)
        rows.append((f"784-{'-'.join(map(str, hidden))}-10", *errors, *accuracy))
    return Table(
        ("network", *(f"error, {method}" for method in METHODS), "validation accuracy, NumPy", "validation accuracy, library"),
        tuple(rows),
    )


def figure(results: Sequence[Result]) -> Figure:
    made, (ax,) = style.blank_figure(7.2, 3.6)
    for method, color, marker in zip(METHODS, (style.BLUE, style.VERMILION), "os", strict=True):
        errors = results[0]["three layers"][method]
        ax.semilogy([max(value, 1e-18) for value in errors.values()], marker, color=color, label=method)
    ax.axhline(2.2e-16, color="black", linestyle=":", linewidth=1, label="float64 rounding")
    ax.set_xticks(range(len(errors)), list(errors), fontsize=8)
    ax.set(ylim=(1e-18, 1e4), ylabel="error relative to the largest entry", title="784-64-32-10, seed 0, float64")
    ax.legend(ncols=3, fontsize=8, loc="upper center")
    return made


EXPERIMENT = Experiment(
    question="Do the backpropagation equations, written in NumPy, give the library's gradients?",
    codes=("D6", "L1"),
    chapter="Learning",
    claim=(
        "δ = a − y at the output, δ ← h'(z) ⊙ W δ backwards, and the gradients are a δᵀ and δ. In the notation of the "
        "other slides: ∂l/∂A₃ = l'(x₃) σ₃'(A₃x₂ + b₃) x₂ᵀ and so on down to A₁."
    ),
    source="Introduction to deep learning, overview of the training algorithm; Dive into deep learning, 3.3 Back-propagation",
    criterion=(
        "In every run all gradients of weights, biases and input agree with the library's within 1e-9 (relative, "
        "float64). It depends if, with an elementwise σ₃' as σ: ℝ → ℝ implies, some gradient differs by more in every run."
    ),
    mathematics="""
With z⁽ᵏ⁾ = a⁽ᵏ⁻¹⁾ W⁽ᵏ⁾ + b⁽ᵏ⁾ and a⁽ᵏ⁾ = h(z⁽ᵏ⁾), samples as rows, and δ⁽ᵏ⁾ = ∂J/∂z⁽ᵏ⁾, the chain rule gives

    ∂J/∂W⁽ᵏ⁾ = a⁽ᵏ⁻¹⁾ᵀ δ⁽ᵏ⁾,   ∂J/∂b⁽ᵏ⁾ = Σ δ⁽ᵏ⁾,   δ⁽ᵏ⁻¹⁾ = h'(z⁽ᵏ⁻¹⁾) ⊙ (δ⁽ᵏ⁾ W⁽ᵏ⁾ᵀ)

Each gradient needs the latent values a⁽ᵏ⁻¹⁾, so the forward pass stores them.

The output layer needs care. Softmax combines all its inputs: its derivative is a matrix, aᵢ(1 − aᵢ) for i = j and −aᵢaⱼ
otherwise. With ∂J/∂aᵢ = −yᵢ/aᵢ and Σ yᵢ = 1, the sum over i is aⱼ − yⱼ. An elementwise σ', a (1 − a) for each output, gives
−y (1 − a) instead: correct for the true class and 0 for all others. NumPy and the library are then trained on the same
batches.
""",
    alt=(
        "Distance of every gradient of three layers from the library's: rounding error with the correct δ, large errors "
        "with an elementwise σ'."
    ),
    measure=measure,
    verdict=verdict,
    table=table,
    figure=figure,
    seeds=3,
)
